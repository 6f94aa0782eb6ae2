"""Lists of sensitive words, and what of a text is on them."""

from __future__ import annotations

import random
import string
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen import CannotStart
from yumen_plugins.anomaly.words import WordHit, WordLists, count, severity_max
from yumen_plugins.anomaly.words.wordfile import CATEGORY, Word, read_words

WORDS = [
    Word("bomb", "violence", 3),
    Word("炸弹", "violence", 3),
    Word("炸弹狂魔", "violence", 5),
    Word("ass", "profanity", 1),
    Word("shot", "violence", 2),
    Word("hell", "profanity", 1),
    Word("penis", "adult", 1),
    Word("don't", "profanity", 1),
    Word("machine gun", "weapons", 4),
    Word("敏感词", "politics", 2),
    Word("K粉", "drugs", 4),
    Word("密码", "fraud", 1),
    Word("达芬奇密码", "fraud", 1, allowed=True),
    Word("bath bomb", "violence", 1, allowed=True),
    Word("密码学", "science", 1),
    Word("弹药", "weapons", 3),
    Word("天天向上", "politics", 1),
    Word("哈哈", "politics", 1),
    Word("свобода", "politics", 1),
]
LISTS = WordLists(WORDS)
CLEAN = (
    "The committee agreed to classify every shoot and class of the glass assembly. 今天天气很好，我们去公园散步，看书。"
)


def found(text: str, lists: WordLists = LISTS) -> list[tuple[str, str]]:
    return [(hit.category, text[hit.start : hit.end]) for hit in lists.find(text)]


@pytest.mark.parametrize(
    "text",
    [
        "bomb", "BOMB", "Ｂｏｍｂ", "bo\u200bmb", "b\u0301o\u0301m\u0301b", "bómb", "booomb", "bbbbomb", "b-o-m-b",
        "b.o.m.b", "bo-mb", "b o m b", "b, o, m, b", "b*o*mmm*b", "𝓫𝓸𝓶𝓫", "炸弹", "炸彈", "炸*弹", "炸 弹", "炸....弹",
        "炸\u200b弹", "炸\ufe0f-弹", "b_o_m_b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("frame", ["{}", "用{}了", "the {}!", "看，{}。", "(the {} is)"])
def test_a_word_is_found_however_it_is_spelt(text: str, frame: str) -> None:
    """Width, case, marks, repeated characters and symbols between them hide no word, in either script."""
    assert ("violence", text) in found(frame.format(text))


@pytest.mark.parametrize(
    "text",
    [
        "class", "classes", "c-l-a-s-s", "c l a s s", "bombs", "b-o-m-b-s", "b o m b s", "shoot", "boomb", "he'll",
        "the pen is here", "machinegunner", "OK粉丝", "bombé1", "b-----o-----m-----b",
        "bo" + "\u200b" * 9 + "mb", "booooooooomb",
        "dont",
    ],
)  # fmt: skip
def test_a_latin_word_is_a_whole_one(text: str) -> None:
    """Nothing is found inside another word, also when its letters are spelt with symbols between, or in ordinary prose."""
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("敏*感.词", ["敏*感.词"]),
        ("敏，感，词", ["敏，感，词"]),
        ("敏感，词", []),
        ("他被炸，弹了起来", []),
        ("敏感感感词", ["敏感感感词"]),
        ("敏" + "感" * 9 + "词", []),
        ("敏*****感词", []),
        ("一天天天向上的", ["天天向上"]),
        ("天向上", []),
        ("哈哈哈哈哈", ["哈哈", "哈哈"]),
        ("吃K粉。", ["K粉"]),
        ("k 粉", ["k 粉"]),
    ],
)
def test_a_han_word_is_found_anywhere(text: str, hits: list[str]) -> None:
    """Han words have no edges; prose that has a stop between two of their characters does not hold them."""
    assert [hit for _, hit in found(text)] == hits


