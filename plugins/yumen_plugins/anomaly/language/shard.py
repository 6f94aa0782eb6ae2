"""Conditions divided among rulesets of durable_rules, none of which can grow beyond what that library survives.

Matching a fact, the library keeps what is still to be looked at on a stack of 64 places and fails where they are not
enough; 256 rules behind one comparison make it read beyond a list, and 512 comparisons at one place make it loop for ever.
Here a ruleset holds at most 60 conjunctions, all different. Whatever lies on the stack at one time belongs to different
conjunctions, since no two of its entries are on one path: so 60 places are enough, whatever the facts, and the other
limits are far away. A fact has at most 255 properties; a ruleset here reads at most 250.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

import msgspec

from yumen_plugins.anomaly.language.conditions import AllOf, AnyOf, Expression, Leaf, Membership, Node

CONJUNCTIONS_MAX = 60
PROPERTIES_MAX = 250

Conjunction = tuple[Leaf, ...]


class CannotShard(ValueError):
    """A condition that fits no ruleset. `index` is its place among the conditions; `why` says what is too much in it."""

    def __init__(self, index: int, why: str) -> None:
        super().__init__(f"condition {index}: {why}")
        self.index = index
        self.why = why


class Shard(msgspec.Struct, frozen=True):
    """What one ruleset is made of: conjunctions, each with the indices of the conditions that are true when it is."""

    conjunctions: Mapping[Conjunction, tuple[int, ...]]

    def properties(self) -> int:
        """How many properties the facts of this ruleset have."""
        return len(_properties(self.conjunctions))


def shards(conditions: Sequence[Expression]) -> tuple[Shard, ...]:
    """Conditions as rulesets, in order. Error: `CannotShard` for the first that has too many alternatives."""
    indices: dict[Conjunction, list[int]] = {}
    for index, condition in enumerate(conditions):
        count = alternatives(condition.root)
        if count > CONJUNCTIONS_MAX:
            raise CannotShard(index, f"it has {count:_} alternatives, and {CONJUNCTIONS_MAX} fit; write fewer `or`")
        for conjunction in dict.fromkeys(_conjunctions(condition.root)):
            indices.setdefault(conjunction, []).append(index)
    return tuple(_divided(indices))


def alternatives(node: Node) -> int:
    """How many conjunctions a condition has once each `or` in it is multiplied out."""
    if isinstance(node, AnyOf):
        return sum(map(alternatives, node.parts))
    if isinstance(node, AllOf):
        count = 1
        for part in node.parts:
            count *= alternatives(part)
        return count
    return 1


def property_of(leaf: Leaf) -> str | Membership:
    """What a comparison reads: a fact, or whether a fact is in a list, which is found out before the ruleset is asked."""
    if isinstance(leaf, Membership):
        return leaf if leaf.inside else leaf.opposite()
    return leaf.fact


def _divided(indices: Mapping[Conjunction, list[int]]) -> Iterator[Shard]:
    held: dict[Conjunction, tuple[int, ...]] = {}
    properties: set[str | Membership] = set()
    for conjunction, these in indices.items():
        more = _properties([conjunction])
        if held and (len(held) == CONJUNCTIONS_MAX or len(properties | more) > PROPERTIES_MAX):
            yield Shard(held)
            held, properties = {}, set()
        held[conjunction] = tuple(these)
        properties |= more
    if held:
        yield Shard(held)


def _conjunctions(node: Node) -> Iterator[Conjunction]:
    """The conjunctions of a condition. Each comparison stands in one but once, in the order of the condition."""
    if isinstance(node, AnyOf):
        for part in node.parts:
            yield from _conjunctions(part)
    elif isinstance(node, AllOf):
        for chosen in product(*(list(_conjunctions(part)) for part in node.parts)):
            yield tuple(dict.fromkeys(leaf for conjunction in chosen for leaf in conjunction))
    else:
        yield (node,)


def _properties(conjunctions: Iterable[Conjunction]) -> set[str | Membership]:
    return {property_of(leaf) for conjunction in conjunctions for leaf in conjunction}
