"""One spelling for matching, and the way back to the original."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen_plugins.anomaly.words.fold import BREAK, HAN, INVISIBLE_MAX, LETTER, collapsed, fold, letters

# Both scripts, what is spelt otherwise, what vanishes, what becomes several characters, and anything at all.
PIECES = st.one_of(
    st.sampled_from(
        [
            "bomb",
            "Ｂómb",
            "電腦",
            "炸弹",
            "\u200b",
            "e\u0301",
            "ﬃ",
            "ß",
            "㎏",
            "㍿",
            "ﷺ",
            " ",
            "。",
            "\u200d" * 9,
            "か\u3099",
        ]
    ),
    st.characters(),
)
TEXTS = st.lists(PIECES, max_size=20).map("".join)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Bomb", "bomb"),
        ("ＢＯＭＢ", "bomb"),
        ("𝓫𝓸𝓶𝓫 Ⓑⓞⓜⓑ 🅱", "bomb bomb b"),
        ("bo\u200bm\u00adb", "bomb"),
        ("bómb bo\u0301mb", "bomb bomb"),
        ("Straße, Łódź, ﬃ", "strasse, lodz, ffi"),
        ("電腦炸彈", "电脑炸弹"),
        ("敏*感.词", "敏*感.词"),
        ("㊙㍿", "秘株式会社"),
        ("が 한국 ไทย", "が 한국 ไทย"),
        ("１２٣", "123"),
        ("\ud800x", "\ud800x"),
        ("", ""),
    ],
)
def test_a_text_has_one_spelling(text: str, plain: str) -> None:
    """Width, case, accents, ligatures, traditional and invisible characters do not tell two words apart."""
    assert fold(text).text == plain


def test_every_kind_of_letter_is_told_from_symbols() -> None:
    """Words of Latin and digits have edges, words of Han, kana and Hangul have none, and emoji are symbols."""
    assert set(fold("aЖ7").kinds.tolist()) == {LETTER}
    assert set(fold("中か한々").kinds.tolist()) == {HAN}
    assert all(kind > HAN for kind in fold("-*😀。 _\n·").kinds.tolist())


def test_many_invisible_characters_part_a_word() -> None:
    """So many in a row stay, and are a break: a stream could not wait for the end of all that may come."""
    assert fold("a" + "\u200b" * INVISIBLE_MAX + "b").text == "ab"
    longer = fold("a" + "\u200b" * (INVISIBLE_MAX + 1) + "b")
    assert longer.kinds.tolist() == [LETTER, *[BREAK] * (INVISIBLE_MAX + 1), LETTER]


@given(TEXTS)
def test_every_character_leads_back_to_the_one_it_came_from(text: str) -> None:
    """A folded character, and nothing else, is what its original character folds to by itself."""
    folded = fold(text)
    assert len(folded.codes) == len(folded.kinds) == len(folded.text)
    last = 0
    for index, char in enumerate(folded.text):
        start, end = folded.span(index, index + 1)
        assert last <= start
        assert end == start + 1
        if folded.kinds[index] != BREAK:
            assert char in fold(text[start:end]).text
        last = start


@given(TEXTS)
def test_a_span_holds_all_that_its_characters_were_written_with(text: str) -> None:
    """The letters of a folded span are those of the original span: nothing at its edges is lost."""
    folded = fold(text)
    half = len(folded) // 2
    if half:
        start, end = folded.span(0, half)
        assert letters(text[start:end]).startswith(spelt_letters(folded.text[:half]))


def spelt_letters(text: str) -> str:
    """The letters of a text that is folded already."""
    kinds = fold(text).kinds
    return (
        "".join(char for char, kind in zip(text, kinds, strict=True) if kind <= HAN) if len(kinds) == len(text) else ""
    )


@given(st.text(st.characters(categories=("Lu", "Ll"), max_codepoint=0x17F), max_size=20))
def test_case_accents_and_width_do_not_matter(text: str) -> None:
    """Latin letters in capitals, taken apart into letter and accent, or full-width, are spelt the same way."""
    wide = "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)
    for other in (wide, text.upper(), unicodedata.normalize("NFD", text)):
        assert fold(other).text == fold(text).text


def test_runs_collapse() -> None:
    """A run of one character is one, in both scripts."""
    assert collapsed("booomb炸炸弹") == "bomb炸弹"
    assert letters("敏*感.词 b-o") == "敏感词bo"


@pytest.mark.parametrize("piece", ["\u200b", "a", "\u0301", "炸", "ﷺ", "e\u0301"])
def test_hostile_text_folds_in_linear_time(piece: str) -> None:
    """A megabyte of anything takes as long as its length says: far below what a quadratic step would take."""
    text = piece * (1_000_000 // len(piece.encode()))
    fold(piece)
    start = time.process_time()
    fold(text)
    assert time.process_time() - start < 5
