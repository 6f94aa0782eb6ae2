"""`yumen audit export`: records in the forms that other systems read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from yumen import CannotStart, Settings
from yumen_plugins.audit.cli.common import filters, query_of, searching
from yumen_plugins.audit.formats import FORMATS, LINES
from yumen_plugins.audit.formats.parquet import write_parquet


@click.command()
@click.option("--format", "form", type=click.Choice(FORMATS), default="jsonl", show_default=True, help="The form.")
@filters
@click.option("--kind", default="", help="Only records of this kind; else of every kind.")
@click.option(
    "--texts", is_flag=True, help="With the masked texts, where their keys are at hand; else they stay sealed."
)
@click.option("--ledger", type=click.Path(path_type=Path), help="A ledger elsewhere, such as a copy.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file; Parquet needs one.")
@click.pass_obj
def export(
    settings: Settings,
    /,
    form: str,
    kind: str,
    texts: bool,
    ledger: Path | None,
    out: Path | None,
    **asked: str,
) -> None:
    """Write records, the newest first.

    Exit status: 0 written, 1 they could not be. Whether they hold is what `verify` says.
    """
    if form not in LINES and out is None:
        raise CannotStart(f"{form} is a file; name it with --out")
    query = query_of(asked, kind=kind)
    with searching(settings, ledger, texts=texts) as search:
        records = (record for _, record in search.records(query))
        if form not in LINES:
            assert out is not None
            write_parquet(records, out)
        elif out is None:
            _write(records, form, sys.stdout.buffer)
        else:
            _write_file(records, form, out)


def _write_file(records: Iterator[dict[str, Any]], form: str, out: Path) -> None:
    temporary = out.with_name(f".{out.name}.new")
    try:
        with temporary.open("wb") as file:
            temporary.chmod(0o600)  # before there is anything in it to read
            _write(records, form, file)
        temporary.replace(out)
    except OSError as error:
        raise CannotStart(f"cannot write {out}: {error.strerror}; name another file") from None
    finally:
        temporary.unlink(missing_ok=True)


def _write(records: Iterator[dict[str, Any]], form: str, file: BinaryIO) -> None:
    for record in records:
        file.write(LINES[form](record) + b"\n")
