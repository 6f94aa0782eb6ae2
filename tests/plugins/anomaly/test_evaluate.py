"""What is true of which facts: one suite for both evaluators, held against three-valued logic."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.lengths import times
from tests.plugins.anomaly.rulesets import ENGINES, FACTS, RAW, SOURCES, Source, kleene, known_facts, read, source_text

from yumen_plugins.anomaly.language.conditions import Type, Value, clean, cleaned
from yumen_plugins.anomaly.language.evaluators import CannotShard, Wanted, make
from yumen_plugins.anomaly.language.lexer import CHARS_MAX

# Each with facts of which it is true, and facts of which it is not.
CASES: dict[str, tuple[list[dict[str, object]], list[dict[str, object]]]] = {
    "requests.per_key.1m > 120 and tenant not in ['batch'] and not trusted": (
        [{"requests.per_key.1m": 121, "tenant": "a", "trusted": False}],
        [
            {"requests.per_key.1m": 120, "tenant": "a", "trusted": False},
            {"requests.per_key.1m": 121, "tenant": "batch", "trusted": False},
            {"requests.per_key.1m": 121, "tenant": "a", "trusted": True},
            {"requests.per_key.1m": 121, "tenant": "a"},
            {"requests.per_key.1m": 121, "trusted": False},
        ],
    ),
    "tenant not in ['a']": (
        [{"tenant": "b"}, {"tenant": ""}],
        [{}, {"tenant": "a"}, {"tenant": 3}, {"tenant": "\ud800"}],
    ),
    "tenant != 'a'": ([{"tenant": "b"}], [{}, {"tenant": "a"}, {"tenant": "x" * 257}]),
    "tenant == ''": ([{"tenant": ""}], [{}, {"tenant": " "}]),
    "tenant == '租户'": ([{"tenant": "租户"}], [{"tenant": "租"}, {"tenant": "租户 "}]),
    "not (idle > 3)": ([{"idle": 3}, {"idle": -1e12}], [{}, {"idle": 4}, {"idle": math.nan}, {"idle": math.inf}]),
    "not (idle == 3)": ([{"idle": 3.000001}], [{}, {"idle": 3}, {"idle": 3.0000001}, {"idle": True}]),
    "idle not in [1, 2]": ([{"idle": 3}, {"idle": 10**12}], [{}, {"idle": 1}, {"idle": 2.0}, {"idle": 10**12 + 1}]),
    "idle in [0.1, -0.3]": ([{"idle": 0.1}, {"idle": -0.3}, {"idle": 0.1 + 1e-9}], [{"idle": 0.3}, {"idle": "0.1"}]),
    "trusted or idle > 3": ([{"trusted": True}, {"idle": 4}, {"trusted": False, "idle": 4}], [{}, {"trusted": 1}]),
    "trusted or not trusted": ([{"trusted": True}, {"trusted": False}], [{}, {"trusted": None}]),
    "idle > 999_999_999_999.999998": (
        [{"idle": 10**12}],
        [{"idle": 999_999_999_999}, {"idle": -(10**12)}, {"idle": 10**30}],
    ),
    "(trusted or streamed) and (idle < 0 or tenant == 'a')": (
        [{"trusted": True, "idle": -1}, {"streamed": True, "tenant": "a"}],
        [{"trusted": True}, {"idle": -1}],
    ),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("text", "facts"), CASES.items())
def test_what_is_true(
    engine: Wanted, text: str, facts: tuple[list[dict[str, object]], list[dict[str, object]]]
) -> None:
    """A condition is true only where all it needs is known and so; what cannot be compared is not known."""
    evaluator = make([read(text)], engine)
    for index, ones in enumerate(facts):
        for one in ones:
            assert evaluator.matches(cleaned(one, FACTS)) == ((), (0,))[1 - index], one
    evaluator.close()


@pytest.mark.parametrize("engine", ENGINES)
@given(sources=st.lists(SOURCES, min_size=1, max_size=4), raws=st.lists(RAW, min_size=1, max_size=6))
@settings(deadline=None, max_examples=times(150, long=2000))
@pytest.mark.long
def test_evaluators_say_what_three_valued_logic_says(
    engine: Wanted, sources: list[Source], raws: list[dict[str, object]]
) -> None:
    """Neither evaluator has an opinion of its own, on any condition and any facts, absent and hostile ones too."""
    texts = [source_text(source) for source in sources]
    assume(all(len(text) <= CHARS_MAX for text in texts))
    try:
        evaluator = make([read(text) for text in texts], engine)
    except CannotShard:
        return
    for raw in raws:
        known = known_facts(raw)
        expected = tuple(index for index, source in enumerate(sources) if kleene(source, known))
        assert evaluator.matches(cleaned(raw, FACTS)) == expected
    evaluator.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_kept_from_one_exchange_to_the_next(engine: Wanted) -> None:
    """The facts of two exchanges never come together in one condition, and the same facts give the same answer again."""
    evaluator = make([read("trusted and streamed"), read("trusted"), read("streamed")], engine)
    for _ in range(3):
        assert evaluator.matches({"trusted": True}) == (1,)
        assert evaluator.matches({"streamed": True}) == (2,)
        assert evaluator.matches({"streamed": True, "trusted": True}) == (0, 1, 2)
        assert evaluator.matches({}) == ()
    evaluator.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_no_condition_at_all(engine: Wanted) -> None:
    """A policy without conditions is one of which none is true."""
    evaluator = make([], engine)
    assert evaluator.matches({"trusted": True}) == ()
    evaluator.close()


def test_the_code_of_conditions_holds_no_text_of_them() -> None:
    """A constant that reads like code is a constant."""
    hostile = 'a" or __import__("os").abort() or "'
    evaluator = make([read(f"tenant == '{hostile}'"), read(f"tenant in ['{hostile}', 'b']")], "python")
    assert evaluator.matches({"tenant": hostile}) == (0, 1)
    assert evaluator.matches({"tenant": "b"}) == (1,)


@pytest.mark.parametrize(
    ("value", "type", "expected"),
    [
        (3, "number", 3_000_000),
        (0.1, "number", 100_000),
        (999_999_999_999.0, "number", 999_999_999_999_000_000),
        (0.5**7, "number", 7812),
        (3 * 0.5**7, "number", 23438),
        (-(0.5**7), "number", -7812),
        (0.0000005, "number", 0),
        (0.0000015, "number", 2),
        (10**12, "number", 10**18),
        (-1e12, "number", -(10**18)),
        (10**12 + 1, "number", None),
        (10**400, "number", None),
        (1.0000001e12, "number", None),
        (math.nan, "number", None),
        (-math.inf, "number", None),
        (True, "number", None),
        ("3", "number", None),
        (Decimal(3), "number", None),
        ("", "text", ""),
        ("甲" * 256, "text", "甲" * 256),
        ("甲" * 257, "text", None),
        ("a\0", "text", None),
        ("\udfff", "text", None),
        ("\U0001f600", "text", "\U0001f600"),
        (b"a", "text", None),
        (True, "bool", True),
        (1, "bool", None),
        (None, "bool", None),
    ],
)
def test_what_values_become(value: object, type: Type, expected: Value | None) -> None:
    """Numbers are millionths within bounds, texts are short and whole; everything else is as if it were not there."""
    assert clean(value, type) == expected
    assert clean(value, type) is None or isinstance(clean(value, type), bool) == (type == "bool")


def test_only_facts_that_are_known_are_cleaned() -> None:
    """What no condition could name never reaches an evaluator."""
    assert cleaned({"trusted": True, "secret": "x", "idle": math.nan}, FACTS) == {"trusted": True}
