"""docs/export.md says what the code does: its tables are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.plugins.audit.formats.samples import EXCHANGE, INTENT, OPERATION

from yumen_plugins.audit.formats import MEDIA
from yumen_plugins.audit.formats.cef import SEVERITIES, line
from yumen_plugins.audit.formats.columns import COLUMNS
from yumen_plugins.audit.formats.ocsf import CLASSES, KINDS, OPERATIONS, VERSION
from yumen_plugins.audit.formats.parquet import SCHEMA_VERSION
from yumen_plugins.audit.formats.verdict import KINDS as GRADED
from yumen_plugins.audit.formats.verdict import OUTCOMES

PAGE = (Path(__file__).parents[4] / "docs" / "export.md").read_text()
TYPES = {
    "string": "string",
    "int64": "64-bit integer",
    "bool": "boolean",
    "time": "timestamp of microseconds in UTC",
    "map string": "map of strings",
    "map double": "map of doubles",
    "map int64": "map of 64-bit integers",
}


def rows(heading: str, number: int = 0) -> list[list[str]]:
    """The rows of one table below a heading, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = re.findall(r"(?:^\|.*\|\n)+", section, re.MULTILINE)[number]
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in table.splitlines()[2:]]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_formats_and_versions() -> None:
    """Media types, and the versions that formats are pinned to."""
    table = PAGE.split("\n## ")[0]
    assert dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", table, re.MULTILINE)) == MEDIA
    assert f"OCSF {VERSION}" in table
    assert f"columns version {SCHEMA_VERSION}," in table


def test_severities() -> None:
    """Each outcome and each kind stands in the row of its severity, in both scales."""
    found = {}
    for cell, ocsf, cef in rows("Severity"):
        for name in code(cell):
            found[name] = ocsf
        (grade,) = [one for one in SEVERITIES if ocsf == f"{int(one)} {one.name.capitalize()}"]
        assert cef == str(SEVERITIES[grade])
    assert found == {
        name: f"{int(grade)} {grade.name.capitalize()}" for name, grade in (*OUTCOMES.items(), *GRADED.items())
    }


def test_fields_of_cef() -> None:
    """The fields of an exchange, an operation and an intent are those of the table."""
    documented = {key: cells for first, *cells in rows("CEF") for key in code(first)}
    for column, record in enumerate((EXCHANGE, OPERATION, INTENT)):
        written = set(re.findall(r"(?:\| ?| )(\w+)=", line(record).decode().replace("\\=", "")))
        fields = {key for key in written if not key.endswith("Label")}
        said = {key for key, cells in documented.items() if cells[column]}
        assert fields <= said
        assert said - fields <= {"reason"}


@pytest.mark.parametrize("kind", KINDS)
def test_classes_of_ocsf(kind: str) -> None:
    """The class and the activity of each kind."""
    (cells,) = [cells for cells in rows("OCSF") if code(cells[0]) == [kind]]
    class_uid, activity_id, activity = KINDS[kind]
    assert cells[1] == f"{class_uid} {CLASSES[class_uid]}"
    if kind == "operation":
        assert all(f"`{name}`" in cells[2] for name in OPERATIONS)
        assert all(f"{number} {name}" in cells[2] for number, name in OPERATIONS.values())
    else:
        assert cells[2] == f"{activity_id} {activity}"


def test_columns() -> None:
    """Each column of Parquet, with its type."""
    found = {name: kind for first, kind in rows("Parquet") for name in code(first)}
    lists = {name for name, column in COLUMNS.items() if not isinstance(column, str)}
    assert {name for name, kind in found.items() if kind.startswith("list of structures")} == lists
    assert {name: kind for name, kind in found.items() if name not in lists} == {
        name: TYPES[column] for name, column in COLUMNS.items() if isinstance(column, str)
    }
