"""Long texts are read in windows, and known texts are not read again: neither changes what is found."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yumen_plugins.anonymize import windows
from yumen_plugins.anonymize.config import WordList
from yumen_plugins.anonymize.detectors import CATALOGUE, select
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.look import Region
from yumen_plugins.anonymize.memo import PLACES_ALL_MAX, PLACES_MAX, TEXTS_MAX, Memo
from yumen_plugins.anonymize.scan import Scanner
from yumen_plugins.anonymize.windows import OVERLAP_CHARS, WINDOW_CHARS, Seen
from yumen_plugins.anonymize.words import Words

SCANNER = Scanner(CATALOGUE)
VALUES = [
    "13812345678", "身份证号 110101199001011237", "4111 1111 1111 1111", "li.na@example.com", "10.1.2.3", "张伟先生",
    "password: hunter2-Xy9", "联系人：李娜", "１３８１２３４５６７８", "北京市海淀区中关村大街27号", "Mr John Smith",
    "DOB: 1990-03-07",
]  # fmt: skip
FILLER = [
    "今天的天气很好，我们一起去公园。",
    "It is a fine day, and we go for a walk. ",
    "\n",
    "订单 20261123 ",
    "—" * 40,
]
KEY = b"k" * 32


def places(hits: list[Hit]) -> list[tuple[str, int, int, bool, str]]:
    return [(hit.detector.id, hit.start, hit.end, hit.valid, hit.value) for hit in hits]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*VALUES, *FILLER]), min_size=1, max_size=60).map("".join))
def test_windows_change_nothing(text: str) -> None:
    """Whatever the size of the windows, the same is found in the same places."""
    whole = places(SCANNER.scan([text])[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "WINDOW_CHARS", 200)
        patch.setattr(windows, "OVERLAP_CHARS", 150)
        assert places(SCANNER.scan([text])[0]) == whole


def test_values_over_the_edge_of_a_window() -> None:
    """A value is found wherever the edge of a window falls in it."""
    for value in ("13812345678", "li.na@example.com", "110101199003077213"):
        for before in range(len(value) + 2):
            text = "，" * (WINDOW_CHARS - before) + value + "，" * WINDOW_CHARS
            found = [text[hit.start : hit.end] for hit in SCANNER.scan([text])[0]]
            assert found == [value]


def test_only_where_something_was_seen() -> None:
    """A detector looks at the windows that named it, with what a match may reach beyond them, and at neighbours at once."""
    (detector,) = select(["cn.mobile"])
    windowed = [{1}, set(), set(), {1}, {1}, set()]
    regions = Seen({1}, windowed).regions(1, detector, Region(0, 6 * WINDOW_CHARS))
    assert [(one.start, one.end) for one in regions] == [
        (0, WINDOW_CHARS + OVERLAP_CHARS),
        (3 * WINDOW_CHARS - detector.span_max, 5 * WINDOW_CHARS + OVERLAP_CHARS),
    ]
    assert [one.fresh for one in regions] == [0, 3 * WINDOW_CHARS]
    (whole,) = Seen({1}).regions(1, detector, Region(0, 100))
    assert isinstance(whole, Region)
    assert (whole.start, whole.end) == (0, 100)


def test_a_known_conversation_gives_the_same() -> None:
    """What is remembered of a conversation is what was found in it, for lists of words as well."""
    scanner = Scanner(
        CATALOGUE,
        lists=(
            Words(WordList(id="acme.code", words=["falcon"])),
            Words(WordList(id="acme.hotline", words=["13812345678"], take=False, tenants=["a"])),
        ),
    )
    draw = random.Random(3)
    texts = ["".join(draw.choices([*VALUES, *FILLER, "falcon "], k=6)) for _ in range(40)]
    new = [places(hits) for hits in scanner.scan(texts, tenant="a")]
    for _ in range(2):
        assert [places(hits) for hits in scanner.scan(texts, tenant="a", key=KEY)] == new
    assert [places(hits) for hits in scanner.scan(texts, tenant="b", key=b"b" * 32)] != new


def test_the_memo_holds_no_text() -> None:
    """Nothing that is remembered can be read, and another key finds nothing."""
    memo, text = Memo(), "我的电话是13812345678"
    memo.put(Memo.digest(KEY, text), ((3, 5, 16, True),))
    assert memo.get(Memo.digest(KEY, text)) == ((3, 5, 16, True),)
    assert memo.get(Memo.digest(b"o" * 32, text)) is None
    assert "138" not in repr(memo._known)


def test_the_memo_is_bounded() -> None:
    """The least recently used goes first, and what has too many places is not remembered."""
    memo = Memo()
    memo.put("first", ())
    memo.put("first", ())
    memo.put("many", ((0, 0, 1, True),) * (PLACES_MAX + 1))
    assert memo.get("many") is None
    for number in range(TEXTS_MAX - 1):
        memo.put(number, ())
    memo.get("first")
    memo.put("last", ())
    assert memo.get("first") == ()
    assert memo.get(0) is None


def test_all_places_together_are_bounded() -> None:
    """Texts full of values push others out before there are as many texts as are remembered, and those go oldest first."""
    memo = Memo()
    fits = PLACES_ALL_MAX // PLACES_MAX
    full = ((0, 0, 1, True),) * PLACES_MAX
    for number in range(fits + 1):
        memo.put(number, full)
        memo.put(number, full)
    assert memo.get(0) is None
    assert memo.get(1) == memo.get(fits) == full


TABLE = "password\tnote\nhunter2xyz\tnothing at all\nhunter3xyz\t没有什么"


@pytest.mark.parametrize("text", ["我的电话是13812345678", "hi", "", TABLE])
def test_a_short_text_is_known_too(text: str) -> None:
    """What is remembered of a text that comes alone is what was found in it, as a request's and, apart, as a reply's."""
    scanner = Scanner(CATALOGUE)
    found = {}
    for tables in (True, False, True, False):
        found[tables] = [places(hits) for hits in scanner.scan([text], tables=tables)]
        for _ in range(2):
            assert [places(hits) for hits in scanner.scan([text], key=KEY, tables=tables)] == found[tables]
    # The cells of tables are read in requests only.
    assert (found[True] != found[False]) == (text == TABLE)
