"""What one plugin instance is shown of an exchange: the form its manifest names, and edits that wait for the core.

A view lives as long as its exchange, so that `state` lasts; the texts in it are made anew for every hook, and only when the
hook looks at them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, get_args

from yumen.canonical import canonical, options
from yumen.dialects import Dialect
from yumen.engine import Delta, Events, Native
from yumen.errors import Code
from yumen.exchange import Answer, Block, CacheState, Direction, Finding, Mode, Principal, Trace
from yumen.forms import NOTHING, ExchangeState, ReplyState, TextState, digest, note
from yumen.kept import Kept, clean, given_again, kept_of
from yumen.plugin import Manifest
from yumen.replyview import ReplyView, calls_shown
from yumen.said import check_finding, check_header
from yumen.text import Text, ToolCall
from yumen.textview import NO_MODES, TextView

CACHE_STATES: tuple[str, ...] = get_args(CacheState)
CACHE_HEADER = "x-cache"
NO_HEADERS: frozenset[str] = frozenset()


class View:
    """An `Exchange` for one plugin instance; see that protocol for what each member means."""

    __slots__ = (
        "_exchange", "_headers", "_instance", "_manifest", "_modes", "_quiet_known", "_reply_texts", "_scratch", "_texts",
        "answered_by", "quiet_blocks", "quiet_edits", "seconds", "shadow",
    )  # fmt: skip

    def __init__(
        self,
        exchange: ExchangeState,
        instance: str,
        manifest: Manifest,
        shadow: bool = False,
        modes: Mapping[str, Mode] = NO_MODES,
        headers: frozenset[str] = NO_HEADERS,
    ) -> None:
        self._exchange = exchange
        self._instance = instance
        self._manifest = manifest
        # The mode of the whole instance on this exchange, and of those of its rules that do not enforce.
        self.shadow = shadow
        self._modes = modes
        # Those that the plugin has named.
        self._headers = headers
        # What rules in shadow would have done in the running hook: blocks by rule, and a number of edits.
        self.quiet_blocks: list[str] = []
        self._quiet_known: list[str] = []
        self.quiet_edits = 0
        self._texts: list[TextView] | None = None
        self._reply_texts: list[TextView] | None = None
        self._scratch: dict[str, Any] | None = None
        # The rule by which it answers in the engine's place.
        self.answered_by = ""
        # Time spent in this instance's hooks on this exchange.
        self.seconds = 0.0

    @property
    def id(self) -> str:
        return self._exchange.id

    @property
    def received_at(self) -> float:
        return self._exchange.received_at

    @property
    def route(self) -> str:
        return self._exchange.route

    @property
    def dialect(self) -> str:
        return self._exchange.dialect

    @property
    def engine(self) -> str:
        return self._exchange.engine

    @property
    def engine_version(self) -> str:
        return self._exchange.engine_version

    @property
    def versions(self) -> Mapping[str, str]:
        return self._exchange.versions

    @property
    def streamed(self) -> bool:
        return self._exchange.streamed

    @property
    def wants_usage(self) -> bool:
        return not self._exchange.streamed or self._exchange.payload.include_usage

    @property
    def policy_hash(self) -> str:
        return self._exchange.policy_hash

    @property
    def accept_raw(self) -> str:
        return self._exchange.accept_raw

    @property
    def path(self) -> str:
        return self._exchange.path

    @property
    def egress(self) -> str:
        return self._exchange.egress

    @property
    def sent_form(self) -> str:
        return self._exchange.sent_form

    @property
    def sent_bytes(self) -> int:
        return self._exchange.sent_bytes

    @property
    def request_bytes(self) -> int:
        return self._exchange.request_bytes

    @property
    def reply_bytes(self) -> int:
        return self._exchange.reply_bytes

    @property
    def client(self) -> str:
        return self._exchange.client

    @property
    def outcome(self) -> str:
        return self._exchange.outcome

    @property
    def principal(self) -> Principal:
        return self._exchange.principal

    @property
    def session(self) -> str:
        return self._exchange.session

    @property
    def subject(self) -> str:
        return self._exchange.subject

    @property
    def model(self) -> str:
        """The model's name is the caller's own words too, so it comes in the form that the plugin may see."""
        named = self._exchange.payload.model_text
        return self._form(named) if named is not None else self._exchange.model

    @property
    def findings(self) -> Sequence[Finding]:
        return self._exchange.findings

    @property
    def trace(self) -> Sequence[Trace]:
        return self._exchange.trace

    @property
    def timings_ms(self) -> Mapping[str, float]:
        return self._exchange.timings_ms

    @property
    def state(self) -> dict[str, Any]:
        if self._scratch is None:
            self._scratch = {}
        return self._scratch

    @property
    def texts(self) -> Sequence[Text]:
        if self._texts is None:
            manifest = self._manifest
            # Once it goes to the engine, or a reply exists, the request's texts can be read but not edited.
            sent = self._exchange.leaving or self._exchange.reply is not None
            modes = self._modes
            self._texts = [TextView(text, self._form(text), manifest, sent, modes) for text in self._exchange.texts]
        return self._texts

    @property
    def reply(self) -> ReplyView | None:
        reply = self._exchange.reply
        return None if reply is None else ReplyView(self, reply)

    def reply_texts(self) -> Sequence[Text]:
        # A reply that begins has no texts yet.
        if not self._reply_texts:
            reply = self._exchange.reply
            texts = reply.texts if reply is not None else []
            sent = reply is not None and reply.sent
            modes = self._modes
            self._reply_texts = [TextView(text, self._form(text), self._manifest, sent, modes) for text in texts]
        return self._reply_texts

    def tool_calls(self, reply: ReplyState) -> list[ToolCall]:
        return calls_shown(self._exchange, reply, self._dialect, self._form, self._manifest.sees == "masked")

    def find(
        self, rule: str, *, category: str, text: Text | None = None, start: int = 0, end: int = 0, score: float = 1.0
    ) -> None:
        mode = self._modes.get(rule) if self._modes else None
        if mode == "off":
            return
        check_finding(rule, category, start, end, score)
        direction: Direction = "request" if self._exchange.reply is None else "reply"
        path = "" if text is None else text.path
        shadow = self.shadow or mode == "shadow"
        note(self._exchange, Finding(rule, category, path, start, end, score, direction, self._instance, shadow))

    def mode(self, rule: str) -> Mode:
        default: Mode = "shadow" if self.shadow else "enforce"
        return self._modes.get(rule, default)

    def block(self, rule: str, code: Code = "policy_blocked", retry_after_s: float | None = None) -> Block | None:
        return self.ruled(Block(rule, code, retry_after_s))

    def ruled(self, block: Block) -> Block | None:
        """A block under the mode of its rule: None where the rule does not enforce."""
        mode = self._modes.get(block.reason) if self._modes else None
        if mode is None:
            return block
        if mode == "shadow" and block.reason not in self._quiet_known:
            # Once an exchange: a stream could ask at every piece.
            self._quiet_known.append(block.reason)
            self.quiet_blocks.append(block.reason)
        return None

    def require_masking(self, rule: str) -> bool:
        if not self._still_enforces(rule):
            return False
        self._exchange.masking_required = (self._instance, rule)
        return True

    def send_to(self, engine: str, rule: str) -> bool:
        if not self._still_enforces(rule):
            return False
        self._exchange.detour = (self._instance, engine)
        return True

    def _still_enforces(self, rule: str) -> bool:
        """Whether a rule enforces. Error: PermissionError once the request is on its way, or there is a reply."""
        if self._exchange.leaving or self._exchange.reply is not None:
            raise PermissionError("it is too late: the engine is being asked, or there is a reply")
        return self.mode(rule) == "enforce"

    @property
    def options(self) -> Mapping[str, int | float | bool]:
        return options(self._exchange, self._dialect)

    @property
    def headers(self) -> Mapping[str, str]:
        if not self._headers:
            return NOTHING
        found = {name: value for name, value in self._exchange.asked_with.items() if name in self._headers}
        if self._manifest.sees == "masked":
            mac = self._exchange.digest_mac
            found = {name: digest(mac, value) for name, value in found.items()}
        return found

    @property
    def cache_control(self) -> Mapping[str, str]:
        return self._exchange.cache_control

    @property
    def clean(self) -> bool:
        return clean(self._exchange)

    def canonical(self, *, leave_out: Collection[str] = (), without: str = "") -> bytes:
        self._allow_words()
        return canonical(self._exchange, self._dialect, leave_out, without)

    def keep(self, given: Answer | Native | Sequence[Delta | bytes]) -> Kept | None:
        self._allow_words()
        return kept_of(self._dialect, given)

    def give_again(self, kept: Kept) -> Answer | Native | Events | None:
        exchange = self._exchange
        return given_again(kept, streamed=exchange.streamed, usage=exchange.payload.include_usage)

    def _allow_words(self) -> None:
        """Error: PermissionError where this plugin may not have what the engine is given and gives, as it stands."""
        if self._manifest.sees == "masked" and self._exchange.masking != "enforce":
            raise PermissionError("there is no masked form of what the engine is given")

    @property
    def _dialect(self) -> Dialect:
        spoken = self._exchange.spoken
        assert spoken is not None, "a view is made by a run, which knows the dialect"
        return spoken

    @property
    def cache(self) -> CacheState | Literal[""]:
        return self._exchange.cache

    def set_cache(self, state: CacheState, *, rule: str = "") -> None:
        if state not in CACHE_STATES:
            raise ValueError(f"the state of a cache is one of: {', '.join(CACHE_STATES)}")
        self.answered_by = rule
        self._exchange.cache = state
        if not self.shadow:  # then it is on record only
            self._exchange.headers[CACHE_HEADER] = state

    def set_header(self, name: str, value: str) -> None:
        headers = self._exchange.headers
        check_header(name, value, headers)
        if not self.shadow:
            headers[name] = value

    def _form(self, text: TextState) -> str:
        return self._exchange.masked_form(text) if self._manifest.sees == "masked" else text.raw

    def commit(self, *, blocked: bool = False) -> int:
        """Apply what the hook asked for and forget the hook's texts; return the number of edits.

        In shadow nothing that flows on is edited, but the masked form still is: stores stay clean. A masking plugin that
        blocked may not have looked at every text: what it has not edited is stored as a digest.
        """
        if self._texts is None and self._reply_texts is None and not self._manifest.masks:
            return 0  # most hooks look at no text
        exchange, shadow = self._exchange, self.shadow
        views = self._texts if exchange.reply is None else self._reply_texts
        self._texts = self._reply_texts = None
        edits = 0
        for view in views or ():
            if view._masks is not None:
                edits += len(view._masks)
                view._state.masked = view._masks.apply(view.value)
                if view._unheld is not None and exchange.reply is None and not shadow:
                    quiet = len(view._masks) - len(view._unheld)
                    edits -= quiet
                    self.quiet_edits += quiet
                    if quiet:
                        view._state.unheld = view._unheld.apply(view.value)
            if view._replaces is not None:
                edits += len(view._replaces)
                if not shadow:
                    self._replace(view._state, view._replaces.apply(view.value))
            self.quiet_edits += view._quiet
        # What goes out is made up by then, whatever a hook says that runs right before.
        leaving = exchange.leaving and exchange.reply is None
        if self._manifest.masks and not blocked and not leaving:
            self._settle(shadow)
        return edits

    def _replace(self, text: TextState, edited: str) -> None:
        """Put an edit where it flows on. Below the masking plugin a reply has one form, above it two."""
        exchange, manifest = self._exchange, self._manifest
        if exchange.reply is None:
            if manifest.sees == "raw":
                text.raw, text.edited = edited, True
            elif text.masked is not None:
                # The flow check refuses this behind a rule in shadow, so nothing is lost by giving the engine the same.
                text.masked, text.unheld = edited, None
            else:
                raise PermissionError("there is no masked form to edit before a masking plugin has run")
        else:
            text.raw, text.edited = edited, True
            if text.masked is not None and not manifest.masks and not exchange.restored:
                text.masked = edited

    def _settle(self, shadow: bool) -> None:
        """The masking plugin has looked at every text: where it changed nothing, both forms are the same."""
        exchange = self._exchange
        exchange.masked_by = self._instance
        if exchange.reply is None:
            texts = exchange.texts
            if shadow:
                exchange.masking = "shadow"
            else:
                exchange.masking = "partly" if any(text.unheld is not None for text in texts) else "enforce"
        else:
            exchange.restored = True
            texts = exchange.reply.texts
        for text in texts:
            if text.masked is None:
                text.masked = text.raw

    def discard(self) -> None:
        """Forget the edits of a hook that failed."""
        self._texts = self._reply_texts = None
        self.quiet_blocks, self.quiet_edits = [], 0
