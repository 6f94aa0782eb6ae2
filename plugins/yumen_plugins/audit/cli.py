"""`yumen audit`: verify the ledger, and look into it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.tree import Tree

from yumen import Hmac, Secret, Settings, display
from yumen_plugins.audit import FOLDER
from yumen_plugins.audit.chain import decode, segment_name, segment_numbers
from yumen_plugins.audit.verify import WriterReport, read_lines, verify_writer, writers

PROGRESS_BYTES = 32 << 20


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
    folder = _ledger(settings, ledger)
    reports = _verify(folder, _mac(settings, secret))
    wrong = [problem for report in reports for problem in report.wrong]
    if as_json:
        click.echo(msgspec.json.encode({"ok": not wrong, "writers": reports}).decode())
    else:
        for problem in wrong:
            click.echo(str(problem))
        display(_summary(reports))
    raise SystemExit(2 if wrong else 0)


@audit.command()
@click.argument("wanted", required=False, metavar="[RECEIPT|EXCHANGE]")
@click.option("--last", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many records.")
@click.option("--tenant", help="Only of this tenant.")
@click.option("--json", "as_json", is_flag=True, help="Print records as JSON, one on a line.")
@click.pass_obj
def show(settings: Settings, wanted: str | None, last: int, tenant: str | None, as_json: bool) -> None:
    """Show the last exchanges, or the one with this receipt or exchange id.

    Exit status: 0 shown, 1 there is no ledger or no such record. Whether records hold is what `verify` says.
    """
    folder = _ledger(settings, None)
    with _readable():
        found = [
            record
            for record in _records(folder)
            if (wanted is None or wanted in (record.get("receipt"), record.get("id")))
            and (tenant is None or record.get("tenant") == tenant)
        ]
    found.sort(key=lambda record: str(record.get("time")))
    if not found:
        click.echo("there is no such record", err=True)
        raise SystemExit(1)
    shown = found[-last:]
    if as_json:
        for record in shown:
            click.echo(msgspec.json.encode(record).decode())
    elif wanted is not None:
        display(_tree(shown[-1]))
    else:
        display(_table(shown))


def _ledger(settings: Settings, ledger: Path | None) -> Path:
    folder = ledger or settings.data_dir / FOLDER
    if not folder.is_dir():
        click.echo(f"there is no ledger at {folder}; name its folder, or set YUMEN_DATA", err=True)
        raise SystemExit(1)
    return folder


def _mac(settings: Settings, secret: Path | None) -> Hmac:
    if secret is None and not (settings.data_dir / "secret").is_file():
        click.echo(f"there is no secret in {settings.data_dir}; name it with --secret, or set YUMEN_DATA", err=True)
        raise SystemExit(1)
    opened = Secret(secret.read_bytes()) if secret is not None else Secret.open(settings.data_dir)
    return Hmac(opened.derive("ledger"))


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        click.echo(f"cannot read the ledger: {error.strerror}; run this as the user who owns it", err=True)
        raise SystemExit(1) from None


def _verify(folder: Path, mac: Hmac) -> list[WriterReport]:
    with _readable():
        found = writers(folder)
    total = sum(
        (writer / segment_name(number)).stat().st_size for writer in found for number in segment_numbers(writer)
    )
    console = Console(stderr=True)
    with _readable(), Progress(console=console, disable=total < PROGRESS_BYTES or not sys.stderr.isatty()) as progress:
        task = progress.add_task("verifying", total=total)
        return [verify_writer(writer, mac, lambda size: progress.advance(task, size)) for writer in found]


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    for writer in writers(folder):
        for number in segment_numbers(writer):
            for line in read_lines(writer / segment_name(number)):
                try:
                    record = decode(line)
                except (msgspec.MsgspecError, ValueError, RecursionError):
                    continue
                if record.get("kind") == "exchange":
                    yield record


def _summary(reports: list[WriterReport]) -> Table:
    table = Table("writer", "segments", "records", "exchanges", "recoveries", "first", "last", "state")
    for report in reports:
        state = f"{len(report.wrong)} wrong" if report.wrong else "holds"
        counts = (report.segments, report.records, report.exchanges, report.recoveries)
        table.add_row(_cell(report.writer), *map(str, counts), report.first, report.last, state)
    return table


def _table(records: list[dict[str, Any]]) -> Table:
    table = Table("time", "exchange", "tenant", "route", "outcome", "findings", "ms", "receipt")
    for record in records:
        # Nothing here was verified, so a record may be anything.
        findings, timings = record.get("findings"), record.get("timings_ms")
        found = [one for one in findings if isinstance(one, dict)] if isinstance(findings, list) else []
        rules = sorted({str(finding.get("rule")) for finding in found})
        ms = timings.get("total", "") if isinstance(timings, dict) else ""
        cells = (record.get("time"), record.get("id"), record.get("tenant"), record.get("route"), record.get("outcome"))
        table.add_row(*map(_cell, (*cells, " ".join(rules), ms, record.get("receipt"))))
    return table


def _tree(record: dict[str, Any]) -> Tree:
    tree = Tree(_cell(record.get("id")))
    for name, value in record.items():
        if isinstance(value, list) and value:
            branch = tree.add(_cell(name))
            for item in value:
                parts = item.items() if isinstance(item, dict) else [("", item)]
                branch.add(_cell("  ".join(f"{key}={part}" for key, part in parts)))
        elif isinstance(value, dict):
            tree.add(_cell(f"{name}: " + "  ".join(f"{key}={part}" for key, part in value.items())))
        elif name != "mac":
            tree.add(_cell(f"{name}: {value}"))
    return tree


def _cell(value: Any) -> str:
    """A value without anything that a terminal or the table's markup would act on."""
    text = "".join(char if char.isprintable() else "?" for char in str(value))
    return text.replace("[", "\\[")
