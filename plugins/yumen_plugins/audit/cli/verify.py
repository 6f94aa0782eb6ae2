"""`yumen audit verify`: whether the ledger holds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from yumen import CannotStart, Settings, display, plain_content
from yumen_plugins.audit.cli.common import cell, folder_of, old_mac, trusted_keys
from yumen_plugins.audit.log.note import NOTE_BYTES_MAX
from yumen_plugins.audit.proving.ledger import verify_ledger
from yumen_plugins.audit.proving.report import LedgerReport
from yumen_plugins.audit.reader import size_of
from yumen_plugins.audit.reading import unreadable

PROGRESS_FROM_BYTES = 32 << 20
PARTS = ("integrity", "continuity", "completeness")


@click.command()
@click.argument("ledger", required=False, type=click.Path(path_type=Path))
@click.option(
    "--key", default="", help="A public key of the gateway, or a file with it: what `yumen audit key` printed."
)
@click.option("--secret", type=click.Path(path_type=Path), help="The gateway's secret, for writers of version 1.")
@click.option(
    "--against",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A checkpoint that was kept elsewhere, or a folder of them, such as a witness's. May be repeated.",
)
@click.option("--jobs", type=click.IntRange(1, 256), default=os.cpu_count() or 1, help="Processes; one for each core.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def verify(
    settings: Settings,
    /,
    ledger: Path | None,
    key: str,
    secret: Path | None,
    against: tuple[Path, ...],
    jobs: int,
    as_json: bool,
) -> None:
    """Verify LEDGER, by default the one in the data directory; a copy needs nothing but a public key.

    Exit status: 0 it holds, 1 it could not be verified, 2 something is wrong with it.
    """
    folder = folder_of(settings, ledger)
    (trusted, gateway), mac = trusted_keys(settings, key, folder), old_mac(settings, secret)
    try:
        total = size_of(folder)
        quiet = total < PROGRESS_FROM_BYTES or not sys.stderr.isatty()
        with Progress(console=Console(stderr=True), disable=quiet) as progress:
            task = progress.add_task("verifying", total=total)
            found = verify_ledger(
                folder,
                trusted,
                old_mac=mac,
                jobs=jobs,
                gateway=gateway,
                against=_kept(against),
                progress=lambda size: progress.advance(task, size),
            )
    except OSError as error:
        raise unreadable(error) from None
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        for one in found.found:
            click.echo(f"{one}" if one.severity == "wrong" else f"note: {one}")
        display(_summary(found))
    raise SystemExit(found.exit_status)


def _kept(paths: tuple[Path, ...]) -> list[bytes]:
    """The checkpoints in files and folders. Error: `CannotStart`, also where one holds none: nothing would be compared."""
    kept = []
    for path in paths:
        try:
            files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
            kept += [plain_content(one, NOTE_BYTES_MAX) for one in files]
        except OSError as error:
            what = f"cannot read a checkpoint of {path}: {error.strerror}"
            raise CannotStart(f"{what}; name files or folders of them") from None
        if not files:
            raise CannotStart(f"there is no checkpoint in {path}; name the folder that a witness writes to")
    return kept


def _summary(found: LedgerReport) -> Table:
    table = Table("log", "records", "exchanges", "operations", "dropped", "first", "last", "state")
    for one in found.logs:
        state = f"{one.wrong} wrong" if one.wrong else "holds"
        counts = (one.size, one.kinds.get("exchange", 0), one.kinds.get("operation", 0), one.dropped)
        table.add_row(*map(cell, (one.log, *counts, one.first, one.last, state)))
    for old in found.old:
        wrong = len(old.wrong) + old.wrong_left_out
        counts = (old.records, old.exchanges, old.operations, 0)
        state = f"{wrong} wrong" if wrong else "holds"
        table.add_row(*map(cell, (f"{old.writer} (version 1)", *counts, old.first, old.last, state)))
    return table
