"""One exchange as it is on record, and what the record does not tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from yumen.exchange import Finding, Trace, Usage
from yumen.text import Kind

KINDS = frozenset(get_args(Kind))
DIGEST = re.compile(r"hmac:[0-9a-f]{32}")
DIGEST_CHARS = 37
ID = re.compile(r"[0-9a-f]{8,64}")
ENGINE_FAILED = ("engine_unavailable", "engine_timeout")
# An exchange that would have taken longer than the core lets any stream take was recorded wrongly.
SECONDS_MAX = 86_400.0


class TextForm(msgspec.Struct, gc=False):
    """An entry of `request` or `reply`."""

    path: str = ""
    kind: str = ""
    role: str = ""
    chars: int = 0
    raw_chars: int | None = None
    text: str | None = None
    digest: str | None = None


class Form(msgspec.Struct):
    """A record of kind `exchange`: what a replay reads of it."""

    id: str
    tenant: str = ""
    app: str = ""
    key: str = ""
    trusted: bool = False
    subject: str = ""
    route: str = ""
    path: str = ""
    dialect: str = ""
    model: str = ""
    engine: str = ""
    streamed: bool = False
    outcome: str = ""
    egress: str = ""
    sent_form: str = ""
    sent_bytes: int = 0
    findings: list[Finding] = []
    findings_left_out: int = 0
    trace: list[Trace] = []
    trace_left_out: int = 0
    request_bytes: int = 0
    reply_bytes: int = 0
    timings_ms: dict[str, float] = {}
    request: list[TextForm] = []
    reply: list[TextForm] = []
    status: int = 0
    finish_reason: str = ""
    usage: Usage | None = None


class Decision(NamedTuple):
    """What policy made of an exchange: `allowed`, `blocked`, `answered` (by a plugin), `failed`, `refused` or `no route`.

    `plugin` and `rule` say by what: for `failed` the rule is the kind of the failure, for `refused` (by the core, before any
    plugin) the limit.
    """

    kind: Literal["allowed", "blocked", "answered", "failed", "refused", "no route"]
    plugin: str = ""
    rule: str = ""

    @property
    def by(self) -> str:
        """Who decided, as people are told."""
        return f"{self.plugin}:{self.rule}" if self.plugin and self.rule else self.plugin or self.rule


ALLOWED = Decision("allowed")


class Recorded:
    """A record in a form that can be run again.

    `at` and `ended` are in seconds since the epoch. `made_by` is the hook in which `decision` was taken, `would` the blocks
    of rules in shadow, by plugin and rule. `texts` is how many texts the request had. `absent` says that some of them are
    not on record, `reply_absent` the same of the reply; `maskers` are the plugins that masked values in the request. `old`
    is a record from before paths and raw lengths were recorded.
    """

    __slots__ = (
        "absent", "at", "decision", "ended", "form", "made_by", "maskers", "old", "reply_absent", "texts", "would",
    )  # fmt: skip

    def __init__(self, form: Form, at: float) -> None:
        self.form = form
        self.at = at
        took_s = form.timings_ms.get("total", 0.0) / 1000
        self.ended = self.at + (took_s if 0 <= took_s <= SECONDS_MAX else 0.0)
        self.decision, self.made_by = _decision(form)
        self.old = not form.path
        self.would: set[tuple[str, str]] = set()
        edited: set[str] = set()
        for one in form.trace:
            if one.shadow and one.decision == "block":
                self.would.add((one.plugin, one.reason))
            if one.edits and one.hook == "on_request":
                edited.add(one.plugin)
        found = (one.plugin for one in form.findings if one.direction == "request")
        self.maskers = edited.intersection(found) if edited else edited
        # The last entry may stand for all that the record leaves out.
        left_out = form.request.pop().chars if form.request and form.request[-1].kind == "left_out" else 0
        self.texts = len(form.request) + max(0, left_out)
        self.absent = _without_digests(form.request) or left_out > 0
        self.reply_absent = _without_digests(form.reply)

    @property
    def masked(self) -> bool:
        """Whether values in the request are masked."""
        return bool(self.maskers)

    @property
    def replied(self) -> bool:
        """Whether the reply, or as much of it as there was, is on record."""
        outcome = self.form.outcome
        broken_off = outcome == "client_disconnect" and bool(self.form.reply)
        return broken_off or outcome in ("ok", "engine_rejected", *ENGINE_FAILED)


_decode = msgspec.json.Decoder(Form).decode


def moment_of(record: Mapping[str, Any]) -> float | None:
    """When a record says that its exchange began, in seconds since the epoch; None where it does not say so.

    A time without a zone is taken to be in UTC.
    """
    try:
        time = datetime.fromisoformat(record["time"])
    except (KeyError, TypeError, ValueError):
        return None
    if not 1970 < time.year < 9000:  # no gateway ran then, and not every such moment can be told
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def packed(record: Mapping[str, Any]) -> bytes | None:
    """A record as it waits for its turn: in little memory, and with nothing for the interpreter to look after."""
    try:
        return msgspec.json.encode(record)
    except (TypeError, ValueError, RecursionError):
        return None


def unpacked(waited: bytes | None, at: float) -> Recorded | None:
    """A packed record of an exchange that began at a moment, or None where it has not the form of one."""
    try:
        form = None if waited is None else _decode(waited)
        return None if form is None or ID.fullmatch(form.id) is None else Recorded(form, at)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None


def _without_digests(texts: list[TextForm]) -> bool:
    """Whether texts are absent. Where nobody masked, the masked form is a digest, and was recorded as a text is."""
    absent = False
    for one in texts:
        text = one.text
        if text is None or (len(text) == DIGEST_CHARS and DIGEST.fullmatch(text)):
            one.text, absent = None, True
    return absent


def _decision(form: Form) -> tuple[Decision, str]:
    """What was decided, and in which hook."""
    for one in form.trace:
        if one.shadow:
            continue
        if one.decision == "block":
            return Decision("blocked", one.plugin, one.reason), one.hook
    if form.engine.startswith("plugin:"):
        plugin = form.engine.removeprefix("plugin:")
        late = any(one.decision == "respond" and one.hook == "on_send" and one.plugin == plugin for one in form.trace)
        return Decision("answered", plugin), "on_send" if late else "on_request"
    if form.outcome in ("ok", "client_disconnect", "engine_rejected", *ENGINE_FAILED):
        return ALLOWED, ""
    for one in form.trace:
        if one.decision in ("fault", "unsupported") and not one.shadow:
            return Decision("failed", one.plugin, one.decision), one.hook
    # The record is too short to tell by whom: the code that the caller got must do.
    return Decision("blocked", "", form.outcome), ""
