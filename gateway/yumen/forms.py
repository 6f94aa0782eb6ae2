"""The two forms of a text, as the core keeps them; plugins see them only through `yumen.view`.

A text has a raw form, and a masked form once a masking plugin has looked at it. Until then its masked form is a keyed
digest, so what may only see masked text can never be handed raw text.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from yumen.digest import Hmac
from yumen.exchange import CacheState, Finding, Principal, Trace, Usage
from yumen.text import Kind

if TYPE_CHECKING:
    from yumen.dialects import Dialect, Payload
    from yumen.dialects.document import Document
    from yumen.tracing.notes import Notes

DIGEST_BYTES = 16
NO_MAC = Hmac(b"")
NOTHING: Mapping[str, str] = MappingProxyType({})
# A stored finding list is for people; masking itself is never capped.
FINDINGS_MAX = 1000


class TextState:
    """One text: where it stands in its document, and its forms.

    `unheld` is what the engine gets where that is not the masked form: the text without the edits of rules in shadow.
    `group` is the index of the message it belongs to, or -1. `edited` says that
    the raw form is not the source's any more. `outer` is set where the text stands in JSON that itself
    stands in a string of another document (tool-call arguments).
    """

    __slots__ = ("document", "edited", "group", "kind", "masked", "ordinal", "outer", "path", "raw", "role", "unheld")

    def __init__(
        self, path: str, role: str, kind: Kind, raw: str, group: int, document: Document | None, ordinal: int
    ) -> None:
        self.path = path
        self.role = role
        self.kind: Kind = kind
        self.raw = raw
        self.masked: str | None = None
        self.unheld: str | None = None
        self.edited = False
        self.group = group
        self.document = document
        self.ordinal = ordinal
        self.outer: tuple[Document, int] | None = None

    def for_engine(self, masked: bool) -> str:
        """What the engine gets; `masked` says whether a masking plugin has enforced."""
        if not masked or self.masked is None:
            return self.raw
        return self.masked if self.unheld is None else self.unheld

    def write(self, value: str) -> None:
        """Put a value in the text's place in its document, and the document in its outer one."""
        if self.document is not None:
            self.document.replace(self.ordinal, value)
            if self.outer is not None:
                outer, ordinal = self.outer
                outer.replace(ordinal, self.document.render().decode())


class CallState:
    """A call of a tool in a reply: where it stands, and the texts that its name and arguments are made of.

    `source` are the arguments as they were written. Where that is JSON, `document` has it apart, and `texts` stand in it.
    """

    __slots__ = ("choice", "document", "names", "path", "source", "texts")

    def __init__(self, choice: int, path: str, source: str) -> None:
        self.choice = choice
        self.path = path
        self.source = source
        self.names: list[TextState] = []
        self.texts: list[TextState] = []
        self.document: Document | None = None

    def arguments(self, forms: list[str]) -> str:
        """The arguments with a form for each of `texts`."""
        if not self.texts:
            return self.source
        if self.document is None:
            return "".join(forms)
        written = {
            text.ordinal: form for text, form in zip(self.texts, forms, strict=True) if text.edited or form != text.raw
        }
        return self.document.with_strings(written).decode()


class ReplyState:
    """A reply on its way up. `sent` means that its text has already left, so that nothing can be edited any more.

    `calls` are the tool calls of one that is held back whole; those of a plain reply stand in its payload.
    """

    __slots__ = ("calls", "code", "finish_reason", "payload", "retry_after", "sent", "status", "texts", "usage")

    def __init__(self, status: int, code: str = "", texts: list[TextState] | None = None) -> None:
        self.status = status
        self.code = code
        self.texts = texts or []
        self.usage: Usage | None = None
        self.finish_reason = ""
        self.payload: Payload | None = None
        self.calls: list[CallState] = []
        self.retry_after = ""
        self.sent = False

    def to_client(self) -> bytes:
        """The reply as the client gets it."""
        assert self.payload is not None
        for text in self.texts:
            if text.edited:
                text.write(text.raw)
        return self.payload.document.render() + self.payload.tail