@pytest.mark.parametrize("text", ["machine gun", "Machine-Gun", "machine\n gun", "machine 'gun", "m.a.c.h.i.n.e.g.u.n"])
def test_a_phrase_is_its_words_in_a_row(text: str) -> None:
    """A phrase is found with any symbols where its blank is, and spelt out as one."""
    assert found(f"a {text}!") == [("weapons", text)]


def test_words_of_other_scripts_are_words() -> None:
    """Cyrillic has edges as Latin has, and signs inside a word are where a phrase has its blank."""
    assert found("Свобода, свободами; don’t") == [("politics", "Свобода"), ("profanity", "don’t")]


def test_an_exception_excuses_what_is_inside_it() -> None:
    """A longer phrase that is allowed takes the hit away in its own category, and in no other place of the text."""
    assert found("达芬奇密码和密码") == [("fraud", "密码")]
    assert found("达芬奇密码学") == [("science", "密码学")]
    assert found("a bath bomb, a bomb") == [("violence", "bomb")]
    assert found("达·芬·奇·密·码") == []


def test_of_one_category_the_leftmost_longest_counts() -> None:
    """Words that overlap count once in a category and in every category, whatever the order of the lists."""
    assert found("炸弹狂魔") == [("violence", "炸弹狂魔")]
    assert found("炸弹药") == [("violence", "炸弹"), ("weapons", "弹药")]
    assert sorted(found("密码学")) == [("fraud", "密码"), ("science", "密码学")]


def test_the_higher_severity_of_two_equal_words_wins() -> None:
    """Words that are the same when folded are one, the gravest; they stay apart in two categories."""
    lists = WordLists([Word("電腦", "a", 2), Word("电脑", "a", 5), Word("电·脑", "a", 1), Word("电脑", "b", 1)])
    assert lists.find("電腦") == [WordHit("a", 5, 0, 2), WordHit("b", 1, 0, 2)]


def test_hits_are_counted() -> None:
    """A rule sees how many hits each category has, and the highest severity of all."""
    hits = LISTS.find("bomb 炸弹狂魔 ass")
    assert count(hits) == {"violence": 2, "profanity": 1}
    assert severity_max(hits) == 5
    assert severity_max([]) == 0


def test_pinyin_is_found_where_a_list_asks_for_it() -> None:
    """A word is found in pinyin, as one word or in syllables, with its word's category; unmarked ones are not."""
    lists = WordLists([Word("炸弹", "violence", 3, pinyin=True), Word("手枪", "weapons", 3)])
    text = "mai ZhaDan, zha dan, zha-dan; zhadans, shouqiang"
    assert found(text, lists) == [("violence", one) for one in ("ZhaDan", "zha dan", "zha-dan")]


