"""`yumen policy shadow-report`: what shadow would have done, beside what was done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.table import Table
from rich.text import Text

from yumen.cli.ledgers import Moment, opened, progress_bar, wrong_ledger
from yumen.cli.plain import plain
from yumen.policy.replay.recorded import moment_of
from yumen.policy.shadow import Row, ShadowReport
from yumen.policy.shadow import shadow_report as added_up
from yumen.screen import display
from yumen.settings import Settings


@click.command("shadow-report")
@click.argument("ledger", required=False, type=click.Path(path_type=Path))
@click.option("--since", type=Moment(), help="Only exchanges that began at this moment or later.")
@click.option("--until", type=Moment(), help="Only exchanges that began before this moment.")
@click.option("--tenant", help="Only exchanges of this tenant.")
@click.option("--secret", type=click.Path(path_type=Path), help="The gateway's secret, for a copy of the ledger.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def shadow_report(
    settings: Settings, ledger: Path | None, since: float | None, until: float | None, tenant: str | None,
    secret: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Compare what rules and instances in shadow would have done with what was done, from LEDGER.

    By default it is the ledger in the data directory. Exit status: 0 told, 1 it cannot be read, 2 it does not hold.
    """
    _, reader = opened(settings, ledger, secret)
    with progress_bar("reading", reader.total_bytes) as progress:
        report = added_up(_chosen(reader.records(progress), since, until, tenant))
    if reader.wrong:
        wrong_ledger(reader.wrong)
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
    else:
        _show(report)


def _chosen(
    records: Iterable[Mapping[str, Any]], since: float | None, until: float | None, tenant: str | None
) -> Iterator[Mapping[str, Any]]:
    """Those that were asked for. All are read, so that the reader knows whether the ledger holds."""
    for record in records:
        if tenant is not None and record.get("tenant") != tenant:
            continue
        if since is not None or until is not None:
            at = moment_of(record)
            if at is None or (since is not None and at < since) or (until is not None and at >= until):
                continue
        yield record


def _show(report: ShadowReport) -> None:
    click.echo(f"{report.exchanges:,} exchanges from {report.first or '-'} to {report.last or '-'}")
    if not report.rows:
        click.echo("nothing in shadow found anything, or would have done anything")
        return
    table = Table(
        "instance", "rule", "exchanges", "share", "would have", "what came of them", "first", "last", "such as"
    )
    for row in report.rows:
        share = f"{100 * row.exchanges / report.exchanges:.1f} %"
        outcomes = "\n".join(f"{name}: {count:,}" for name, count in sorted(row.outcomes.items()))
        cells = (row.plugin, row.rule, f"{row.exchanges:,}", share, would(row), outcomes, row.first, row.last)
        table.add_row(*(Text(_lines(cell)) for cell in (*cells, "\n".join(row.ids))))
    display(table)


def would(row: Row) -> str:
    """What a row says, in words."""
    parts = []
    if row.would_block:
        anyway = f", {row.blocked_anyway:,} of them ended with an error anyway" if row.blocked_anyway else ""
        parts.append(f"blocked {row.would_block:,}{anyway}")
    if row.would_edit:
        parts.append(f"edited {row.would_edit:,}")
    if row.would_fail:
        parts.append(f"failed in {row.would_fail:,}")
    if row.found:
        parts.append(f"found {row.findings:,} in {row.found:,}")
    return "\n".join(parts)


def _lines(cell: str) -> str:
    return "\n".join(map(plain, cell.split("\n")))
