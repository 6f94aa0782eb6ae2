"""What the two commands say once a package is written."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click
import msgspec

from yumen.cli.plain import plain
from yumen.cli.scaffold.package import write
from yumen.cli.scaffold.words import Kind, words


def new(
    kind: Kind, name: str, into: Path | None, *, force: bool, as_json: bool, sees: Literal["raw", "masked"] = "raw"
) -> None:
    """Write a package and print what to do next. Error: `CannotStart`."""
    names = words(kind, name, again=force)
    written = write(kind, names, into or Path(names.distribution), sees=sees, over=force)
    if as_json:
        click.echo(msgspec.json.encode(written).decode())
        return
    for path in written.files:
        click.echo(f"wrote {plain(str(Path(written.folder) / path))}")
    click.echo(
        f"Next, in {plain(written.folder)}:\n"
        "  python -m venv .venv && . .venv/bin/activate\n"
        '  pip install --editable ".[dev]"\n'
        "  pytest && mypy && ruff check"
    )
