"""An exchange as a plugin sees it in its process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal

from yumen.engine import Delta, Events, Native
from yumen.errors import Code
from yumen.exchange import (
    Answer,
    Block,
    CacheState,
    Decision,
    Direction,
    Finding,
    Mode,
    Principal,
    Respond,
    Trace,
)
from yumen.forms import FINDINGS_MAX
from yumen.isolation.child.texts import IsolatedReply, IsolatedText
from yumen.isolation.wire import Act, Done, Edit, Find, Seen
from yumen.kept import Kept
from yumen.plugin import Manifest, StreamFilter
from yumen.said import check_decision, check_finding, check_header
from yumen.text import Text
from yumen.view import CACHE_STATES

NOT_HERE = "a plugin in a process of its own cannot keep replies to give again"


class IsolatedExchange:
    """An `Exchange`; see that protocol for what each member means. It lives as long as the real one, so `state` lasts."""

    def __init__(self, manifest: Manifest, instance: str, want: Callable[..., Any]) -> None:
        self.manifest = manifest
        self._instance = instance
        self._want = want
        self.state: dict[str, Any] = {}
        # One hook at a time: another one waits until the one before has ended, which may have been cancelled long ago.
        self.turn = asyncio.Lock()
        # The stream filters that have not come to their end.
        self.filters: dict[int, StreamFilter] = {}

    def begin(self, order: int, seen: Seen) -> None:
        """A hook begins: this is what there is to see now."""
        self._order, self._seen = order, seen
        self.acts: list[Find | Edit | Act] = []
        self.modes = seen.modes
        self.cache: CacheState | Literal[""] = seen.cache
        self.findings: list[Finding] = list(seen.findings)
        self.dropped = 0
        self._texts: list[Text] | None = None
        self._reply: IsolatedReply | None = None
        self._options: dict[str, int | float | bool] | None = None

    def go_on(self, order: int) -> None:
        """A stream filter of before is called again; what there is to see is what there was when its channel began."""
        self._order = order
        self.acts, self.dropped = [], 0

    def end(self, decision: Decision | None) -> Done:
        """The hook has returned. Errors: TypeError or ValueError for what is no decision."""
        if decision is not None:
            check_decision(decision)
        block = decision if isinstance(decision, Block) else None
        answer = decision.answer if isinstance(decision, Respond) else None
        return Done(self._order, self.acts, block, answer, dropped=self.dropped)

    def filter_acts(self) -> list[Find | Act]:
        """What a stream filter did. Error: PermissionError for an edit of what has been sent."""
        acts = [act for act in self.acts if not isinstance(act, Edit)]
        if len(acts) < len(self.acts):
            raise PermissionError("it is too late: this text has been sent, or is about to be")
        return acts

    def over(self) -> None:
        """Nobody waits for the hook any more; what the plugin does to the exchange from now on is done to nothing."""
        self._order = -1

    @property
    def id(self) -> str:
        return self._seen.id

    @property
    def received_at(self) -> float:
        return self._seen.received_at

    @property
    def principal(self) -> Principal:
        return self._seen.principal

    @property
    def session(self) -> str:
        return self._seen.session

    @property
    def subject(self) -> str:
        return self._seen.subject

    @property
    def route(self) -> str:
        return self._seen.route

    @property
    def dialect(self) -> str:
        return self._seen.dialect

    @property
    def model(self) -> str:
        return self._seen.model

    @property
    def engine(self) -> str:
        return self._seen.engine

    @property
    def engine_version(self) -> str:
        return self._seen.engine_version

    @property
    def versions(self) -> Mapping[str, str]:
        return self._seen.versions

    @property
    def streamed(self) -> bool:
        return self._seen.streamed

    @property
    def wants_usage(self) -> bool:
        return self._seen.wants_usage

    @property
    def policy_hash(self) -> str:
        return self._seen.policy_hash

    @property
    def accept_raw(self) -> str:
        return self._seen.accept_raw

    @property
    def path(self) -> str:
        return self._seen.path

    @property
    def egress(self) -> str:
        return self._seen.egress

    @property
    def sent_form(self) -> str:
        return self._seen.sent_form

    @property
    def sent_bytes(self) -> int:
        return self._seen.sent_bytes

    @property
    def request_bytes(self) -> int:
        return self._seen.request_bytes

    @property
    def reply_bytes(self) -> int:
        return self._seen.reply_bytes

    @property
    def client(self) -> str:
        return self._seen.client

    @property
    def outcome(self) -> str:
        return self._seen.outcome

    @property
    def headers(self) -> Mapping[str, str]:
        return self._seen.headers

    @property
    def cache_control(self) -> Mapping[str, str]:
        return self._seen.cache_control

    @property
    def trace(self) -> Sequence[Trace]:
        return self._seen.trace

    @property
    def timings_ms(self) -> Mapping[str, float]:
        return self._seen.timings_ms

    @property
    def texts(self) -> Sequence[Text]:
        if self._texts is None:
            late = self._seen.late
            self._texts = [
                IsolatedText(self, passage, number, reply=False, late=late)
                for number, passage in enumerate(self._seen.texts)
            ]
        return self._texts

    @property
    def reply(self) -> IsolatedReply | None:
        if self._reply is None and self._seen.reply is not None:
            self._reply = IsolatedReply(self, self._seen.reply)
        return self._reply

    def find(
        self, rule: str, *, category: str, text: Text | None = None, start: int = 0, end: int = 0, score: float = 1.0
    ) -> None:
        mode = self.modes.get(rule)
        if mode == "off":
            return
        check_finding(rule, category, start, end, score)
        if len(self.findings) >= FINDINGS_MAX:
            self.dropped += 1
            return
        reply, number = (text.reply, text.number) if isinstance(text, IsolatedText) else (False, -1)
        self.acts.append(Find(rule, category, reply, number, start, end, score))
        direction: Direction = "request" if self._seen.reply is None else "reply"
        path, shadow = "" if text is None else text.path, self._seen.shadow or mode == "shadow"
        found = Finding(rule, category, path, start, end, score, direction, self._instance, shadow)
        self.findings.append(found)

    def mode(self, rule: str) -> Mode:
        default: Mode = "shadow" if self._seen.shadow else "enforce"
        return self.modes.get(rule, default)

    def block(self, rule: str, code: Code = "policy_blocked", retry_after_s: float | None = None) -> Block | None:
        mode = self.modes.get(rule)
        if mode is None:
            return Block(rule, code, retry_after_s)
        if mode == "shadow":
            self.acts.append(Act("block", rule))
        return None

    def require_masking(self, rule: str) -> bool:
        if not self._still_enforces(rule):
            return False
        self.acts.append(Act("require_masking", rule))
        return True

    def send_to(self, engine: str, rule: str) -> bool:
        if not self._still_enforces(rule):
            return False
        self.acts.append(Act("send_to", engine, rule))
        return True

    def _still_enforces(self, rule: str) -> bool:
        if self._seen.late:
            raise PermissionError("it is too late: the engine is being asked, or there is a reply")
        return self.mode(rule) == "enforce"

    @property
    def options(self) -> Mapping[str, int | float | bool]:
        if self._options is None:
            self._options = self._want("options", self._order, [])
        return self._options or {}

    @property
    def clean(self) -> bool:
        return bool(self._want("clean", self._order, []))

    def canonical(self, *, leave_out: Collection[str] = (), without: str = "") -> bytes:
        given: bytes = self._want("canonical", self._order, [without, *leave_out])
        return given

    def keep(self, given: Answer | Native | Sequence[Delta | bytes]) -> Kept | None:
        raise PermissionError(NOT_HERE)

    def give_again(self, kept: Kept) -> Answer | Native | Events | None:
        raise PermissionError(NOT_HERE)

    def set_cache(self, state: CacheState, *, rule: str = "") -> None:
        if state not in CACHE_STATES:
            raise ValueError(f"the state of a cache is one of: {', '.join(CACHE_STATES)}")
        self.cache = state
        self.acts.append(Act("set_cache", state, rule))

    def set_header(self, name: str, value: str) -> None:
        check_header(name, value, {})
        self.acts.append(Act("set_header", name, value))
