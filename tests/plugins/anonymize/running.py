"""The plugin in a harness, and what the tests of its actions look at."""

from __future__ import annotations

from typing import Any

import pytest

from yumen import Mode
from yumen.testing import Harness, Outcome, Piece, Record, chat
from yumen_plugins.anonymize import Anonymize, pseudonym
from yumen_plugins.anonymize.config import Pattern

# For tests that put something in the place of a function of a module that can be compiled.
INTERPRETED = pytest.mark.skipif(
    not str(pseudonym.__file__).endswith(".py"),
    reason="compiled code calls its own functions, and not what a test puts there",
)
PHONE, OTHER, MAIL, CARD, ADDRESS = "13812345678", "13912345678", "li.na@example.com", "4111111111111111", "10.1.2.3"


def pattern(rule: str, regex: str, **more: Any) -> Pattern:
    """An author's pattern."""
    return Pattern(id=rule, pattern=regex, **more)


def anonymize(modes: dict[str, Mode] | None = None, mode: Mode = "enforce", **config: Any) -> Harness:
    """The plugin under a policy that gives some of its rules, or all of it, a mode."""
    rules = {rule: {"mode": quiet} for rule, quiet in (modes or {}).items()}
    return Harness.of(Anonymize, config, mode=mode, **({"rules": rules} if rules else {}))


def spoken(outcome: Outcome) -> str:
    """What the engine was told in messages."""
    assert outcome.forwarded is not None
    return outcome.forwarded.spoken


class Sent:
    """What came of one exchange: for the caller, the engine, the ledger, and on record."""

    def __init__(self, outcome: Outcome, record: Record) -> None:
        self.outcome = outcome
        self.record = record
        every = outcome.exchange.findings if outcome.exchange is not None else []
        self.findings = [(one.rule, one.shadow) for one in every]
        self.would_block = [one.reason for one in outcome.trace if one.shadow and one.decision == "block"]
        self.blocked_by = [one.reason for one in outcome.trace if not one.shadow and one.decision == "block"]

    @property
    def forwarded(self) -> str:
        """The message as the engine got it."""
        return spoken(self.outcome)

    @property
    def stored(self) -> str:
        """The message as the ledger has it; the model's name stands before it."""
        return self.record.request[-1]


async def send(harness: Harness, text: str, *says: Piece, stream: bool = False) -> Sent:
    """One exchange, whose reply comes in these pieces."""
    harness.engine.says(*(says or ("fine",)))
    outcome = await harness.ask(chat(text, stream=stream))
    assert outcome.record is not None
    return Sent(outcome, outcome.record)
