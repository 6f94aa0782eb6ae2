"""What came of an exchange, and sentences about it that a test can assert.

Every `assert_…` says what it expected and tells the whole exchange where that does not hold.
"""

from __future__ import annotations

from typing import Any

from yumen.exchange import Finding
from yumen.policy.testing.outcome import Outcome as Run
from yumen.policy.testing.words import stream_pieces
from yumen.testing.traces import Sought
from yumen.testing.watching import Record


class Outcome(Run):
    """One exchange that has ended.

    `status`, `headers` and `body` are what the client got; `reply.spoken` its words; `given` the `EngineRequest`, None where
    no engine was asked; `trace` the hook calls; `decision` is `allow`, `block` or `respond`; `rule` the rule that ended it;
    `findings` the rules that found something that counts; `shadow` those that would have acted; `record` what a ledger
    would say.
    """

    record: Record | None = None

    @property
    def text(self) -> str:
        """What the client reads of a reply, plain or streamed."""
        return self.reply.spoken

    @property
    def pieces(self) -> list[str]:
        """The texts of a streamed reply as they came, one of each event that brings any; empty for a plain one."""
        return stream_pieces(self.body) if self.streamed else []

    @property
    def sent(self) -> str:
        """What the engine reads of the request; empty where none was asked."""
        return "" if self.forwarded is None else self.forwarded.everything

    def found(self, rule: str) -> list[Finding]:
        """What a rule has found, in shadow or not."""
        every = self.exchange.findings if self.exchange is not None else []
        return [one for one in every if one.rule == rule]

    def assert_answered(self, text: str | None = None) -> None:
        """The client got a reply without an error, and with `text` just that."""
        self._hold(not self.code and self.status == 200, "to be answered")
        if text is not None:
            self._hold(self.text == text, f"to be answered with {text!r}, and not {self.text!r}")

    def assert_blocked(self, by: str | None = None, code: str = "policy_blocked") -> None:
        """It ended with an error reply, by a rule where one is named."""
        self._hold(self.code == code, f"to end with {code}")
        if by is not None:
            self._hold(self.rule == by, f"to be blocked by {by}")

    def assert_failed(self, code: str = "plugin_fault") -> None:
        """It ended with an error that is nobody's decision."""
        self._hold(self.code == code, f"to fail with {code}")

    def assert_responded(self, text: str | None = None) -> None:
        """A plugin answered in the engine's place."""
        self._hold(self.decision == "respond", "to be answered by a plugin")
        if text is not None:
            self._hold(self.text == text, f"to be answered with {text!r}, and not {self.text!r}")

    def assert_engine_not_asked(self) -> None:
        """Nothing reached an engine."""
        self._hold(self.given is None, "to reach no engine")

    def assert_engine_got(self, *words: str) -> None:
        """The engine was given all of these."""
        self._hold(self.given is not None, "to reach an engine")
        for word in words:
            self._hold(word in self.sent, f"to bring {word!r} to the engine")

    def assert_engine_did_not_get(self, *words: str) -> None:
        """The engine was asked, and given none of these."""
        self._hold(self.given is not None, "to reach an engine")
        for word in words:
            self._hold(word not in self.sent, f"not to bring {word!r} to the engine")

    def assert_client_got(self, *words: str) -> None:
        """The reply holds all of these."""
        for word in words:
            self._hold(word in self.reply.everything, f"to bring {word!r} to the client")

    def assert_client_did_not_get(self, *words: str) -> None:
        """The reply, errors and headers included, holds none of these."""
        wire = [self.body, self.reply.everything, self.headers]
        for word in words:
            self._hold(not Sought(word).within(wire), f"not to bring {word!r} to the client")

    def assert_found(self, *rules: str) -> None:
        """These rules found something that counts."""
        for rule in rules:
            self._hold(rule in self.findings, f"to have a finding of {rule}")

    def assert_found_nothing(self) -> None:
        """No rule found anything that counts."""
        self._hold(not self.findings, "to have no findings")

    def assert_would_have(self, *rules: str) -> None:
        """These rules, or instances without rules, are in shadow and would have acted."""
        for rule in rules:
            self._hold(rule in self.shadow, f"to show that {rule} would have acted")

    def assert_header(self, name: str, value: str) -> None:
        """The reply has a header of this value."""
        self._hold(self.headers.get(name) == value, f"to have the header {name}: {value}")

    def _hold(self, holds: bool, expected: str) -> None:
        if not holds:
            raise AssertionError(f"expected the exchange {expected}\n{self.told()}")

    def told(self) -> str:
        """The exchange for people: what the client got, and what each plugin did."""
        lines = [f"{self.path} -> {self.status} {self.code or 'ok'}, {self.decision}"]
        lines.append(f"  client got: {self.text or self.body.decode('utf-8', 'replace')!r}")
        lines.append("  engine was not asked" if self.given is None else f"  engine got: {self.sent!r}")
        lines += [f"  {one.plugin}.{one.hook}: {_did(one)}" for one in self.trace]
        every = self.exchange.findings if self.exchange is not None else []
        lines += [f"  found {one.rule} at {one.path}[{one.start}:{one.end}]" for one in every]
        return "\n".join(lines)


def _did(one: Any) -> str:
    more = [one.reason] if one.reason else []
    more += [f"{one.edits} edits"] if one.edits else []
    more += ["in shadow"] if one.shadow else []
    return ", ".join([one.decision, *more])
