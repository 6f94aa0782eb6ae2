"""Which evaluator runs the conditions of a policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol, TypeAlias

from yumen_plugins.anomaly.language.conditions import Expression, Facts
from yumen_plugins.anomaly.language.durable import DurableEvaluator, EngineFault, EngineMissing, load
from yumen_plugins.anomaly.language.evaluate import PythonEvaluator
from yumen_plugins.anomaly.language.shard import CannotShard, shards

__all__ = ["CannotShard", "EngineFault", "EngineMissing", "Evaluator", "Wanted", "make"]

Wanted: TypeAlias = Literal["auto", "python", "durable-rules"]


class Evaluator(Protocol):
    """Says which conditions are true. `name` is `python` or `durable-rules`, `why` says why this one runs."""

    name: ClassVar[str]
    why: str

    def matches(self, facts: Facts) -> tuple[int, ...]:
        """The indices of the conditions that are true, in ascending order.

        `facts` holds what `conditions.cleaned` leaves; what is not there is absent. Any thread may ask.
        Error: `EngineFault`.
        """
        ...

    def close(self) -> None:
        """Free what it holds. Closing again does nothing."""
        ...


def make(conditions: Sequence[Expression], wanted: Wanted = "auto") -> Evaluator:
    """The evaluator of these conditions.

    `auto` takes durable_rules where it can be imported and all conditions fit one ruleset; beyond that Python is faster
    by more than an order of magnitude.

    Errors, with `durable-rules` wanted: `EngineMissing`; `CannotShard` for a condition that does not fit. `EngineFault`
    where the library fails.
    """
    if wanted == "python":
        return PythonEvaluator(conditions, "the policy asks for it")
    if wanted == "durable-rules":
        return DurableEvaluator(conditions, "the policy asks for it")
    reason = _against_durable(conditions)
    if reason is None:
        return DurableEvaluator(conditions, "durable-rules is installed, and all conditions fit one ruleset")
    return PythonEvaluator(conditions, reason)


def durable_rules_state() -> str:
    """Why durable-rules cannot run here, or empty; `yumen engines list` asks."""
    try:
        load()
    except EngineMissing as error:
        return str(error)
    return ""


def python_state() -> str:
    """The same of the evaluator in Python, which runs everywhere."""
    return ""


def _against_durable(conditions: Sequence[Expression]) -> str | None:
    """What speaks against durable_rules where the choice is free, or None."""
    try:
        load()
    except EngineMissing:
        return "durable-rules cannot be imported here"
    try:
        rulesets = len(shards(conditions))
    except CannotShard as error:
        return f"a condition does not fit a ruleset of durable-rules: {error.why}"
    if rulesets > 1:
        return f"the conditions would need {rulesets} rulesets of durable-rules, where Python is much faster"
    return None
