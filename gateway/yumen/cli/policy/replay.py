"""`yumen policy replay`: what another bundle would have made of recorded exchanges."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click
import msgspec
from rich.table import Table
from rich.text import Text

from yumen.cli.ledgers import Moment, opened, progress_bar, wrong_ledger
from yumen.cli.plain import plain
from yumen.errors import CannotStart, PolicyError
from yumen.policy.bundle import Bundle
from yumen.policy.load import load_bundle
from yumen.policy.replay import Options
from yumen.policy.replay import replay as run_again
from yumen.policy.replay.report import Report, Tally
from yumen.screen import display
from yumen.settings import SECRET_BYTES, Secret, Settings

TITLES = {
    "decisions": "decisions that would be others",
    "routes": "routes",
    "findings": "findings",
    "shadow": "what shadow would do",
}


@click.command()
@click.argument("ledger", required=False, type=click.Path(path_type=Path))
@click.option("--policy", required=True, metavar="NEW", help="The bundle: a folder, or an installed bundle's name.")
@click.option("--since", type=Moment(), help="Only exchanges that began at this moment or later.")
@click.option("--until", type=Moment(), help="Only exchanges that began before this moment.")
@click.option("--tenant", help="Only exchanges of this tenant.")
@click.option("--sample", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="Only this share of them.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many of them.")
@click.option("--ids", "all_ids", is_flag=True, help="Name all exchanges, and not only some.")
@click.option("--unverified", is_flag=True, help="Tell what the records say that hold, even if others do not.")
@click.option("--secret", type=click.Path(path_type=Path), help="The gateway's secret, for a copy of the ledger.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def replay(
    settings: Settings, ledger: Path | None, policy: str, secret: Path | None, unverified: bool, as_json: bool,
    since: float | None, until: float | None, tenant: str | None, sample: float, limit: int | None, all_ids: bool,
) -> None:  # fmt: skip
    """Run the exchanges of LEDGER, by default the one in the data directory, under another bundle.

    Exit status: 0 told, 1 the ledger or the bundle cannot be read, 2 the ledger does not hold.
    """
    options = Options(since=since, until=until, tenant=tenant, sample=sample, limit=limit, all_ids=all_ids)
    bundle = _bundle(policy)
    folder, reader = opened(settings, ledger, secret)
    with progress_bar("replaying", reader.total_bytes) as progress:
        root = _secret(secret or settings.data_dir / "secret")
        report = asyncio.run(run_again(reader, bundle, root, options, progress, str(folder)))
    wrong = reader.wrong
    report.verified = not wrong
    if wrong and not unverified:
        wrong_ledger(wrong)
    if as_json:
        click.echo(msgspec.json.encode(report).decode())
        return
    _show(report, len(wrong), all_ids)


def _bundle(name: str) -> Bundle:
    try:
        return load_bundle(name, os.environ)
    except PolicyError as error:
        raise CannotStart(f"{name} cannot be compiled\n{error}") from None


def _secret(path: Path) -> Secret:
    try:
        root = path.read_bytes()
    except OSError as error:
        raise CannotStart(f"cannot read {path}: {error.strerror}; name the secret with --secret") from None
    if len(root) != SECRET_BYTES:
        raise CannotStart(f"{path} is not {SECRET_BYTES} bytes long, so it is not a gateway's secret")
    return Secret(root)


def _show(report: Report, wrong: int, all_ids: bool) -> None:
    click.echo(
        f"{report.exchanges:,} exchanges from {report.first or '-'} to {report.last or '-'} under {plain(report.policy)}"
        f" {report.policy_hash[:12]}"
    )
    if wrong:
        click.echo(f"the ledger does not hold: {wrong:,} things are wrong, and what does not hold is left out")
    same = report.exchanges - report.changed
    click.echo(f"{same:,} decided as then, {report.changed:,} otherwise, {report.unsure:,} of these not for sure")
    for section, title in TITLES.items():
        found = [one for one in report.differences if one.section == section]
        if found:
            display(_table(title, found, all_ids))
    if report.unknown:
        table = Table("exchanges", "what cannot be known about them", "such as", title="unknown", title_justify="left")
        for unknown in report.unknown:
            table.add_row(f"{unknown.exchanges:,}", unknown.what, _ids(unknown.ids))
        display(table)
    for note in notes(report):
        click.echo(note)


def _table(title: str, found: list[Tally], all_ids: bool) -> Table:
    table = Table("exchanges", "not for sure", "what", "rule", "all" if all_ids else "such as", title=title)
    table.title_justify = "left"
    for one in found:
        cells = (f"{one.exchanges:,}", f"{one.unsure:,}" if one.unsure else "", one.kind)
        table.add_row(*cells, Text(plain(one.subject)), _ids(one.ids))
    return table


def _ids(ids: list[str]) -> Text:
    return Text("\n".join(plain(one) for one in ids))


def notes(report: Report) -> list[str]:
    """What holds for the whole replay."""
    lines = []
    if report.not_run:
        lines.append(
            f"not run, since they store something: {', '.join(report.not_run)}; they are taken to do as recorded"
        )
    if report.sample < 1:
        lines.append("only a sample was run: rules that count requests have seen no others")
    if report.late:
        lines.append(f"{report.late:,} exchanges came so late in the ledger that they were counted out of their order")
    if report.unreadable:
        lines.append(f"{report.unreadable:,} records have not the form of an exchange and were left out")
    if not report.exchanges:
        lines.append("there was nothing to run: no record holds an exchange that was asked for")
    return lines
