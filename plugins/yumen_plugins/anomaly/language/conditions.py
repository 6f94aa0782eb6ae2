"""Conditions as trees, the values they compare, and the one written form of each.

A tree holds no `not`: reading a condition turns each into the opposite comparison (`not a > 3` is `a <= 3`), as the laws of
De Morgan allow. So what is not known needs no third truth value: a comparison with an absent fact is not true, whichever
way round it is, and the whole is true just when Kleene's logic calls it true.

Numbers are whole millionths everywhere. All evaluators compare the same integers, and none of them can round its own way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias

import msgspec

# Numbers are counted in these parts of one.
SCALE = 1_000_000
NUMBER_MAX = 10**12
TEXT_MAX = 256

Type: TypeAlias = Literal["number", "text", "bool"]
Operator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">="]
# What `clean` makes of a value: whole millionths, a text or a bool.
Value: TypeAlias = int | str | bool
Facts: TypeAlias = Mapping[str, Value]

OPPOSITE: Mapping[Operator, Operator] = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


class FactType(Protocol):
    """What a condition must know of a fact. `values` are all that a text can be, `maximum` what a number never exceeds."""

    @property
    def type(self) -> Type: ...
    @property
    def unit(self) -> str: ...
    @property
    def values(self) -> frozenset[str] | None: ...
    @property
    def maximum(self) -> float | None: ...


class Comparison(msgspec.Struct, frozen=True):
    """A fact beside a constant: a number in millionths, or a text."""

    fact: str
    operator: Operator
    constant: int | str

    def __str__(self) -> str:
        return f"{self.fact} {self.operator} {written(self.constant)}"

    def opposite(self) -> Comparison:
        """The comparison that is true of the other values."""
        return Comparison(self.fact, OPPOSITE[self.operator], self.constant)


class Membership(msgspec.Struct, frozen=True):
    """Whether a fact is among constants, or, with `inside` false, is none of them. They are in order and all differ."""

    fact: str
    inside: bool
    constants: tuple[int, ...] | tuple[str, ...]

    def __str__(self) -> str:
        listed = ", ".join(map(written, self.constants))
        return f"{self.fact} {'in' if self.inside else 'not in'} [{listed}]"

    def opposite(self) -> Membership:
        """The one that is true of the other values."""
        return Membership(self.fact, not self.inside, self.constants)


class Flag(msgspec.Struct, frozen=True):
    """A fact that is true or false, and which of them is asked for."""

    fact: str
    wanted: bool

    def __str__(self) -> str:
        return self.fact if self.wanted else f"not {self.fact}"

    def opposite(self) -> Flag:
        """The other one."""
        return Flag(self.fact, not self.wanted)


class AllOf(msgspec.Struct, frozen=True):
    """Several conditions, at least two, that must all be true. None of them is an `AllOf`."""

    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " and ".join(f"({part})" if isinstance(part, AnyOf) else str(part) for part in self.parts)


class AnyOf(msgspec.Struct, frozen=True):
    """Several conditions, at least two, of which one must be true. None of them is an `AnyOf`."""

    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.parts))


Leaf: TypeAlias = Comparison | Membership | Flag
Node: TypeAlias = Leaf | AllOf | AnyOf


class Expression(msgspec.Struct, frozen=True):
    """A condition. `str` gives its one written form, which is read back as an equal condition."""

    root: Node

    def __str__(self) -> str:
        return str(self.root)

    def facts(self) -> frozenset[str]:
        """The names of the facts that it reads."""
        return frozenset(leaf.fact for leaf in leaves(self.root))


def leaves(node: Node) -> Iterator[Leaf]:
    """All comparisons of a tree, from left to right."""
    if isinstance(node, AllOf | AnyOf):
        for part in node.parts:
            yield from leaves(part)
    else:
        yield node


def join(kind: type[AllOf | AnyOf], parts: list[Node]) -> Node:
    """Conditions as one: those of the same kind are taken apart, and one alone stays as it is."""
    flat: list[Node] = []
    for part in parts:
        if isinstance(part, kind):
            flat.extend(part.parts)
        else:
            flat.append(part)
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def written(constant: int | str) -> str:
    """A constant as a condition writes it."""
    if isinstance(constant, int):
        return f"{Decimal(constant) / SCALE:f}"
    escaped = constant.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def clean(value: object, type: Type) -> Value | None:
    """A value as the evaluators compare it, or None where it is not one of this type: then the fact is absent.

    Numbers are finite and at most 10**12 either way; they are rounded to millionths, halves to even. Texts have at most 256
    code points, among them neither NUL nor half of a surrogate pair.
    """
    if type == "bool":
        return value if isinstance(value, bool) else None
    if type == "text":
        return value if isinstance(value, str) and clean_text(value) else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value * SCALE if -NUMBER_MAX <= value <= NUMBER_MAX else None
    if isinstance(value, float) and -NUMBER_MAX <= value <= NUMBER_MAX:  # what is no number is in no range
        return int(value) * SCALE if value.is_integer() else _millionths(value)
    return None


def _millionths(value: float) -> int:
    """A number in millionths, the nearest exactly: multiplying it as a float would be off by some where it is large."""
    above, below = value.as_integer_ratio()
    whole, rest = divmod(above * SCALE, below)
    return whole + (rest * 2 > below or (rest * 2 == below and whole % 2 == 1))


def cleaned(values: Mapping[str, object], types: Mapping[str, FactType]) -> dict[str, Value]:
    """Those values of known facts that can be compared, ready for an evaluator."""
    found: dict[str, Value] = {}
    for name, value in values.items():
        known = types.get(name)
        if known is not None and (one := clean(value, known.type)) is not None:
            found[name] = one
    return found


def clean_text(text: str) -> bool:
    """Whether a text can be compared at all."""
    if len(text) > TEXT_MAX or "\0" in text:
        return False
    # Asking for the encoding is the fastest way to find a surrogate, and an ASCII text holds none.
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
