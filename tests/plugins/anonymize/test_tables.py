"""Cells of tables are read behind their headings, and edits land in the cells."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen_plugins.anonymize.detectors import CATALOGUE
from yumen_plugins.anonymize.scan import Scanner
from yumen_plugins.anonymize.tables import CELL_CHARS_MIN, NAMED, Cells

SCANNER = Scanner(CATALOGUE)


def values(text: str) -> list[tuple[str, str]]:
    return [(hit.detector.id, text[hit.start : hit.end]) for hit in SCANNER.scan([text])[0]]


@pytest.mark.parametrize(
    "text",
    [
        "车型,QQ,备注\n轿车,6518150734,无\n",
        "车型\tQQ号\t备注\r\n轿车\t6518150734\t无\r\n",
        "请看下面：\n车型，备注，QQ\n轿车，无，6518150734\n谢谢！",
        "| QQ | 车型 |\n|---|:-:|\n| `6518150734` | 轿车 |",
        '车型;QQ (optional)\n"a;b";6518150734',
        " id | qq\n----+-----------\n 12 | 6518150734\n(1 row)",
        "+----+------------+\n| id | QQ         |\n+----+------------+\n| 12 | 6518150734 |\n+----+------------+",
        "ＱＱ，车型\n６５１８１５０７３４，轿车",
        '"QQ","remark"\n"6518150734","said ""hi"", left"',
    ],
)
def test_a_heading_names_its_cells(text: str) -> None:
    """Whatever the table is written in, and whatever stands around it."""
    cell = "６５１８１５０７３４" if "６" in text else "6518150734"
    assert ("cn.qq", cell) in values(text)


def test_a_row_with_other_cells_ends_nothing() -> None:
    """A row with more cells than headings is passed over, a line without any ends the table."""
    table = "no,QQ,note\n1,6518150734,a\n2,6518150735,b,c\n3,6518150736\n\n4,6518150737,d"
    assert [value for _, value in values(table)] == ["6518150734", "6518150736"]


@pytest.mark.parametrize(
    "text",
    [
        "车型,销量\n轿车,6518150734\n",
        "She gave me her QQ, I think.\nThen, 6518150734 people came.",
        "QQ,6518150734 people,2\n1,6518150734 people,3",
        "password,remark\n,\nok",
    ],
)
def test_other_lines_with_commas_are_no_tables(text: str) -> None:
    """Sentences, headings that say nothing, and empty cells."""
    assert "6518150734" not in [value for _, value in values(text)]


def test_streams_read_no_tables() -> None:
    """What a stream reads cannot depend on a heading that went on long ago."""
    assert SCANNER.readings("车型,QQ\n轿车,6518150734") == []


CELL = st.text("姓名QQ号电话12345 \"'`x-", max_size=12)
LINE = st.tuples(st.lists(CELL, max_size=4), st.sampled_from(["\t", "|", ",", ";", "，"])).map(
    lambda one: one[1].join(one[0])
)


@given(st.lists(LINE, max_size=8).map("\n".join))
def test_places_are_of_the_text(text: str) -> None:
    """Every cell is read as it stands in the text, and nothing beside it has a place there."""
    cells = Cells(text)
    position = 0
    for line in cells.text.splitlines(keepends=True):
        name = line.index(NAMED) + len(NAMED)
        start, end = position + name, position + len(line) - 1
        place = cells.place(start, end)
        assert place is not None
        assert text[place[0] : place[1]] == cells.text[start:end]
        assert end - start >= CELL_CHARS_MIN
        assert cells.place(start - 1, end) is None
        assert cells.place(start, end + 1) is None
        position += len(line)


@pytest.mark.parametrize("piece", ["QQ,\n", 'QQ,"', '"QQ""', "QQ,a\n1,2\n", "|", "QQ|\n-|\n", ",", "QQ\t", "- ", "("])
def test_hostile_tables_take_linear_time(piece: str) -> None:
    """Text made to be slow costs a constant time a character: 1 MB in seconds."""
    started = time.perf_counter()
    Cells(piece * (1_000_000 // len(piece)))
    assert time.perf_counter() - started < 20
