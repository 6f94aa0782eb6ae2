"""Structured logs are loaded without what would show the values of variables."""

from __future__ import annotations

import subprocess
import sys

FAILS = """
import yumen
import structlog

def meet(text):
    raise ValueError("of no kind")

try:
    meet("打给138" + "12345678")
except ValueError:
    structlog.get_logger().warning("failed", exc_info=True)
"""


def run(code: str) -> str:
    """What a process of its own prints; in this one others may have loaded anything."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_a_traceback_shows_no_value() -> None:
    """A plugin that logs an error where nobody has set up logs, as under `yumen policy test`, shows no text by that."""
    said = run(FAILS)
    assert "of no kind" in said
    assert "13812345678" not in said


def test_tables_can_be_had_afterwards() -> None:
    """The gateway starts without `rich`, which whoever prints a table imports as ever."""
    assert run("import sys, yumen, yumen.app, yumen.cli; print('rich' in sys.modules)") == "False\n"
    assert run("import yumen, rich.table; print(rich.table.Table().title)") == "None\n"
    assert run("import rich, yumen, structlog, sys; print(sys.modules['rich'] is rich)") == "True\n"
