"""`yumen audit show`: records, and what happened to one of them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table
from rich.tree import Tree

from yumen import CannotStart, Settings, display
from yumen_plugins.audit.cli.common import cell, filters, query_of, searching, string
from yumen_plugins.audit.reader import exchange_of
from yumen_plugins.audit.searching import Record, Search

EXCHANGE, OPERATION = "exchange", "operation"


@click.command()
@click.argument("wanted", required=False, metavar="[RECEIPT|ID]")
@click.option("--last", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many records.")
@filters
@click.option("--operations", is_flag=True, help="What was done to the gateway, instead of exchanges.")
@click.option("--kind", default="", help="Records of another kind: intent, retention, key, start, recovery, …")
@click.option("--ledger", type=click.Path(path_type=Path), help="A ledger elsewhere, such as a copy.")
@click.option("--explain", is_flag=True, help="Say for one exchange what happened to it, and why.")
@click.option(
    "--policies", default="", metavar="BUNDLE", help="The bundle to explain it by, by default YUMEN_POLICIES."
)
@click.option("--json", "as_json", is_flag=True, help="Print records as JSON, one on a line.")
@click.pass_obj
def show(
    settings: Settings,
    /,
    wanted: str | None,
    last: int,
    operations: bool,
    kind: str,
    ledger: Path | None,
    explain: bool,
    policies: str,
    as_json: bool,
    **asked: str,
) -> None:
    """Show the last exchanges, or what has this receipt or id.

    Exit status: 0 shown, 1 there is no ledger or no such record. Whether records hold is what `verify` says.
    """
    if explain and (wanted is None or operations):
        raise CannotStart("--explain is for one exchange; name its receipt or id")
    kind = kind or (OPERATION if operations else EXCHANGE)
    with searching(settings, ledger) as search:
        if wanted is not None:
            found = _named(search, wanted, EXCHANGE if explain else "")
        else:
            found = [record for _, record in islice(search.records(query_of(asked, kind=kind)), last)][::-1]
    if not found:
        raise CannotStart("there is no such record")
    if explain:
        _explain(found[-1], settings, policies, as_json)
    elif as_json:
        for record in found:
            click.echo(msgspec.json.encode(record))
    elif wanted is not None:
        display(_tree(found[-1]))
    elif kind == EXCHANGE:
        display(_exchanges(found))
    else:
        display(_others(found))


def _named(search: Search, wanted: str, kind: str) -> list[Record]:
    """The records with a receipt or id, the exchange itself the last of them."""
    found = [search.record(log, seq) for log, seq in search.locate(wanted)]
    records = [record for record in found if record is not None and kind in ("", record.get("kind"))]
    return sorted(records, key=lambda record: record.get("kind") in (EXCHANGE, OPERATION))


def _explain(found: Record, settings: Settings, policies: str, as_json: bool) -> None:
    from yumen import explain_record  # loads all that compiles a bundle

    record = exchange_of(found)
    if record is None:
        raise CannotStart("the record has not the form of an exchange, so it cannot be explained; verify the ledger")
    explanation = explain_record(record, settings, policies)
    if as_json:
        click.echo(msgspec.json.encode(explanation.data()).decode())
    else:
        display(explanation.tree())


def _exchanges(records: list[Record]) -> Table:
    table = Table("time", "exchange", "tenant", "route", "outcome", "findings", "ms", "receipt")
    for record in records:
        # Nothing here was verified, so a record may be anything.
        findings, timings = record.get("findings"), record.get("timings_ms")
        found = [one for one in findings if isinstance(one, dict)] if isinstance(findings, list) else []
        rules = sorted({string(finding.get("rule")) for finding in found})
        ms = timings.get("total", "") if isinstance(timings, dict) else ""
        cells = (record.get("time"), record.get("id"), record.get("tenant"), record.get("route"), record.get("outcome"))
        table.add_row(*map(cell, (*cells, " ".join(rules), ms, record.get("receipt"))))
    return table


def _others(records: list[Record]) -> Table:
    table = Table("time", "kind", "operation", "actor", "details", "receipt")
    for record in records:
        known = ("seq", "time", "kind", "operation", "actor", "details", "receipt", "id")
        details = record.get("details", {name: value for name, value in record.items() if name not in known})
        shown = _members(details) if isinstance(details, dict) else details
        cells = (record.get(name, "") for name in ("time", "kind", "operation", "actor"))
        table.add_row(*map(cell, (*cells, shown, record.get("receipt", ""))))
    return table


def _tree(record: Record) -> Tree:
    tree = Tree(cell(record.get("id")))
    for name, value in record.items():
        if isinstance(value, list) and value:
            branch = tree.add(cell(name))
            for item in value:
                branch.add(cell(_members(item) if isinstance(item, dict) else item))
        elif isinstance(value, dict):
            tree.add(cell(f"{name}: {_members(value)}"))
        elif name != "mac":
            tree.add(cell(f"{name}: {string(value)}"))
    return tree


def _members(value: dict[str, Any]) -> str:
    return "  ".join(f"{key}={string(part)}" for key, part in value.items())