class ExchangeState:
    """Everything the core knows about one exchange."""

    __slots__ = (
        "accept_raw", "asked_with", "cache", "cache_control", "client", "detour", "dialect", "digest_mac", "egress",
        "engine", "engine_identity", "engine_version", "fell_back", "findings", "findings_dropped", "headers", "id",
        "leaving", "masked_by", "masking", "masking_required", "model", "outcome", "path", "payload", "policy_hash",
        "principal", "received_at", "reply", "reply_bytes", "request_bytes", "restored", "route", "sent_bytes",
        "sent_form", "session", "spoken", "streamed", "subject", "texts", "timings_ms", "trace", "traced", "versions",
    )  # fmt: skip

    def __init__(self, exchange_id: str, received_at: float, principal: Principal, payload: Payload) -> None:
        self.id = exchange_id
        self.received_at = received_at
        self.principal = principal
        self.payload = payload
        self.texts = payload.texts
        self.model = payload.model
        self.streamed = payload.streamed
        self.dialect = payload.dialect
        self.request_bytes = payload.size
        self.reply_bytes = 0
        self.path = ""
        self.session = ""
        self.subject = ""
        self.route = ""
        self.engine = ""
        self.engine_version = ""
        # A digest of how the engine is configured, with what the environment says: two upstreams of one name differ in it.
        self.engine_identity = b""
        # The plugins of the chain by instance, with their versions.
        self.versions: Mapping[str, str] = NOTHING
        self.cache: CacheState | Literal[""] = ""
        self.cache_control: Mapping[str, str] = NOTHING
        # Those headers of the request that plugins of the chain have named; each is shown those that it has named itself.
        self.asked_with: Mapping[str, str] = NOTHING
        # The dialect, once the exchange runs.
        self.spoken: Dialect | None = None
        # Whether the request has been made up as the engine gets it, so that it cannot be edited any more.
        self.leaving = False
        # What the engine was given, once it has been: see `yumen.exchange.Exchange`.
        self.egress = ""
        self.sent_form = ""
        self.sent_bytes = 0
        self.policy_hash = ""
        self.accept_raw = ""
        self.client = ""
        self.digest_mac = NO_MAC
        # What the route's masking plugin has done: nothing yet, masked what the engine gets, all of that but what its rules
        # in shadow found, or only what stores get.
        self.masking: Literal["none", "enforce", "partly", "shadow"] = "none"
        self.masked_by = ""
        # The plugin instance and rule that ask for nothing but the masked form, or for another engine, and which.
        self.masking_required: tuple[str, str] | None = None
        self.detour: tuple[str, str] | None = None
        # Whether the engine that was asked first has failed, so that another was asked.
        self.fell_back = False
        # Whether the masking plugin's response hook has run: from then on a reply has two forms.
        self.restored = False
        self.reply: ReplyState | None = None
        self.outcome = ""
        self.findings: list[Finding] = []
        self.findings_dropped = 0
        self.trace: list[Trace] = []
        # What hooks did beyond that, where somebody wants to know.
        self.traced: Notes | None = None
        self.timings_ms: dict[str, float] = {}
        self.headers: dict[str, str] = {}

    def masked_form(self, text: TextState) -> str:
        """The masked form of a text: what the masking plugin made of it, or its keyed digest."""
        if text.masked is not None:
            return text.masked
        return digest(self.digest_mac, text.raw)

    @property
    def engine_masked(self) -> bool:
        """Whether the engine gets what a masking plugin has made of the texts."""
        return self.masking == "enforce" or self.masking == "partly"

    @property
    def engine_path(self) -> str:
        """The path below the dialect's root as the engine gets it."""
        written = self.payload.path_text
        if written is None:
            return self.payload.path
        form = written.for_engine(self.engine_masked)
        return self.payload.path if form == written.raw and not written.edited else quote(form)

    def to_engine(self) -> bytes:
        """The document as the engine gets it; the payload's tail comes behind it."""
        masked = self.engine_masked
        for text in self.texts:
            form = text.for_engine(masked)
            if text.edited or form != text.raw:
                text.write(form)
        return self.payload.document.render()


def digest(mac: Hmac, value: str) -> str:
    """HMAC-SHA256 of a text, 128 bits of it: enough to compare two records, useless without the key."""
    return "hmac:" + mac(value.encode("utf-8", "surrogatepass"))[:DIGEST_BYTES].hex()


class Edits:
    """Edits of one text, buffered while a hook runs; offsets are those of the text as the hook saw it."""

    __slots__ = ("_spans",)

    def __init__(self) -> None:
        self._spans: list[tuple[int, int, str]] = []

    def add(self, length: int, start: int, end: int, new: str) -> None:
        """Note one edit. Error: ValueError where it is out of range or overlaps another one."""
        if not 0 <= start <= end <= length:
            raise ValueError(f"span {start}:{end} is outside a text of {length} code points")
        if any(start < other_end and other_start < end for other_start, other_end, _ in self._spans[-8:]):
            raise ValueError(f"span {start}:{end} overlaps an earlier edit of this hook")
        self._spans.append((start, end, new))

    def __len__(self) -> int:
        return len(self._spans)

    def apply(self, value: str) -> str:
        """The edited text. Error: ValueError where two edits overlap."""
        parts: list[str] = []
        position = 0
        for start, end, new in sorted(self._spans, key=lambda span: span[:2]):
            if start < position:
                raise ValueError(f"span {start}:{end} overlaps an earlier edit of this hook")
            parts.append(value[position:start])
            parts.append(new)
            position = end
        parts.append(value[position:])
        return "".join(parts)


def note(state: ExchangeState, finding: Finding) -> None:
    """Add a finding, up to the written limit; beyond it only their number is kept."""
    if len(state.findings) < FINDINGS_MAX:
        state.findings.append(finding)
    else:
        state.findings_dropped += 1
