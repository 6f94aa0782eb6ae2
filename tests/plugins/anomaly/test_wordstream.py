"""Sensitive words in a text that comes in parts."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yumen_plugins.anomaly.words import WordHit, WordLists
from yumen_plugins.anomaly.words.wordfile import Word
from yumen_plugins.anomaly.words.wordstream import WordScreen

WORDS = [
    Word("bomb", "violence", 3),
    Word("bomber", "extremism", 4),
    Word("machine gun", "weapons", 4),
    Word("ass", "profanity", 1),
    Word("炸弹", "violence", 3, pinyin=True),
    Word("炸弹狂魔", "violence", 5),
    Word("弹药", "weapons", 3),
    Word("敏感词", "politics", 2),
    Word("K粉", "drugs", 4),
    Word("吸K", "drugs", 4),
    Word("密码", "fraud", 1),
    Word("密码学", "science", 1),
    Word("达芬奇密码", "fraud", 1, allowed=True),
    Word("bath bomb", "violence", 1, allowed=True),
    Word("天天向上", "politics", 1),
    Word("哈哈", "politics", 1),
    Word("ffi", "profanity", 2),
]
LISTS = WordLists(WORDS)
PIECES = [
    "bomb", "b", "o", "m", "er", "machine", "gun", "ass", "bath", "x", "zha", "dan", "炸", "弹", "药", "狂魔",
    "敏", "感", "词", "K", "粉", "吸",
    "达芬奇", "密码", "学", "天", "向上", "哈", " ", "-", "*", "，", "’", "\n",
    "\u200b", "\u0301", "\u200b" * 9, "*****", "ﬃ", "ß", "ooo", "ﷺ",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


def streamed(parts: list[str], lists: WordLists = LISTS) -> tuple[str, list[WordHit]]:
    """What goes on and what is found; no character of a hit may have gone on before the hit was returned."""
    screen = WordScreen(lists)
    gone, hits = "", []
    for part in [*parts, None]:
        text, more = screen.finish() if part is None else screen.feed(part)
        assert all(hit.start >= len(gone) for hit in more)
        gone += text
        hits += more
        assert screen.held <= lists.hold_max
    return gone, hits


@given(TEXTS)
@example("达芬奇密码学")
@example("c-l-a-s-s")
@example("b-o-m-b-s")
@example("吸K粉")
@example("bo" + "\u200b" * 9 + "mb")
def test_every_split_finds_what_the_whole_has(text: str) -> None:
    """One character at a time, and cut in two anywhere, a stream has the hits of the whole text and all of its text."""
    whole = LISTS.find(text)
    for parts in [list(text), *([text[:cut], text[cut:]] for cut in range(len(text) + 1))]:
        gone, hits = streamed(parts)
        assert gone == text
        assert sorted(hits) == sorted(whole)


@given(st.lists(st.text(max_size=6), max_size=8))
def test_any_parts_come_out_as_they_went_in(parts: list[str]) -> None:
    """Whatever text comes, in whatever parts, it goes on unchanged and with the hits of the whole."""
    gone, hits = streamed(parts)
    assert gone == "".join(parts)
    assert sorted(hits) == sorted(LISTS.find("".join(parts)))


@pytest.mark.parametrize(
    ("parts", "held"),
    [
        (["the co"], 0),
        (["I like the weather "], 0),
        (["今天天气很好"], 0),
        (["看炸"], 1),
        (["看炸*"], 2),
        (["看炸弹"], 2),
        (["a bom"], 3),
        (["a bomb"], 4),
        (["a bomb "], 0),
        (["a bombx"], 0),
        (["a machine "], 8),
        (["a machine x"], 0),
        (["炸弹狂", "人"], 0),
        (["炸*****"], 0),
        (["bo" + "\u200b" * 9], 0),
    ],
)
def test_only_what_may_become_a_word_is_held(parts: list[str], held: int) -> None:
    """The rest goes on at once, and what is held goes on as soon as it can be no word any more."""
    screen = WordScreen(LISTS)
    for part in parts:
        screen.feed(part)
    assert screen.held == held


def test_a_hit_comes_before_its_text_goes_on() -> None:
    """A hit is known as soon as nothing longer can come of it, with its place in the whole stream."""
    screen = WordScreen(LISTS)
    assert screen.feed("x" * 3000 + "敏感") == ("x" * 3000, [])
    assert screen.feed("词。") == ("敏感词。", [WordHit("politics", 2, 3000, 3003)])
    assert screen.finish() == ("", [])


def test_long_streams_keep_nothing_of_what_has_gone() -> None:
    """Over thousands of parts the hits are those of the whole, and what is kept stays small."""
    chance = random.Random(5)
    parts = chance.choices(PIECES, k=3000)
    gone, hits = streamed(parts)
    assert gone == "".join(parts)
    assert sorted(hits) == sorted(LISTS.find(gone))
    assert hits


@pytest.mark.parametrize(
    "piece", ["b\u200b", "炸*", "b-", "哈", "bo", "炸弹", "\u200b", "\u0301", "天*", "达芬奇密码", "a "]
)
def test_hostile_streams_are_held_within_the_bound_and_in_linear_time(piece: str) -> None:
    """No text makes a stream hold more than `hold_max`, and each part costs what the bound says at most."""
    start = time.process_time()
    gone, hits = streamed([piece * 10] * 300)
    assert gone == piece * 3000
    assert sorted(hits) == sorted(LISTS.find(gone))
    assert time.process_time() - start < 20
