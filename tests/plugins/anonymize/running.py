"""The plugin, started, on exchanges through the real core."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.kit import Ledger, Outcome, ScriptedEngine, completion, exchange, request, step
from tests.plugins.host import UnitHost

from yumen import Mode
from yumen.policy.bundle import RulePolicy
from yumen.step import Step
from yumen_plugins.anonymize import Anonymize, pseudonym
from yumen_plugins.anonymize.config import AnonymizeConfig, Pattern

# For tests that put something in the place of a function of a module that can be compiled.
INTERPRETED = pytest.mark.skipif(
    not str(pseudonym.__file__).endswith(".py"),
    reason="compiled code calls its own functions, and not what a test puts there",
)
PHONE, OTHER, MAIL, CARD, ADDRESS = "13812345678", "13912345678", "li.na@example.com", "4111111111111111", "10.1.2.3"


def pattern(rule: str, regex: str, **more: Any) -> Pattern:
    """An author's pattern."""
    return Pattern(id=rule, pattern=regex, **more)


async def started(disabled: frozenset[str] = frozenset(), **config: Any) -> Anonymize:
    """The plugin under a configuration, without the rules that policy switched off."""
    plugin = Anonymize(AnonymizeConfig(**config))
    await plugin.start(UnitHost(disabled=disabled))
    return plugin


def ruled(plugin: Anonymize, modes: dict[str, Mode] | None = None, **knobs: Any) -> Step:
    """The plugin under a policy that gives some of its rules a mode."""
    said = modes or {}
    policies = {one.id: RulePolicy(id=one.id, mode=said.get(one.id, "enforce")) for one in plugin.rules()}
    return step(plugin, rules=policies, **knobs)


class Sent:
    """What came of one exchange: for the caller, the engine, the ledger, and on record."""

    def __init__(self, outcome: Outcome, engine: ScriptedEngine, ledger: Ledger) -> None:
        self.outcome = outcome
        self.engine = engine
        self.record = ledger.records[-1]
        self.findings = [(one.rule, one.shadow) for one in outcome.exchange.findings]
        self.would_block = [one.reason for one in outcome.exchange.trace if one.shadow and one.decision == "block"]
        self.blocked_by = [one.reason for one in outcome.exchange.trace if not one.shadow and one.decision == "block"]

    @property
    def forwarded(self) -> str:
        """The message as the engine got it."""
        content: str = json.loads(self.engine.seen)["messages"][-1]["content"]
        return content

    @property
    def stored(self) -> str:
        """The message as the ledger has it; the model's name stands before it."""
        text: str = self.record["request"][-1]
        return text


async def send(one: Step, text: str, reply: Any = None, *, stream: bool = False) -> Sent:
    """One exchange with a ledger above the plugin."""
    ledger, engine = Ledger(), ScriptedEngine(completion("fine") if reply is None else reply)
    outcome = await exchange([step(ledger), one], engine, request(text, stream=stream))
    return Sent(outcome, engine, ledger)
