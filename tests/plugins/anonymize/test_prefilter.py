"""The one pass: whatever RE2 finds in any of the texts, hyperscan's expression finds in all of them together."""

from __future__ import annotations

import re

import pytest
import re2
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from yumen_plugins.anonymize.prefilter import automata, automata_of_own, beyond_ascii, spell
from yumen_plugins.anonymize.regex import compiled, problem
from yumen_plugins.anonymize.windows import SEPARATOR

CHARS = "aAbkKsS019_-. 工号编ſK\n\r\v\t\x00é￿😀"
ATOMS = st.one_of(
    st.sampled_from([re.escape(char) for char in CHARS if char.isprintable()]),
    st.sampled_from(
        ["a", "K", "s", "工", ".", r"\d", r"\D", r"\s", r"\S", r"\w", r"\W", r"\b", r"\B", "^", "$", r"\A", r"\z"]
    ),
    st.sampled_from(
        [r"\n", r"\t", r"\x41", r"\x{5de5}", r"\.", r"\-", r"\p{Han}", r"\PL", r"\p{^Greek}", "(?s)", "(?m)", "(?i)"]
    ),
    st.sampled_from(
        ["[a-c]", "[^a]", "[^a-z工]", "[k-s]", "[工-编]", r"[\d_]", r"[^\s.]", r"[\W]", "[[:alpha:]]", "[]a]", "[a-]"]
    ),
    st.sampled_from([r"[\x{5de5}-\x{7f16}0]", r"[-a]", r"[.$^]", r"[^\n]", r"[\]]", "[^[:space:]]", r"[\\a]"]),
)
REPEATS = st.sampled_from(
    ["*", "+", "?", "{2}", "{1,}", "{0,3}", "{2,3}", "{40}", "{1,40}", "*?", "+?", "??", "{1,2}?"]
)
GROUPS = st.sampled_from(["(%s)", "(?:%s)", "(?i:%s)", "(?s:%s)", "(?-s:%s)", "(?P<n>%s)", "(?<n>%s)"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map("|".join),
        st.builds(lambda group, one: group % one, GROUPS, inner),
        st.builds(lambda one, repeat: f"(?:{one}){repeat}", inner, REPEATS),
    ),
    max_leaves=12,
)
TEXTS = st.lists(st.text(st.sampled_from(CHARS), max_size=12), min_size=1, max_size=3)


def passes(pattern: str, texts: list[str]) -> bool:
    """Whether the one pass names a pattern for these texts."""
    made, always = automata_of_own((spell(pattern),))
    found = set(always)
    data = SEPARATOR.join(texts).encode("utf-8", "replace")
    for one in made:
        one.scan(data, match_event_handler=lambda number, *rest: found.add(number))
    return found == {0}


@settings(max_examples=600, deadline=None)
@given(PATTERNS, TEXTS)
@example("工号[:：]?\\s*[A-Z]\\d{6}", ["我的工号：E123456，谢谢"])
@example("(?i)k", ["K"])
@example("(?i)[s]", ["ſ"])
@example("(?i)É", ["é"])
@example("^工号$", ["", "工号", ""])
@example(r"\b1\b", ["工1工"])
@example(r"[^\s]", ["\v"])
@example("(?i)[^k]", ["K"])
def test_nothing_is_missed(pattern: str, texts: list[str]) -> None:
    """Where RE2 finds a value in any text, the pass names the pattern, whatever stands in the texts and patterns."""
    try:
        program = compiled(pattern)
    except re2.error:
        assume(False)
    if any(program.search(text.encode("utf-8", "replace")) for text in texts):
        assert passes(pattern, texts)


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        (r"EMP-\d{6}", ["my number is EMP-12345", "编号 emp-123456"]),
        (r"(?i)emp-\d{6}", ["my number is EMP-12345", "编号 111111"]),
        (r"\bE\d{6}\b", ["工号 AE123456", "E1234567"]),
        ("工号[A-Z]{2}", ["工号1", "工 号AB"]),
        (r"合同号?(?:HT|ZB)[0-9]{4,8}", ["合同号 HT2026", "合同AB2026"]),
    ],
)
def test_clean_text_costs_one_pass(pattern: str, texts: list[str]) -> None:
    """An ordinary pattern has an expression, and text without its values does not name it."""
    assert spell(pattern) is not None
    assert not passes(pattern, texts)


@pytest.mark.parametrize("pattern", [r"\Qa.b\E", r"a{,3}", "\ta", r"\01"])
def test_what_is_not_known_is_always_looked_for(pattern: str) -> None:
    """A pattern that might mean something else to hyperscan gets no expression, and is named for every text."""
    assert spell(pattern) is None
    assert passes(pattern, ["nothing here"])


def test_what_hyperscan_refuses_is_always_looked_for() -> None:
    """An expression that hyperscan cannot take costs the pass that pattern, and neither its neighbours nor the detectors."""
    broken = (b"(", 0)
    made, always = automata_of_own((spell("工号"), broken, spell("EMP")), 1)
    assert always == {2}
    made = [*automata(((b"[0-9]", 0),)), *made]
    found: set[int] = set()
    for one in made:
        one.scan("工号 EMP 1".encode(), match_event_handler=lambda number, *rest: found.add(number))
    assert found == {0, 1, 3}


def test_large_repeats_stay_small() -> None:
    """What RE2 takes is built for the pass in no time, although hyperscan unrolls what is repeated."""
    pattern = "(?:[a-z工-编]{1,500}[0-9]{900}){0,1}x"
    assert problem(pattern) is None
    expression = spell(pattern)
    assert expression is not None
    assert b"{1,}" in expression[0]
    assert b"{32,}" in expression[0]
    made, always = automata_of_own((expression,))
    assert (len(made), always) == (1, frozenset())


@pytest.mark.parametrize(
    ("expression", "beyond"),
    [
        ("先生|女士", True),
        ("先生|Mr", False),
        ("(?:姓名|name)[^\\x00-\\x7f]{2}", True),
        ("(?:张|李)?[a-z]", False),
        ("[^\\x00-\\x7f]", True),
        ("[^0-9]", False),
        ("[\\xe4-\\xe9][\\x80-\\xbf]", True),
        ("[0-9]{4}(?:年|月)", True),
    ],
)
def test_what_is_skipped_for_ascii_text(expression: str, beyond: bool) -> None:
    """Only an expression of which every match holds a byte beyond ASCII is left out of the pass over ASCII text."""
    assert beyond_ascii(expression.encode().decode("latin-1")) == beyond
