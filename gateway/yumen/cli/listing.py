"""What `yumen plugins list` and `yumen engines list` share."""

from __future__ import annotations

import click
import msgspec
from rich.table import Table

from yumen import registry
from yumen.screen import display


def show(kind: str, as_json: bool) -> None:
    """Print what is installed of one kind, from its metadata; nothing is imported."""
    found = registry.listings(kind)
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    table = Table("name", "distribution", "version", "class")
    for listing in found:
        table.add_row(listing.name, listing.distribution, listing.version, listing.target)
    display(table)
