"""Tables: nothing is cut."""

from __future__ import annotations

import pytest
from rich.table import Table

from yumen import display

LONG = "85a4aa1c.a93a450b51f75ee431b539d8e54002a3"


@pytest.mark.parametrize("columns", ["30", "80", "300"])
def test_nothing_is_left_out(columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe a value stands whole in its line; in a narrow terminal it goes on in the next one."""
    table = Table("receipt", "又一个", "third")
    table.add_row(LONG, "很长的一句话" * 5, LONG)
    monkeypatch.setenv("COLUMNS", columns)
    display(table)
    assert LONG in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")
    display(table)
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert sum(shown.count(char) for char in LONG) >= 2 * len(LONG)
