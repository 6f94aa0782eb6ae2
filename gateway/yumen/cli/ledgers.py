"""What commands that go through a ledger share: which one it is, from when to when, and how far they have come."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from yumen.cli.plain import plain
from yumen.ledger import LedgerReader, Progress, open_ledger
from yumen.policy.cases import timestamp
from yumen.settings import Settings

# Where a gateway keeps its ledger, in its data directory.
FOLDER = "ledger"
# What takes less than a second needs no bar.
PROGRESS_BYTES = 8 << 20


# Older versions of click have no type argument here.
if TYPE_CHECKING:
    FloatType = click.ParamType[float]
else:
    FloatType = click.ParamType


class Moment(FloatType):
    """A date or time as policy files have it; a date is the beginning of that day in UTC. In seconds since the epoch."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, int | float):
            return float(value)
        try:
            return timestamp(str(value))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no moment; write it like 2026-11-24 or 2026-11-24T08:00:00+08:00", param, ctx)


def opened(settings: Settings, ledger: Path | None, secret: Path | None) -> tuple[Path, LedgerReader]:
    """A ledger's folder and its reader. Error: `CannotStart`."""
    folder = ledger or settings.data_dir / FOLDER
    return folder, open_ledger(folder, settings, secret)


@contextmanager
def progress_bar(what: str, total_bytes: int) -> Iterator[Progress]:
    """Tell a terminal how far reading has come; anything else is told nothing."""
    from rich.console import Console  # as long as nobody asks, it need not be loaded
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    off = total_bytes < PROGRESS_BYTES or not sys.stderr.isatty()
    with Progress(*columns, console=Console(stderr=True), disable=off, transient=True) as bar:
        task = bar.add_task(what, total=total_bytes)
        yield lambda size: bar.advance(task, size)


def wrong_ledger(problems: list[str]) -> None:
    """Say what is wrong with a ledger, and leave with the status for it."""
    for problem in problems:
        click.echo(plain(problem), err=True)
    click.echo("the ledger does not hold, so nothing is told about what it says; see docs/ledger.md", err=True)
    raise SystemExit(2)