def test_pinyin_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, lists that ask for pinyin do not start, and the line to install it is printed; others do."""
    monkeypatch.setitem(sys.modules, "pypinyin", None)
    with pytest.raises(CannotStart, match=r"pip install 'yumen\[pinyin\]'"):
        WordLists([Word("炸弹", "violence", 3, pinyin=True)])
    assert found("炸弹", WordLists([Word("炸弹", "violence", 3)]))


@pytest.mark.parametrize("path", WordLists.shipped(), ids=lambda path: path.stem)
def test_shipped_lists_are_examples_of_both_languages(path: Path) -> None:
    """Each has words and exceptions in Chinese and English, says that it is an example, and each word finds itself."""
    words = read_words([path])
    hits = [word for word in words if not word.allowed]
    assert CATEGORY.fullmatch(path.stem)
    assert {word.category for word in words} == {path.stem}
    assert 15 <= len(hits) <= 40
    assert any(word.allowed for word in words)
    assert 10 <= sum(word.text.isascii() for word in hits) <= len(hits) - 10
    assert path.read_text("utf-8").startswith("# Examples")
    lists = WordLists.load([path])
    for word in hits:
        assert [(hit.severity, hit.start, hit.end) for hit in lists.find(word.text)] == [
            (word.severity, 0, len(word.text))
        ]
    assert all(not lists.find(word.text) for word in words if word.allowed)


def test_shipped_lists_are_found_by_category() -> None:
    """Nine categories come with Yumen, and one that does not has no list."""
    assert len(WordLists.shipped()) == 9
    assert [path.name for path in WordLists.shipped("weapons")] == ["weapons.txt"]
    assert WordLists.shipped("weather") == []
    assert WordLists.load(WordLists.shipped("drugs")).categories == ("drugs",)


def test_ordinary_text_has_no_hits() -> None:
    """Prose of both languages is clean under all lists that are shipped."""
    assert WordLists.load(WordLists.shipped()).find(CLEAN) == []
    assert found(CLEAN) == []


def test_no_lists_find_nothing() -> None:
    """Without a word there is nothing to find and nothing to hold."""
    lists = WordLists([])
    assert lists.find("bomb 炸弹") == []
    assert (lists.categories, lists.hold_max) == ((), 0)


@given(st.text(st.sampled_from("abombs炸弹药狂魔敏感词密码学*- ，\u200b\u0301K粉哈"), max_size=40))
def test_hits_of_a_category_do_not_overlap(text: str) -> None:
    """Hits are in order, inside the text, and apart in each category; the same text has the same hits."""
    hits = LISTS.find(text)
    assert [hit.start for hit in hits] == sorted(hit.start for hit in hits)
    for category in LISTS.categories:
        own = [hit for hit in hits if hit.category == category]
        assert all(0 <= hit.start < hit.end <= len(text) for hit in own)
        assert all(one.end <= other.start for one, other in pairwise(own))


@given(st.sampled_from([word for word in WORDS if not word.allowed]), st.data())
def test_a_word_with_symbols_between_is_found(word: Word, data: st.DataObject) -> None:
    """Up to four symbols between every two characters of any word hide it in no way."""
    letters = [char for char in word.text if char.isalnum()]
    gaps = data.draw(st.lists(st.text("*-.~·", min_size=1, max_size=4), min_size=len(letters), max_size=len(letters)))
    text = letters[0] + "".join(gap + char for gap, char in zip(gaps, letters[1:], strict=False))
    assert any(hit.category == word.category and (hit.start, hit.end) == (0, len(text)) for hit in LISTS.find(text))


def test_a_hundred_thousand_words_are_found_among_each_other() -> None:
    """Long lists of both scripts miss nothing: each word is found where it stands alone."""
    chance = random.Random(7)
    latin = {"".join(chance.choices(string.ascii_lowercase, k=chance.randint(4, 12))) for _ in range(50_000)}
    han = {
        "".join(map(chr, (chance.randint(0x4E00, 0x9FA5) for _ in range(chance.randint(2, 6))))) for _ in range(50_000)
    }
    words = sorted(latin | han)
    lists = WordLists([Word(word, "any", 1) for word in words])
    some = chance.sample(words, 2000)
    text = "。".join(some)
    hits = lists.find(text)
    covered = {place for hit in hits for place in range(hit.start, hit.end)}
    place = 0
    for word in some:
        assert place in covered
        assert place + len(word) - 1 in covered or word[0] > "z"
        place += len(word) + 1
    assert lists.find(CLEAN) == []


@pytest.mark.parametrize(
    "piece",
    ["\u200b", "a", "\u0301", "炸", "a ", "a-", "炸*", "b\u200b", "bomb ", "炸弹", "ass-", "哈", "machine ", "ﷺ"],
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    """A megabyte of anything takes as long as its length says: far below what a quadratic step would take."""
    text = piece * (1_000_000 // len(piece.encode()))
    LISTS.find(piece)
    start = time.process_time()
    LISTS.find(text)
    assert time.process_time() - start < 20
