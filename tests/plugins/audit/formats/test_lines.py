"""Formats of lines: one record is one line, whatever it holds."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from tests.plugins.audit.formats.samples import ANSWER, EVERY, EXCHANGE, FUTURE, MASKED, ODD

from yumen_plugins.audit.formats import FORMATS, LINES, MEDIA

ACTED_ON = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("form", LINES)
@given(record=ODD)
def test_a_record_is_one_line(form: str, record: dict[str, Any]) -> None:
    """Nobody can write a line of their own into an export, or turn what stands in it, by what a record holds of them."""
    text = LINES[form](record).decode()
    assert len(text.splitlines()) == 1
    assert not ACTED_ON.search(text)


@given(record=ODD)
def test_json_lines_lose_nothing(record: dict[str, Any]) -> None:
    """A program that reads JSON lines has the record again, members and kinds that this version does not know included."""
    assert json.loads(LINES["jsonl"](record)) == record


@pytest.mark.parametrize("form", ["cef", "ocsf"])
@pytest.mark.parametrize("record", EVERY)
def test_texts_stay_in_the_ledger(form: str, record: dict[str, Any]) -> None:
    """What goes to a monitoring system holds no text of an exchange, in whatever kind of record the text stands."""
    line = LINES[form](record).decode()
    assert MASKED not in line
    assert ANSWER not in line
    assert "CN_MOBILE" not in line


def test_texts_are_in_json_lines() -> None:
    """The sentence above could be true of records without texts; these have them."""
    assert MASKED in LINES["jsonl"](EXCHANGE).decode()
    assert ANSWER in LINES["jsonl"](FUTURE).decode()


def test_every_format_has_a_media_type() -> None:
    """Whoever serves a format can say what it is."""
    assert set(FORMATS) == set(MEDIA)
