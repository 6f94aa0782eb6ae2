"""Facts to write conditions over, conditions that hypothesis makes, and what Kleene's logic says of them."""

from __future__ import annotations

import operator
import re
import sys
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import strategies as st

from yumen_plugins.anomaly.language.conditions import Expression, Type, written
from yumen_plugins.anomaly.language.expression import parse

ENGINES = (
    "python",
    pytest.param(
        "durable-rules",
        marks=pytest.mark.skipif(sys.version_info >= (3, 13), reason="durable-rules cannot be imported on Python 3.13"),
    ),
)


class Known(msgspec.Struct, frozen=True):
    """A fact of these tests."""

    type: Type
    unit: str = ""
    values: frozenset[str] | None = None
    maximum: float | None = None


FACTS: Mapping[str, Known] = {
    "requests.per_key.1m": Known("number"),
    "request.bytes": Known("number", "bytes"),
    "idle": Known("number", "s"),
    "reply.latency": Known("number", "ms"),
    "han_share": Known("number", "share", maximum=1),
    "tenant": Known("text"),
    "model": Known("text"),
    "time.weekday": Known("text", values=frozenset(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))),
    "trusted": Known("bool"),
    "streamed": Known("bool"),
}
NUMBERS = ("requests.per_key.1m", "request.bytes", "idle")
TEXTS = ("tenant", "model")
BOOLS = ("trusted", "streamed")

# A condition before it is written: ("not", one), ("and", several), ("or", several), ("is", fact),
# ("in", fact, constants), or an operator with a fact and a constant.
Source: TypeAlias = tuple[Any, ...]
NUMBER = st.sampled_from((0, 1, 2, 3, -5, 0.5, 0.000001, -2.25, 10**12, -(10**12), 999_999_999_999.0))
TEXT = st.sampled_from(("a", "b", "", "A", "租户", "ü\n", "a\"\\'", "甲" * 256, "1"))
ORDER = st.sampled_from(("==", "!=", "<", "<=", ">", ">="))
LEAF = st.one_of(
    st.tuples(ORDER, st.sampled_from(NUMBERS), NUMBER),
    st.tuples(st.sampled_from(("==", "!=")), st.sampled_from(TEXTS), TEXT),
    st.tuples(st.just("in"), st.sampled_from(NUMBERS), st.lists(NUMBER, min_size=1, max_size=4)),
    st.tuples(st.just("in"), st.sampled_from(TEXTS), st.lists(TEXT, min_size=1, max_size=4)),
    st.tuples(st.just("is"), st.sampled_from(BOOLS)),
)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    several = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.just("and"), several),
        st.tuples(st.just("or"), several),
    )


SOURCES: st.SearchStrategy[Source] = st.recursive(LEAF, _larger, max_leaves=8)
# What facts are before they are cleaned, absent ones and such as cannot be compared among them.
RAW: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {},
    optional={
        **{
            name: st.one_of(NUMBER, st.sampled_from((float("nan"), float("inf"), 10**30, True, "3")))
            for name in NUMBERS
        },
        **{name: st.one_of(TEXT, st.sampled_from(("other", "\ud800", "x" * 257, "\0", 3))) for name in TEXTS},
        **{name: st.one_of(st.booleans(), st.just(1)) for name in BOOLS},
    },
)
BROKEN = re.compile("[\0\ud800-\udfff]")
COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def read(text: str) -> Expression:
    """A condition over these facts."""
    return parse(text, FACTS)


def constant(value: float | str) -> str:
    """A constant as somebody may write it."""
    return written(value) if isinstance(value, str) else written(round(Fraction(value) * 1_000_000))


def source_text(source: Source) -> str:
    """The condition as somebody may write it."""
    head = source[0]
    if head == "not":
        return f"not ({source_text(source[1])})"
    if head in ("and", "or"):
        return f" {head} ".join(f"({source_text(one)})" for one in source[1])
    if head == "is":
        return str(source[1])
    if head == "in":
        return f"{source[1]} in [{', '.join(map(constant, source[2]))}]"
    return f"{source[1]} {head} {constant(source[2])}"


def kleene(source: Source, facts: Mapping[str, object]) -> bool | None:
    """What three-valued logic says of a condition; a comparison with an absent fact is neither true nor false."""
    head = source[0]
    if head == "not":
        inner = kleene(source[1], facts)
        return None if inner is None else not inner
    if head in ("and", "or"):
        parts = [kleene(one, facts) for one in source[1]]
        decisive = head == "or"
        return decisive if decisive in parts else None if None in parts else not decisive
    value = facts.get(source[1])
    if value is None:
        return None
    if head == "is":
        return bool(value)
    if head == "in":
        return any(value == one for one in map(_value, source[2]))
    return bool(COMPARE[head](value, _value(source[2])))


def known_facts(raw: Mapping[str, Any]) -> dict[str, object]:
    """The facts that can be compared, found out in another way than the product does; numbers are fractions."""
    found: dict[str, object] = {}
    for name, value in raw.items():
        if name in BOOLS:
            known = value is True or value is False
        elif name in TEXTS:
            known = type(value) is str and len(value) <= 256 and not BROKEN.search(value)
        else:
            # NaN is not within them either.
            known = type(value) in (int, float) and -(10**12) <= value <= 10**12
        if known:
            found[name] = value if name in BOOLS else _value(value)
    return found


def _value(value: Any) -> Any:
    return value if isinstance(value, str) else Fraction(round(Fraction(value) * 1_000_000), 1_000_000)
