"""Asks the rules of one phase which of them hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from yumen import Exchange
from yumen_plugins.anomaly.compiled import FACTS, Ready, facts_of
from yumen_plugins.anomaly.facts.gather import Gatherer
from yumen_plugins.anomaly.facts.look import Look
from yumen_plugins.anomaly.holding import Held
from yumen_plugins.anomaly.language.conditions import Type, Value, clean
from yumen_plugins.anomaly.language.evaluators import Wanted, make


class Asked:
    """The rules of one phase, with what evaluates them."""

    def __init__(self, rules: Sequence[Ready], wanted: Wanted) -> None:
        self.rules = list(rules)
        names = facts_of(rules)
        self._types: dict[str, Type] = {name: FACTS[name].type for name in names}
        self._gather = Gatherer(names)
        self._holding = any(rule.for_s for rule in rules)
        self._evaluator = make([rule.expression for rule in rules], wanted) if rules else None

    @property
    def runs(self) -> str:
        """What evaluates them, and why that."""
        return f"{self._evaluator.name}: {self._evaluator.why}" if self._evaluator is not None else ""

    def facts(self, look: Look, counted: Mapping[str, float]) -> dict[str, Value]:
        """The facts that these rules read, as evaluators compare them.

        What is not known, or is not what it should be, is absent.
        """
        found: dict[str, Value] = {}
        for name, value in {**counted, **self._gather(look)}.items():
            if name in self._types and (one := clean(value, self._types[name])) is not None:
                found[name] = one
        return found

    def hold(self, exchange: Exchange, facts: Mapping[str, Value], known: Mapping[str, float], now: float) -> Held:
        """What fires now, of rules that are on. Error: that of an evaluator."""
        held = Held(known, now)
        if self._evaluator is None:
            return held
        true = frozenset(self._evaluator.matches(facts))
        if true or self._holding:
            for index, rule in enumerate(self.rules):
                if (index in true or rule.for_s) and exchange.mode(rule.id) != "off":
                    held.take(rule, index in true)
        return held

    def close(self) -> None:
        """Free the evaluator."""
        if self._evaluator is not None:
            self._evaluator.close()
