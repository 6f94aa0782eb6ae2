"""`yumen engines`: what is installed."""

from __future__ import annotations

import click

from yumen.cli.listing import show


@click.group()
def engines() -> None:
    """List installed engines."""


@engines.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_(as_json: bool) -> None:
    """Print name, distribution and version of every installed engine."""
    show("engine", as_json)
