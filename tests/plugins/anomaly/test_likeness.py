"""How alike texts are told to be."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen_plugins.anomaly.facts.likeness import SIGNED_MAX, fingerprint, likeness, signature
from yumen_plugins.anomaly.facts.texts import LOOKED_AT_MAX

KEY = b"k" * 32
# Prose about one thing after another, each as long as a short prompt.
ENGLISH = [
    "Please summarise the attached quarterly report for the board, list the three largest risks that our "
    "auditors named, and say in one sentence each what the finance team plans to do about them before the end "
    "of the year.",
    "Write a function that reads a list of temperatures from a file, throws away values that no thermometer "
    "could have shown, and prints the average of every week together with the day on which it was warmest.",
    "My grandmother used to bake a plum cake with cinnamon on Sundays; she never wrote the recipe down. Could "
    "you suggest how much flour, butter and sugar such a cake might take, and how long it stays in the oven?",
    "Translate the following letter to our landlord into formal German, keep its friendly tone, and point out "
    "any phrase that might sound rude to somebody who does not know us well enough to smile about it.",
    "Explain to a twelve year old why the moon seems to follow a car at night although houses and trees rush "
    "past, using an example from daily life and without any formula that was not taught at school yet.",
]
CHINESE = [
    "请根据附件中的季度报告为董事会写一份摘要，列出审计师指出的三个最大风险，并分别用一句话说明财务部门在年底之前打算如何应对这些风险。",
    "编写一个函数，从文件里读取一串温度数据，去掉任何温度计都不可能显示的数值，然后打印每个星期的平均气温以及最热的那一天是星期几。",
    "我奶奶以前每逢周日都会烤李子蛋糕，里面放肉桂，可是她从来没有把配方写下来。你能估计一下需要多少面粉、黄油和白糖，在烤箱里放多久吗？",
    "帮我把下面这封写给房东的信翻译成正式的德语，保持友好的语气，同时指出哪些说法可能会让不熟悉我们的人觉得失礼，最好给出替换的词句。",
    "用十二岁孩子听得懂的话解释，为什么晚上坐车的时候月亮好像一直跟着我们走，而路边的房屋和树木却飞快地向后退去，举一个生活中的例子。",
]


def alike(one: str, other: str) -> float:
    """The likeness of two texts."""
    return likeness(signature(one), signature(other))


@pytest.mark.parametrize("text", ENGLISH)
def test_one_english_word_makes_little_difference(text: str) -> None:
    """A text with one of its words changed is nearly the same, whichever word that is."""
    words = text.split()
    found = [alike(text, " ".join([*words[:at], "zebra", *words[at + 1 :]])) for at in range(len(words))]
    assert sum(found) / len(found) >= 0.93
    assert sum(one >= 0.9 for one in found) >= 0.8 * len(found)


@pytest.mark.parametrize("text", CHINESE)
def test_one_chinese_word_makes_little_difference(text: str) -> None:
    """The same holds where words are not divided."""
    found = [alike(text, text[:at] + "斑马" + text[at + 2 :]) for at in range(0, len(text) - 2, 2)]
    assert sum(found) / len(found) >= 0.93
    assert sum(one >= 0.9 for one in found) >= 0.8 * len(found)


@pytest.mark.parametrize("texts", [ENGLISH, CHINESE, [*ENGLISH, *CHINESE]])
def test_other_texts_are_not_alike(texts: list[str]) -> None:
    """Texts about different things share about half of their bits."""
    found = [alike(one, other) for one, other in itertools.combinations(texts, 2)]
    assert 0.4 < sum(found) / len(found) < 0.6
    assert sum(one <= 0.65 for one in found) >= 0.9 * len(found)


@given(st.sampled_from([*ENGLISH, *CHINESE]), st.integers(0, 10**9), st.sampled_from(["!", "…", "，", " - ", "\n\n"]))
def test_numbers_and_signs_make_none(text: str, number: int, sign: str) -> None:
    """A form letter is the same with other numbers, other punctuation and in capitals."""
    filled = text.replace("，", f"，{number}{sign}").replace(",", f", {number} {sign}").upper()
    assert alike(text, filled) == 1.0


@given(st.text())
def test_a_text_is_like_itself(text: str) -> None:
    """Likeness to itself is 1, where there are words at all; a signature has 64 bits."""
    one = signature(text)
    assert 0 <= one < 2**64
    assert likeness(one, one) == (1.0 if one else 0.0)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_likeness_is_a_symmetric_share(one: int, other: int) -> None:
    """Likeness lies between 0 and 1 and does not depend on the order."""
    assert 0.0 <= likeness(one, other) == likeness(other, one) <= 1.0


def test_texts_without_words_are_like_nothing() -> None:
    """Numbers and signs alone say nothing, so nothing is like them."""
    assert [signature(text) for text in ("", "  ", "12345 67.89", "！？", "😀")] == [0] * 5
    assert alike("12345", "12345") == alike("12345", ENGLISH[0]) == 0.0
    assert signature("a") != 0 != signature("啊")


def test_only_the_ends_are_signed() -> None:
    """A long text costs what its first and last part do."""
    middle = "词" * SIGNED_MAX
    first, last = (CHINESE[0] * 40)[: SIGNED_MAX // 2], (CHINESE[1] * 40)[: SIGNED_MAX // 2]
    assert signature(first + middle + last) == signature(first + last)
    assert signature("İ" * SIGNED_MAX * 2) != 0  # in lower case it is longer


@pytest.mark.parametrize(
    ("first", "size", "between"),
    [("a", 3, " "), ("а", 3, " "), ("汉", 1, ""), ("か", 1, ""), ("ก", 1, ""), ("가", 2, " "), ("𠀀", 1, "，")],
)
def test_words_of_any_script_count(first: str, size: int, between: str) -> None:
    """Which words a text has matters, and their order, whatever script they are written in."""
    letters = [chr(ord(first) + n) for n in range(20)]
    words = ["".join(letters[(n * step) % 20] for step in range(1, size + 1)) for n in range(20)]
    assert alike(between.join(words), between.join(words[::-1])) < 0.95
    assert alike(between.join(words), between.join(words[:10])) < 0.95


def test_signatures_are_the_same_in_every_process() -> None:
    """Workers share signatures, so none may depend on the process that made it."""
    code = (
        "import sys; from yumen_plugins.anomaly.facts.likeness import *; text = sys.stdin.buffer.read().decode()\n"
        "print(signature(text), fingerprint(text, b'k' * 32))"
    )
    text = ENGLISH[0] + CHINESE[0]
    ran = subprocess.run([sys.executable, "-c", code], input=text.encode(), capture_output=True, check=True, timeout=60)
    assert ran.stdout.split() == [str(signature(text)).encode(), str(fingerprint(text, KEY)).encode()]


@given(st.text(), st.text())
def test_fingerprints_tell_the_same_texts(one: str, other: str) -> None:
    """The same text has the same fingerprint, in any case and with any blanks; another has another."""
    assert fingerprint(one, KEY) == fingerprint(f"\n {one}\t", KEY)
    same = one.casefold().split() == other.casefold().split()
    assert (fingerprint(one, KEY) == fingerprint(other, KEY)) == same


def test_fingerprints_fold_case_and_blanks() -> None:
    """Case and blanks do not count; numbers and punctuation do."""
    assert fingerprint("Hello  World 你好", KEY) == fingerprint("HELLO\nworld\u3000你好", KEY)
    assert len({fingerprint(text, KEY) for text in ("a1", "a2", "a1.", "a 1", "你好", "您好")}) == 6


def test_fingerprints_depend_on_the_key() -> None:
    """Whoever lacks the key cannot tell which text a fingerprint is of."""
    assert len({fingerprint(ENGLISH[0], bytes([n]) * 32) for n in range(50)}) == 50


def test_fingerprints_of_long_texts_know_their_length() -> None:
    """Of a very long text the ends and the length are looked at."""
    long = "word " * LOOKED_AT_MAX
    assert fingerprint(long, KEY) == fingerprint(long.upper(), KEY) != fingerprint(long + "word ", KEY)
    assert fingerprint("\ud800", KEY) != fingerprint("\ud801", KEY)
