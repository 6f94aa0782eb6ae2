"""Masking of what the engine writes: a stream cut anywhere gives what the whole text gives, and nothing leaves early."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yumen_plugins.anonymize.detectors import select
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.scan import Scanner, enforce
from yumen_plugins.anonymize.screen import HOLD_CHARS_MAX, Reach, Screen

PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n" * 8
    + "-----END PRIVATE KEY-----"
)
VALUES = [
    "13812345678", "+86 138-1234-5678", "身份证号 110101199001011237", "4111 1111 1111 1111", "li.na@example.com",
    "10.1.2.3", "张伟先生", "password: hunter2-Xy9", "zhang.wei@mail.example.com", "联系人：李娜", PEM,
    "１３８１２３４５６７８", "138\u200b1234\u200b5678", "1 3 8 1 2 3 4 5 6 7 8",
    "一  三  八  一  二  三  四  五  六  七  八", "4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1",
]  # fmt: skip
WORDS = [
    "我的电话是",
    " and ",
    "。",
    "\n",
    "身份证",
    "card: ",
    "a",
    "1",
    "-",
    "@",
    "请",
    " ",
    "-----BEGIN ",
    "eyJ",
    "订单号",
]
TEXTS = st.lists(st.sampled_from([*VALUES, *WORDS]), max_size=12).map("".join)


class Whole:
    """A scanner over some detectors."""

    def __init__(self, globs: list[str]) -> None:
        self.detectors = select(globs)
        self.scanner = Scanner(self.detectors)
        self.plain = self.scanner.plain

    def read(self, text: str) -> list[Hit]:
        return self.scanner.readings(text)

    def settle(self, text: str, hits: list[Hit]) -> list[Hit]:
        return self.scanner.settled(text, hits, enforce)

    def screen(self) -> Screen:
        return Screen(Reach(self.detectors), self, redacted)

    def masked(self, text: str) -> str:
        (hits,) = self.scanner.scan([text], tables=False)
        for hit in reversed(hits):
            text = text[: hit.start] + redacted(hit, "") + text[hit.end :]
        return text


def redacted(hit: Hit, written: str) -> str:
    return f"[{hit.detector.label}]"


EVERYTHING = Whole(["*"])
SOME = Whole(["cn.mobile", "cn.id_card", "bank_card", "ip"])


def streamed(whole: Whole, pieces: list[str], watch: Callable[[str], None] = lambda sent: None) -> str:
    screen, sent = whole.screen(), ""
    for piece in pieces:
        sent += screen.feed(piece)
        watch(sent)
    return sent + screen.finish()


@pytest.mark.parametrize("whole", [EVERYTHING, SOME], ids=["everything", "some"])
@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_masked_wherever_it_is_cut(whole: Whole, value: str) -> None:
    """For every place at which a stream can be cut in two, the result is that of the whole text."""
    text = f"好的，您登记的是 {value}，请核对。That is what we have on record for you, is it right?"
    expected = whole.masked(text)
    for cut in range(1, len(text)):
        assert streamed(whole, [text[:cut], text[cut:]]) == expected


@settings(max_examples=300)
@given(TEXTS, st.lists(st.integers(0, 400), max_size=8))
def test_the_pieces_do_not_matter(text: str, cuts: list[int]) -> None:
    """However a text is cut, what goes on is the masked text, piece by piece."""
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]
    expected = EVERYTHING.masked(text)

    def watch(sent: str) -> None:
        assert expected.startswith(sent)

    assert streamed(EVERYTHING, pieces, watch) == expected


def test_one_character_at_a_time() -> None:
    """No prefix that has gone on differs from the beginning of the masked whole."""
    text = "。".join(f"第{number}位：{value}" for number, value in enumerate(VALUES)) + "，以上。" * 20
    expected = EVERYTHING.masked(text)
    assert "13812345678" not in expected

    def watch(sent: str) -> None:
        assert expected.startswith(sent)

    assert streamed(EVERYTHING, list(text), watch) == expected


def test_clean_text_is_held_for_a_moment_only() -> None:
    """Of ordinary text no more stays back than a value that has not ended could need."""
    screen = SOME.screen()
    sent = "".join(screen.feed(piece) for piece in "今天的天气很好，我们一起去公园散步吧！" * 40)
    assert 40 * 19 - len(sent) < 200


def test_what_never_ends_ends_the_stream() -> None:
    """A value that has begun and goes on beyond the limit is a fault, and nothing of it has left."""
    screen = EVERYTHING.screen()
    sent = ""
    for _ in range(HOLD_CHARS_MAX // 60):
        sent += screen.feed("\u200b" * 60)
    with pytest.raises(OverflowError):
        screen.feed("\u200b" * 60)
    assert sent == ""
