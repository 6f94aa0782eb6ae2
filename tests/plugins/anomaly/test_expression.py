"""The language of `when:`: what it reads, what it refuses and in which words, and that it never does anything else."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.plugins.anomaly.rulesets import FACTS, SOURCES, Source, read, source_text

from yumen_plugins.anomaly.language.conditions import AllOf, AnyOf, Comparison, Expression, Flag, Membership
from yumen_plugins.anomaly.language.expression import ExpressionError, parse
from yumen_plugins.anomaly.language.lexer import CHARS_MAX

PIECES = (
    *FACTS, "and", "or", "not", "in", "true", "false", "(", ")", "[", "]", ",", "==", "!=", "<", ">=", "=", "&&", "!", "+",
    "1", "-2.5", "90s", "25%", "10kB", "1e9", "1_", '"a"', "'租户'", '"', "“", "（", "\\", "no.fact", "AND", "\0", "\ud800",
)  # fmt: skip
READ = {
    "trusted": "trusted",
    "not trusted": "not trusted",
    "not not trusted": "trusted",
    "trusted == false": "not trusted",
    "false != trusted": "trusted",
    "3 < requests.per_key.1m": "requests.per_key.1m > 3",
    "3 == requests.per_key.1m": "requests.per_key.1m == 3",
    "requests.per_key.1m >= 10_000.50": "requests.per_key.1m >= 10000.5",
    "requests.per_key.1m > -5": "requests.per_key.1m > -5",
    "idle > 2h": "idle > 7200",
    "idle < 1.5d": "idle < 129600",
    "reply.latency > 2s": "reply.latency > 2000",
    "request.bytes > 10kB": "request.bytes > 10000",
    "request.bytes > 1MB": "request.bytes > 1000000",
    "han_share > 25%": "han_share > 0.25",
    "han_share >= 100%": "han_share >= 1",
    'tenant in ["b", "a", "b"]': 'tenant in ["a", "b"]',
    "not tenant in ['租户']": 'tenant not in ["租户"]',
    r"""tenant == '"\'\\'""": r'''tenant == "\"'\\"''',
    "not (trusted and idle > 3)": "not trusted or idle <= 3",
    "not (trusted or idle != 3)": "not trusted and idle == 3",
    "trusted and streamed or idle == 1": "trusted and streamed or idle == 1",
    "trusted and (streamed or idle == 1)": "trusted and (streamed or idle == 1)",
    "(trusted and (streamed and (idle == 1)))": "trusted and streamed and idle == 1",
    "requests.per_key.1m > 120 and tenant not in ['batch'] and not trusted":
        'requests.per_key.1m > 120 and tenant not in ["batch"] and not trusted',
}  # fmt: skip
REFUSED = {
    "": (1, "a condition is missing at the end", "name a fact, and what it is compared with"),
    "trusted and": (12, "a condition is missing at the end", "name a fact, and what it is compared with"),
    "trusted streamed": (9, "the condition is over here, before `streamed`", "join conditions with `and` or `or`"),
    "(trusted": (9, "a closing parenthesis is missing at the end", "close the one of column 1"),
    "trusted)": (8, "`)` closes what nothing opened", "remove it"),
    "trusted AND streamed": (9, "the condition is over here, before `AND`", "write `and` in small letters"),
    "True": (1, "`True` is no fact", "write `true` in small letters"),
    "true": (1, "a constant stands alone", "compare a fact with it"),
    "idle": (1, "`idle` is a number, no condition", "compare it with a constant"),
    "idle = 3": (6, "`=` is not known here", "write `==`"),
    "trusted && streamed": (9, "`&&` is not known here", "write `and`"),
    "! trusted": (1, "`!` is not known here", "write `not`"),
    "idle > 3 + 1": (10, "`+`: conditions do not calculate", "compare a fact with a constant"),
    "1 < idle < 5": (10, "a comparison goes on after its second side", "compare twice: `1 < x and x < 5`"),
    "idle > request.bytes": (8, "two facts are compared", "compare a fact with a constant"),
    "3 < 4": (1, "both sides are constants", "name a fact on one side"),
    "requests.per_key.1min > 3": (1, "there is no fact `requests.per_key.1min`", "the nearest is `requests.per_key.1m`"),
    "idle > requests.per_key.2m": (8, "there is no fact `requests.per_key.2m`", "the nearest is `requests.per_key.1m`"),
    "tenant == batch": (11, "there is no fact `batch`", 'put quotation marks around a text: "batch"'),
    "tenant < 'a'": (1, "`tenant` is a text, and texts have no order", "use `==`, `!=`, `in` or `not in`"),
    "tenant == 3": (11, "`tenant` is a text, and is compared with `3`", 'put quotation marks around it: "3"'),
    "idle > 'a'": (8, "`idle` is a number, and is compared with a text", "compare it with a number"),
    "idle > true": (8, "`idle` is a number, and is compared with `true`", "compare it with a number"),
    "trusted == 1": (12, "`trusted` is true or false, and is compared with something else",
                     "let it stand alone, or put `not` before it"),
    "trusted > false": (11, "`trusted` has no order", "let it stand alone, or put `not` before it"),
    "trusted in [true]": (1, "`trusted` is true or false", "let it stand alone, without `in`"),
    "3 in [1]": (1, "a constant stands before `in`", "name a fact there"),
    "tenant in 'a'": (11, "no list after `in`, before a text", 'write constants between brackets: `["a", "b"]`'),
    "tenant in []": (12, "a constant is missing, before `]`", "write a number, or a text between quotation marks"),
    "tenant in ['a' 'b']": (16, "the list is not closed, before a text", "put `,` between constants and `]` at the end"),
    "tenant not 'a'": (12, "`in` is missing after `not`, before a text", "write `not in`, or `and not` for a new condition"),
    "idle > 5kB": (8, "`5kB`: `idle` is not counted in `kB`", "use one of: s, m, h, d"),
    "requests.per_key.1m > 5m": (23, "`5m`: `requests.per_key.1m` is not counted in `m`", "write a plain number"),
    "idle > 1e9": (8, "`1e9` is no number", "write it like `120`, `0.25` or `10_000`"),
    "idle > 1__0": (8, "`1__0` is no number", "write it like `120`, `0.25` or `10_000`"),
    "idle > 0.0000001": (8, "`0.0000001` is too fine", "write at most 6 decimals"),
    "idle > 1000000000001": (8, "`1000000000001` is too large", "stay below 1_000_000_000_000"),
    "han_share > 120%": (13, "`han_share` is never above 1", "compare it with a smaller number, or remove the comparison"),
    "time.weekday == 'sunday'": (17, "`time.weekday` is never `sunday`", 'write "sun"'),
    "time.weekday in ['mon', '周一']": (25, "`time.weekday` is never `周一`",
                                       'use one of: "fri", "mon", "sat", "sun", "thu", "tue", "wed"'),
    "tenant == 'a": (11, "a text begins here and does not end", "add a closing '"),
    "tenant == “a”": (11, "`“` is no quotation mark here", 'write `"`'),
    "（trusted）": (1, "`（` is a full-width sign", "write `(`"),
    "tenant == '\\x'": (12, "an escape that is not known", r"write `\\` for a backslash; else \" \' \n \t"),
    "tenant == '\ud800'": (11, "a text of more than 256 characters, or with characters that no fact has",
                           "make it shorter, without NUL and halves of surrogate pairs"),
    "trusted; streamed": (8, "`;` means nothing here", "remove it, or put texts between quotation marks"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "written"), READ.items())
def test_every_condition_has_one_written_form(text: str, written: str) -> None:
    """Whatever way round it is put, a condition means one tree, and that is written in one way."""
    assert str(read(text)) == written
    assert read(written) == read(text)


@pytest.mark.parametrize(("text", "said"), REFUSED.items())
def test_what_is_refused_and_in_which_words(text: str, said: tuple[int, str, str]) -> None:
    """An author is told where it is wrong, what is wrong, and what to do."""
    with pytest.raises(ExpressionError) as caught:
        read(text)
    assert (caught.value.column, caught.value.what, caught.value.fix) == said


def test_the_tree_of_a_condition() -> None:
    """`and` binds closer than `or`, `not` is gone, and numbers are millionths."""
    assert read("not trusted or idle > 0.5 and not tenant in ['b', 'a']") == Expression(
        AnyOf(
            (Flag("trusted", False), AllOf((Comparison("idle", ">", 500_000), Membership("tenant", False, ("a", "b")))))
        )
    )


def test_the_facts_that_a_condition_reads() -> None:
    """Whoever gathers facts can ask which are needed."""
    condition = read("trusted and (idle > 3 or idle < 1) and tenant not in ['a']")
    assert condition.facts() == {"trusted", "idle", "tenant"}


@given(source=SOURCES)
@settings(deadline=None)
def test_the_written_form_is_read_back(source: Source) -> None:
    """A policy can be printed and loaded again without becoming another one."""
    text = source_text(source)
    # Some lists of values are longer than a condition may be, which is another test's matter.
    assume(len(text) <= CHARS_MAX)
    condition = read(text)
    assert read(str(condition)) == condition


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30), between=st.sampled_from(("", " ", "\n")))
@settings(deadline=None, max_examples=400)
def test_a_jumble_of_pieces_is_read_or_refused(pieces: list[str], between: str) -> None:
    """No order of the language's own words makes the reader fail in another way."""
    _read_or_refused(between.join(pieces))


