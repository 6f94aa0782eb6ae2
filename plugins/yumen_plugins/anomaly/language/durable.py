"""The evaluator that runs rules in durable_rules.

The library's C part is driven without its `Host`: that keeps two timers running, logs errors with the facts in them, and
takes twice as long. What it needs to be safe is done here.

- Nothing but small words of our own and integers goes in. Facts are numbered; a text becomes its number among the
  constants that it is compared with, or -1, and whether something is in a list is found out before.
- `shard.py` keeps every ruleset within what the library survives.
- A fact is asserted, its actions are taken, and it is retracted. So nothing remains between two calls, and no fact can be
  matched together with another one. A fact that matches nothing is never stored.
- One lock for all calls: several threads on one ruleset lose firings.
- A ruleset's state holds uninitialised memory until its first firing, and freeing it then ends the process. A rule of our
  own is fired first.
- Freed as a whole, state and ruleset, it leaves nothing behind: a process that makes 2,000 of them does not grow.

Asking the library takes some 40 microseconds, mostly for JSON. Since nothing remains between two calls, what it has said
about some facts it would say about all that no comparison tells from them; that is remembered.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from yumen_plugins.anomaly.language.conditions import (
    Comparison,
    Expression,
    Facts,
    Flag,
    Leaf,
    Membership,
    Operator,
    Value,
)
from yumen_plugins.anomaly.language.shard import Conjunction, Shard, property_of, shards

# The library's module in C. Its own Python part, `durable`, is not used.
MODULE = "durable_rules_engine"
# What the library answers to a fact that no rule is interested in; 0 is for one that some rule is.
HANDLED, NOT_HANDLED = 0, 1
OPERATORS: Mapping[Operator, str] = {"==": "$eq", "!=": "$neq", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
# Of one ruleset so many answers are remembered; then it begins anew.
ANSWERS_MAX = 512
# The rule of our own and the property it reads.
OWN_RULE, OWN_PROPERTY = "own", "o"

_numbers = itertools.count(1)


class EngineFault(RuntimeError):
    """durable_rules failed. It says nothing of why: the library's own words may hold the facts."""

    def __init__(self) -> None:
        super().__init__("durable_rules failed")


class EngineMissing(RuntimeError):
    """durable_rules cannot be imported here."""

    def __init__(self) -> None:
        super().__init__(
            "durable-rules cannot be imported; it runs on Python 3.11 and 3.12: `pip install durable-rules`"
        )


def load() -> Any:
    """The library. Error: `EngineMissing`."""
    try:
        return importlib.import_module(MODULE)
    except ImportError:
        raise EngineMissing from None


class DurableEvaluator:
    """Says which conditions are true. Any number of threads may use it, one at a time."""

    name: ClassVar[str] = "durable-rules"

    def __init__(self, conditions: Sequence[Expression], why: str, answers_max: int = ANSWERS_MAX) -> None:
        """`why` says why this evaluator runs; with an `answers_max` of 0 the library is asked every time.

        Errors: `EngineMissing`; `CannotShard` for a condition with too many alternatives; `EngineFault`.
        """
        self.why = why
        library = load()
        self._lock = threading.Lock()
        self._usable = True
        self._rulesets: list[_Ruleset] = []
        try:
            for shard in shards(conditions):
                self._rulesets.append(_Ruleset(library, shard, answers_max))
        except Exception:
            self.close()
            raise

    def matches(self, facts: Facts) -> tuple[int, ...]:
        """The indices of the conditions that are true of these cleaned values, in ascending order.

        Error: `EngineFault`. After one, and once it is closed, this evaluator answers nothing else: what it kept cannot be
        trusted, and saying that nothing is true would be wrong.
        """
        found: set[int] = set()
        with self._lock:
            if not self._usable:
                raise EngineFault
            try:
                for ruleset in self._rulesets:
                    found.update(ruleset.matches(facts))
            except EngineFault:
                self._usable = False
                raise
        return tuple(sorted(found))

    def close(self) -> None:
        """Free the rulesets. Closing again does nothing."""
        with self._lock:
            self._usable = False
            while self._rulesets:
                # One that cannot be freed is given up all the same, and must not keep the others.
                with contextlib.suppress(EngineFault):
                    self._rulesets.pop().free()


