"""`yumen plugins`: what is installed."""

from __future__ import annotations

import click

from yumen.cli.listing import show


@click.group()
def plugins() -> None:
    """List installed plugins."""


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_(as_json: bool) -> None:
    """Print name, distribution and version of every installed plugin."""
    show("plugin", as_json)