@given(text=st.text(st.characters(), max_size=60))
@settings(deadline=None, max_examples=300)
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text at all makes the reader fail in another way."""
    _read_or_refused(text)


@pytest.mark.parametrize(
    "text", ["(" * 1999, "not " * 499 + "trusted", "(" * 900 + "trusted" + ")" * 900, "not (" * 390, "[" * 1999]
)
def test_nesting_is_no_way_to_the_end_of_the_stack(text: str) -> None:
    """However deep a condition is, it is read or refused."""
    _read_or_refused(text)


def _read_or_refused(text: str) -> None:
    try:
        condition = parse(text, FACTS)
    except ExpressionError as error:
        assert 1 <= error.column <= len(text) + 1
        assert error.what
        assert error.fix
        assert len(str(error)) < 1000
    else:
        assert parse(str(condition), FACTS) == condition


def test_the_limits() -> None:
    """So much of everything and no more, and the message says how much."""
    listed = ", ".join(map(str, range(256)))
    assert read(" or ".join(["trusted"] * 64))
    assert read(f"idle in [{listed}]")
    assert read("(" * 32 + "trusted" + ")" * 32)
    for text, said in {
        " or ".join(["trusted"] * 65): "more than 64 comparisons",
        f"idle in [{listed}, 256]": "more than 256 constants",
        "(" * 33 + "trusted" + ")" * 33: "more than 32 deep",
        "trusted" + " " * 2000: "longer than 2000 characters",
    }.items():
        with pytest.raises(ExpressionError, match=said):
            read(text)
