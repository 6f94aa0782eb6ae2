"""What is looked for in a text by quick patterns, beside what the definitions say, step by step."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from yumen_plugins.anomaly.words.fold import BLANK, BREAK, HAN, LETTER, LOOSE, STRICT, fold
from yumen_plugins.anomaly.words.wordhan import SPELT_OUT_MIN, Line
from yumen_plugins.anomaly.words.wordlatin import Tokens
from yumen_plugins.anomaly.words.wordparts import GAP_MAX

PIECES = [
    *("bomb", "b", "o", "aa", "aaa", "aaab", "Б", "ббб", "7", "777", "炸", "炸炸", "弹", "é", "ﬃ"),
    *("-", "--", "*.·", "-----", ".", " ", "  ", "\u3000", ",", "，", "’", "\n", "?", "😀", "\u200b" * 9, "\u0301"),
]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.characters()), max_size=16).map("".join)
Rows = list[tuple[int, int, str]]


def runs_of(kinds: list[int]) -> list[tuple[int, int]]:
    """Where the runs of Latin letters start and end."""
    starts = [at for at, kind in enumerate(kinds) if kind == LETTER and (at == 0 or kinds[at - 1] != LETTER)]
    ends = [at + 1 for at, kind in enumerate(kinds) if kind == LETTER and kinds[at + 1 : at + 2] != [LETTER]]
    return list(zip(starts, ends, strict=True))


def rows_of(text: str, kinds: list[int], *, single: bool, symbols: set[int], tokens_min: int) -> Rows:
    """Tokens, all of them `single` letters or not, each of which few such symbols alone part from the next one."""
    rows: list[list[tuple[int, int]]] = []
    for start, end in runs_of(kinds):
        fits = not single or end - start == 1
        gap = kinds[rows[-1][-1][1] : start] if rows and rows[-1] else []
        if fits and gap and len(gap) <= GAP_MAX and set(gap) <= symbols:
            rows[-1].append((start, end))
        else:
            rows.append([(start, end)] if fits else [])
    return [
        (row[0][0], row[-1][1], "".join(text[start:end] for start, end in row))
        for row in rows
        if len(row) >= tokens_min
    ]


@given(TEXTS)
@example("a b c-d,e")
@example("用a，b，c和d")
@example("b-o-m-b-s")
@example("a b cd")
def test_clusters_and_spellings_are_what_their_definitions_say(text: str) -> None:
    """The patterns find each row of tokens that symbols part, all of it, and no other."""
    folded = fold(text)
    kinds = folded.kinds.tolist()
    tokens = Tokens(folded)
    assert tokens.spans == ([start for start, _ in runs_of(kinds)], [end for _, end in runs_of(kinds)])
    assert list(tokens.clusters()) == rows_of(folded.text, kinds, single=False, symbols={STRICT}, tokens_min=2)
    every = {STRICT, BLANK, LOOSE}
    assert list(tokens.spellings()) == rows_of(folded.text, kinds, single=True, symbols=every, tokens_min=3)


@given(TEXTS)
@example("aaab ббб 777")
def test_stretched_tokens_have_three_equal_letters(text: str) -> None:
    """Each token with three equal letters in a row is among the stretched ones, once, in every script."""
    folded = fold(text)
    spelt = [(start, folded.text[start:end]) for start, end in runs_of(folded.kinds.tolist())]
    tokens = Tokens(folded)
    stretched = [(start, one) for start, one in spelt if any(char * 3 in one for char in one)]
    assert list(tokens.stretched()) == stretched
    assert [token for token, _, _ in tokens.backwards()] == [one for _, one in reversed(spelt)]
    assert [start for _, start, _ in tokens.backwards()] == [start for start, _ in reversed(spelt)]


@given(TEXTS)
@example("炸*弹")
@example("K 粉，炸，弹")
def test_letters_join_as_the_gaps_between_them_allow(text: str) -> None:
    """Of every two letters near each other, what stands between says whether they may be of one word."""
    folded = fold(text)
    kinds = folded.kinds.tolist()
    line = Line(folded)
    letters = [at for at, kind in enumerate(kinds) if kind <= HAN]
    for first in range(len(letters)):
        for last in range(first, min(len(letters), first + 6)):
            places = letters[first : last + 1]
            gaps = [kinds[left + 1 : right] for left, right in pairwise(places)]
            bounded = all(len(gap) <= GAP_MAX and BREAK not in gap for gap in gaps)
            latin = [kinds[left] == kinds[right] == LETTER for left, right in pairwise(places)]
            whole = all(LOOSE not in gap and not (both and BLANK in gap) for gap, both in zip(gaps, latin, strict=True))
            apart = all(gaps) and len(places) >= SPELT_OUT_MIN
            assert line.joins(*line.span(first, last)) == (bounded and (whole or apart))
