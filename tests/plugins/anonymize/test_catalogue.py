"""The page of detectors in docs/ says what the catalogue says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from yumen_plugins.anonymize.catalogue import COLUMNS, COMMAND, PACKS, SECRET_SHOWN, example, pack_of, page, taken
from yumen_plugins.anonymize.detectors import CATALOGUE

PAGE = Path(__file__).parents[3] / "docs" / "detectors.md"


def test_the_page_is_up_to_date() -> None:
    """docs/detectors.md is what the catalogue says today; the failure prints what repairs it."""
    assert PAGE.read_text(encoding="utf-8") == page(), f"run: {COMMAND}"


def test_every_detector_has_one_whole_line() -> None:
    """No detector is missing, whatever its pack, and no cell is empty or breaks the table."""
    rows = re.findall(r"^\| `(?:[^|]|\\\|)+`.*", page(), re.MULTILINE)
    assert sorted(row.split("`")[1] for row in rows) == sorted(one.id for one in CATALOGUE)
    for row in rows:
        cells = re.split(r" (?<!\\)\| ", row.removeprefix("| ").removesuffix(" |"))
        assert len(cells) == len(COLUMNS), row
        assert all(cell.strip() for cell in cells), row


def test_every_pack_has_a_heading() -> None:
    """A detector of a new pack does not vanish from the page."""
    assert {pack_of(one) for one in CATALOGUE} == set(PACKS)


def test_no_whole_secret_stands_on_the_page() -> None:
    """A long secret is shown by its beginning: scanners of repositories would take it for one that leaked."""
    for one in CATALOGUE:
        if not one.id.startswith("secret."):
            continue
        shown = example(one)
        for pattern in one.compiled:
            match = pattern.search(shown)
            if match is not None:
                value = match["value"] if "value" in pattern.groupindex else match[0]
                assert len(value) <= SECRET_SHOWN + 1, one.id


@pytest.mark.parametrize(
    ("rule", "when"),
    [
        ("cn.mobile", "form"),
        ("cn.id_card", "form + check, or word"),
        ("cn.passport", "word"),
        ("finance.cvv", "named"),
        ("cn.landline", "form, or named"),
        ("ip", "form + check"),
        ("secret.assignment", "named + check"),
    ],
)
def test_when_a_value_counts(rule: str, when: str) -> None:
    """The page tells a checksum, a form and a word apart as the scanner does."""
    assert taken(next(one for one in CATALOGUE if one.id == rule)) == when
