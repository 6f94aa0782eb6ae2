"""`yumen engines new`: a package with an engine to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from yumen.cli.scaffold import verb


@click.command()
@click.argument("name")
@click.option(
    "--into", metavar="FOLDER", type=click.Path(path_type=Path), help="Where to write it, ./yumen-NAME by default."
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as one JSON object.")
def new(name: str, into: Path | None, force: bool, as_json: bool) -> None:
    """Write a package `yumen-NAME` with a working engine, its tests, an example policy and what CI needs.

    Nothing is written over without --force. Exit status: 0 written, 1 not.
    """
    verb.new("engine", name, into, force=force, as_json=as_json)
