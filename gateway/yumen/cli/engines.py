"""`yumen engines`: what is installed."""

from __future__ import annotations

import click
import msgspec
from rich.table import Table

from yumen import registry
from yumen.cli.listing import show
from yumen.screen import display


@click.group()
def engines() -> None:
    """List installed engines."""


@engines.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_(as_json: bool) -> None:
    """Print name, distribution and version of every installed engine, and what evaluates rules here."""
    states = {one.name: registry.evaluator_state(one.name) for one in registry.listings("evaluator")}
    if as_json:
        found: list[dict[str, object]] = [
            {**msgspec.to_builtins(one), "kind": "engine"} for one in registry.listings("engine")
        ]
        found += [
            {**msgspec.to_builtins(one), "kind": "evaluator", "runs": not states[one.name], "why": states[one.name]}
            for one in registry.listings("evaluator")
        ]
        click.echo(msgspec.json.encode(found).decode())
        return
    show("engine", as_json)
    table = Table("evaluator of rules", "runs here", "why not")
    for name, why in states.items():
        table.add_row(name, "no" if why else "yes", why)
    display(table)
