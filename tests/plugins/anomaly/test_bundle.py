"""The plugin in a whole bundle: its cases are policy cases, as an author would write them."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from yumen.cli import main

BUNDLE = Path(__file__).parent / "bundle"


def test_the_bundle_holds() -> None:
    """Everything that the cases of the bundle say holds, through the real chain."""
    done = CliRunner().invoke(main, ["policy", "test", str(BUNDLE)])
    assert done.exit_code == 0, done.output
