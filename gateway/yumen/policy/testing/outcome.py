"""What came of one exchange: what the caller got, what the engine was given, and what the chain noted."""

from __future__ import annotations

from functools import cached_property

from yumen.dialects.document import decode_json
from yumen.engine import EngineRequest
from yumen.exchange import Trace
from yumen.forms import ExchangeState
from yumen.policy.testing.script import ROOTS
from yumen.policy.testing.words import Stream, Words, error_code, reply_words, request_words, stream_words

FAILED = ("fault", "unsupported")


class Outcome:
    """One exchange that has ended. `exchange` is None where it was refused before a route was found.

    `headers` and `body` are the reply as the caller got it; `given` what the engine was asked, or None.
    """

    def __init__(
        self,
        path: str,
        status: int,
        headers: dict[str, str],
        body: bytes,
        exchange: ExchangeState | None,
        given: EngineRequest | None,
    ) -> None:
        self.path = path
        self.status = status
        self.headers = headers
        self.body = body
        self.exchange = exchange
        self.given = given

    @property
    def streamed(self) -> bool:
        """Whether the reply came as a stream."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @cached_property
    def _stream(self) -> Stream:
        return stream_words(self.body)

    @cached_property
    def code(self) -> str:
        """The error code that the caller got, or empty."""
        if self.streamed:
            return self._stream.code
        if self.status < 400:
            return ""
        try:
            return error_code(decode_json(self.body))
        except ValueError:
            return ""

    @cached_property
    def reply(self) -> Words:
        """What the caller got; of an error reply nothing, of a stream that ended with one what had come before."""
        if self.streamed:
            return self._stream.words
        return Words() if self.status >= 400 else reply_words(self.path, self.body)

    @cached_property
    def forwarded(self) -> Words | None:
        """What the engine got, or None where it was not asked."""
        if self.given is None:
            return None
        return request_words(ROOTS[self.given.dialect] + self.given.path, self.given.body)

    @property
    def trace(self) -> list[Trace]:
        """The hook calls."""
        return self.exchange.trace if self.exchange is not None else []

    @property
    def decision(self) -> str:
        """`allow`, `block` for whatever ended with an error, or `respond` where a plugin answered for itself.

        One that gives again what an engine said, in the engine's place, lets pass what it gives.
        """
        if self.code:
            return "block"
        answered = any(one.decision == "respond" and one.hook != "on_ask" and not one.shadow for one in self.trace)
        return "respond" if answered else "allow"

    @property
    def route(self) -> str:
        """The route that took it, or empty."""
        return self.exchange.route if self.exchange is not None else ""

    @property
    def rule(self) -> str:
        """The rule that ended it, or empty."""
        if not self.code:
            return ""
        return next((one.reason for one in reversed(self.trace) if one.decision == "block" and not one.shadow), "")

    @property
    def findings(self) -> set[str]:
        """The rules that found something that counts."""
        found = self.exchange.findings if self.exchange is not None else []
        return {one.rule for one in found if not one.shadow}

    @property
    def shadow(self) -> set[str]:
        """The rules in shadow that would have acted or found something; the instance, where it names no rule for it."""
        quiet = {rule for _, rule in self._touched(shadow=True)}
        named = {plugin for plugin, _ in self._touched(shadow=True)}
        acted = {one.plugin for one in self.trace if one.shadow and (one.decision != "allow" or one.edits)}
        return quiet | (acted - named)

    @property
    def reached(self) -> set[tuple[str, str]]:
        """Pairs of instance and rule: what found something or blocked, in shadow or not."""
        return self._touched(shadow=True) | self._touched(shadow=False)

    def _touched(self, *, shadow: bool) -> set[tuple[str, str]]:
        found = self.exchange.findings if self.exchange is not None else []
        pairs = {(one.plugin, one.rule) for one in found if one.shadow == shadow}
        ended = (one for one in self.trace if one.decision in ("block", "respond") and one.reason)
        return pairs | {(one.plugin, one.reason) for one in ended if one.shadow == shadow}

    @property
    def fault(self) -> str:
        """Which plugin failed, where and how, or empty; the type of the error alone, its message may hold a text."""
        one = next((one for one in self.trace if one.decision in FAILED and not one.shadow), None)
        return "" if one is None else f"{one.plugin} failed in {one.hook} with {one.reason}"
