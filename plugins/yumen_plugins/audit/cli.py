"""`yumen audit`: verify the ledger, and look into it."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from yumen import CannotStart, Settings, display
from yumen_plugins.audit import FOLDER
from yumen_plugins.audit.reader import Ledger, exchange_in, ledger_mac, unverified
from yumen_plugins.audit.verify import WriterReport, printable, writers

PROGRESS_FROM_BYTES = 32 << 20

Shown = tuple[bytes, dict[str, Any]]


@click.group()
def audit() -> None:
    """Verify the ledger and look into it."""


@audit.command()
@click.argument("ledger", required=False, type=click.Path(path_type=Path))
@click.option("--secret", type=click.Path(path_type=Path), help="The gateway's secret, for a copy of the ledger.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def verify(settings: Settings, ledger: Path | None, secret: Path | None, as_json: bool) -> None:
    """Verify LEDGER, by default the one in the data directory.

    Exit status: 0 it holds, 1 it could not be verified, 2 something is wrong with it.
    """
    found = Ledger(_folder(settings, ledger), ledger_mac(settings, secret))
    quiet = found.total_bytes < PROGRESS_FROM_BYTES or not sys.stderr.isatty()
    with Progress(console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("verifying", total=found.total_bytes)
        wrong = found.verify(lambda size: progress.advance(task, size))
    if as_json:
        click.echo(msgspec.json.encode({"ok": not wrong, "writers": found.reports}).decode())
    else:
        for problem in wrong:
            click.echo(problem)
        display(_summary(found.reports))
    raise SystemExit(2 if wrong else 0)


@audit.command()
@click.argument("wanted", required=False, metavar="[RECEIPT|EXCHANGE]")
@click.option("--last", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many records.")
@click.option("--tenant", help="Only of this tenant.")
@click.option("--operations", is_flag=True, help="What was done to the gateway, instead of exchanges.")
@click.option("--explain", is_flag=True, help="Say for one exchange what happened to it, and why.")
@click.option(
    "--policies", default="", metavar="BUNDLE", help="The bundle to explain it by, by default YUMEN_POLICIES."
)
@click.option("--json", "as_json", is_flag=True, help="Print records as JSON, one on a line.")
@click.pass_obj
def show(
    settings: Settings,
    wanted: str | None,
    last: int,
    tenant: str | None,
    operations: bool,
    explain: bool,
    policies: str,
    as_json: bool,
) -> None:
    """Show the last exchanges, or the one with this receipt or exchange id.

    Exit status: 0 shown, 1 there is no ledger or no such record. Whether records hold is what `verify` says.
    """
    if explain and (wanted is None or operations):
        raise CannotStart("--explain is for one exchange; name its receipt or id")
    kind = "operation" if operations else "exchange"
    found = _last(_chosen(_folder(settings, None), kind, wanted, tenant), 1 if explain else last)
    if not found:
        raise CannotStart("there is no such record")
    if explain:
        _explain(found[0][0], settings, policies, as_json)
    elif as_json:
        for line, _ in found:
            click.echo(line.rstrip(b"\n"))
    elif operations:
        display(_operations([record for _, record in found]))
    elif wanted is not None:
        display(_tree(found[-1][1]))
    else:
        display(_exchanges([record for _, record in found]))


def _folder(settings: Settings, ledger: Path | None) -> Path:
    """The ledger's folder. Error: `CannotStart` where there is none, or nothing in it that could be a writer's."""
    folder = ledger or settings.data_dir / FOLDER
    try:
        if folder.is_dir() and writers(folder):
            return folder
    except OSError as error:
        raise CannotStart(f"cannot read {folder}: {error.strerror}; run this as the user who owns it") from None
    raise CannotStart(f"there is no ledger at {folder}; name its folder, or set YUMEN_DATA")


def _chosen(folder: Path, kind: str, wanted: str | None, tenant: str | None) -> Iterator[Shown]:
    for line, record in unverified(folder, wanted):
        if (
            record.get("kind") == kind
            and (wanted is None or wanted in (record.get("receipt"), record.get("id")))
            and (tenant is None or record.get("tenant") == tenant)
        ):
            yield line, record


def _last(found: Iterator[Shown], last: int) -> list[Shown]:
    """The newest ones, the oldest of them first; memory holds no more than those."""
    timed = ((_string(record.get("time")), place, line, record) for place, (line, record) in enumerate(found))
    return [(line, record) for _, _, line, record in heapq.nlargest(last, timed, key=lambda one: one[:2])[::-1]]


def _explain(line: bytes, settings: Settings, policies: str, as_json: bool) -> None:
    from yumen import explain_record  # loads all that compiles a bundle

    record = exchange_in(line)
    if record is None:
        raise CannotStart("the record has not the form of an exchange, so it cannot be explained; verify the ledger")
    explanation = explain_record(record, settings, policies)
    if as_json:
        click.echo(msgspec.json.encode(explanation.data()).decode())
    else:
        display(explanation.tree())


def _summary(reports: list[WriterReport]) -> Table:
    counts = ("segments", "records", "exchanges", "operations", "recoveries")
    table = Table("writer", *counts, "first", "last", "state")
    for report in reports:
        wrong = len(report.wrong) + report.wrong_left_out
        numbers = (getattr(report, name) for name in counts)
        state = f"{wrong} wrong" if wrong else "holds"
        table.add_row(*map(_cell, (report.writer, *numbers, report.first, report.last, state)))
    return table


def _exchanges(records: list[dict[str, Any]]) -> Table:
    table = Table("time", "exchange", "tenant", "route", "outcome", "findings", "ms", "receipt")
    for record in records:
        # Nothing here was verified, so a record may be anything.
        findings, timings = record.get("findings"), record.get("timings_ms")
        found = [one for one in findings if isinstance(one, dict)] if isinstance(findings, list) else []
        rules = sorted({_string(finding.get("rule")) for finding in found})
        ms = timings.get("total", "") if isinstance(timings, dict) else ""
        cells = (record.get("time"), record.get("id"), record.get("tenant"), record.get("route"), record.get("outcome"))
        table.add_row(*map(_cell, (*cells, " ".join(rules), ms, record.get("receipt"))))
    return table


def _operations(records: list[dict[str, Any]]) -> Table:
    table = Table("time", "operation", "actor", "details")
    for record in records:
        details = record.get("details")
        cells = (record.get("time"), record.get("operation"), record.get("actor"))
        table.add_row(*map(_cell, (*cells, _members(details) if isinstance(details, dict) else details)))
    return table


def _tree(record: dict[str, Any]) -> Tree:
    tree = Tree(_cell(record.get("id")))
    for name, value in record.items():
        if isinstance(value, list) and value:
            branch = tree.add(_cell(name))
            for item in value:
                branch.add(_cell(_members(item) if isinstance(item, dict) else item))
        elif isinstance(value, dict):
            tree.add(_cell(f"{name}: {_members(value)}"))
        elif name != "mac":
            tree.add(_cell(f"{name}: {_string(value)}"))
    return tree


def _members(value: dict[str, Any]) -> str:
    return "  ".join(f"{key}={_string(part)}" for key, part in value.items())


def _string(value: Any) -> str:
    try:
        return str(value)
    except (RecursionError, ValueError):  # an unverified record may be nested deeper than there is room for
        return "?"


def _cell(value: Any) -> Text:
    """A value without anything that a terminal would act on; as text, so that nothing in it is taken for markup."""
    return Text(printable(_string(value)))