class _Ruleset:
    """One ruleset of the library."""

    def __init__(self, library: Any, shard: Shard, answers_max: int) -> None:
        self._library = library
        self._answers_max = answers_max
        self._properties = _Properties(shard.conjunctions)
        self._indices = list(shard.conjunctions.values())
        rules: dict[str, object] = {OWN_RULE: _rule([{OWN_PROPERTY: 1}])}
        for number, conjunction in enumerate(shard.conjunctions):
            rules[str(number)] = _rule([self._properties.condition(leaf) for leaf in conjunction])
        try:
            self._handle = library.create_ruleset(f"anomaly{next(_numbers)}", json.dumps(rules))
        except Exception:
            raise EngineFault from None
        self._fire(json.dumps({OWN_PROPERTY: 1}))
        self._answers: dict[tuple[int, ...], list[int]] = {}

    def matches(self, facts: Facts) -> list[int]:
        alike = self._properties.alike(facts)
        answer = self._answers.get(alike)
        if answer is None:
            answer = self._ask(self._properties.values(facts))
            if len(self._answers) >= self._answers_max:
                self._answers.clear()
            if self._answers_max:
                self._answers[alike] = answer
        return answer

    def _ask(self, values: Mapping[str, int]) -> list[int]:
        fired = self._fire(json.dumps(values)) if values else []
        return [index for rule in fired for index in self._indices[int(rule)]]

    def free(self) -> None:
        """Give back all memory. Error: `EngineFault`."""
        try:
            self._library.delete_state(self._handle, None)
            self._library.delete_ruleset(self._handle)
        except Exception:
            raise EngineFault from None

    def _fire(self, fact: str) -> list[str]:
        """The names of the rules that a fact fires. Error: `EngineFault`."""
        try:
            answer, state = self._library.assert_fact(self._handle, fact)
            if answer == NOT_HANDLED:
                return []
            try:
                fired = self._actions(state)
            finally:
                retracted, _ = self._library.retract_fact(self._handle, fact)
        except Exception:
            raise EngineFault from None
        # A fact that is handled fires something; none would mean that the library still waits for an earlier action to end.
        if answer != HANDLED or retracted != HANDLED or not fired:
            raise EngineFault
        return fired

    def _actions(self, state: int) -> list[str]:
        """Take all actions of a state. What is done in each is to note its name, which its message begins with."""
        fired: list[str] = []
        started = self._library.start_action_for_state(self._handle, state)
        message = started[1] if started else None
        while message:
            # {"<rule>":{"m":{...}}}
            fired.append(message.split('"', 2)[1])
            message = self._library.complete_and_start_action(self._handle, state)
        return fired


class _Properties:
    """The properties of a ruleset's facts: their names, and how a fact's value becomes theirs."""

    def __init__(self, conjunctions: Mapping[Conjunction, object]) -> None:
        self._names: dict[str | Membership, str] = {}
        # For each fact the texts it is compared with, numbered.
        self._texts: dict[str, dict[Value, int]] = {}
        for leaf in itertools.chain.from_iterable(conjunctions):
            self._names.setdefault(property_of(leaf), f"p{len(self._names)}")
            if isinstance(leaf, Comparison) and isinstance(leaf.constant, str):
                texts = self._texts.setdefault(leaf.fact, {})
                texts.setdefault(leaf.constant, len(texts))
        self._readers = [(name, *self._reader(read)) for read, name in self._names.items()]
        self._compared = [(*self._reader(read), self._constants(read, conjunctions)) for read in self._names]

    def condition(self, leaf: Leaf) -> dict[str, object]:
        """A comparison as the library writes it."""
        name, constant = self._names[property_of(leaf)], self._constant(leaf)
        return {OPERATORS[leaf.operator]: {name: constant}} if isinstance(leaf, Comparison) else {name: constant}

    def values(self, facts: Facts) -> dict[str, int]:
        """The properties of these facts."""
        found: dict[str, int] = {}
        for name, fact, read in self._readers:
            value = facts.get(fact)
            if value is not None:
                found[name] = read(value)
        return found

    def alike(self, facts: Facts) -> tuple[int, ...]:
        """The same for facts that no comparison of this ruleset tells apart, and for no others.

        Of each property, in their order, which of its constants the value is, or between which of them it lies; -1 where
        it is absent.
        """
        places: list[int] = []
        for fact, read, constants in self._compared:
            value = facts.get(fact)
            if value is None:
                places.append(-1)
            else:
                number = read(value)
                # Twice the place between constants, and one more on a constant.
                places.append(bisect_left(constants, number) + bisect_right(constants, number))
        return tuple(places)

    def _constants(self, read: str | Membership, conjunctions: Mapping[Conjunction, object]) -> list[int]:
        """What a property is compared with, in ascending order."""
        leaves = (leaf for leaf in itertools.chain.from_iterable(conjunctions) if property_of(leaf) == read)
        return sorted({self._constant(leaf) for leaf in leaves})

    def _constant(self, leaf: Leaf) -> int:
        """The number that a comparison compares with, as the library is given it."""
        if isinstance(leaf, Membership):
            return int(leaf.inside)
        if isinstance(leaf, Flag):
            return int(leaf.wanted)
        return leaf.constant if isinstance(leaf.constant, int) else self._texts[leaf.fact][leaf.constant]

    def _reader(self, read: str | Membership) -> tuple[str, Callable[[Value], int]]:
        if isinstance(read, Membership):
            constants = frozenset[Value](read.constants)
            return read.fact, lambda value: int(value in constants)
        texts = self._texts.get(read)
        if texts is None:
            return read, int
        return read, lambda value: texts.get(value, -1)


def _rule(conditions: list[dict[str, object]]) -> dict[str, object]:
    return {"all": [{"m": {"$and": conditions} if len(conditions) > 1 else conditions[0]}]}
