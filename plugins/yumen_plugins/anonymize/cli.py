"""`yumen bench`: measure how well detection works."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import Progress

from yumen import CannotStart, display
from yumen_plugins.anonymize.detectors import select
from yumen_plugins.anonymize.labelled import SHIPPED, show
from yumen_plugins.anonymize.labelled.labels import Labels
from yumen_plugins.anonymize.labelled.read import BadSet, Item, read, read_labels
from yumen_plugins.anonymize.labelled.score import LABELS_MAX, Score, TooManyLabels, score
from yumen_plugins.anonymize.scan import Scanner

PROGRESS_FROM_BYTES = 4 << 20


@click.group()
def bench() -> None:
    """Measure how well detection works."""


@bench.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--detect", "globs", multiple=True, metavar="GLOB", help="Only these detectors; may be given several times."
)
@click.option(
    "--labels", "own", type=click.Path(path_type=Path), help="A YAML file: which ids are right for which label."
)
@click.option("--misses", type=click.IntRange(0, 10_000), default=20, show_default=True, help="How many are listed.")
@click.option("--show-text", is_flag=True, help="Print what was missed or spurious, and not only its place.")
@click.option("--check", is_flag=True, help="End with 2 where an aim is missed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print tables of Markdown.")
def detect(
    files: tuple[Path, ...],
    globs: tuple[str, ...],
    own: Path | None,
    misses: int,
    show_text: bool,
    check: bool,
    as_json: bool,
    as_markdown: bool,
) -> None:
    """Score detection on labelled sets, by default on the two that are shipped.

    FILE is JSONL or a JSON array of {"text", "spans": [{"start", "end", "label"}]}, in code points. The texts of the
    shipped sets are made up, and are shown; those of a FILE only with --show-text.

    Exit status: 0 scored, 1 a file cannot be read, 2 with --check: an aim is missed.
    """
    if as_json and as_markdown:
        raise CannotStart("--json and --markdown are two forms of the same; choose one")
    try:
        chosen = select(list(globs or ("*",)))
        labels = Labels(read_labels(own) if own else {}, [one.id for one in chosen], chosen=bool(globs))
        scores = _scores(files or SHIPPED, Scanner(chosen), labels, misses)
    except BadSet as error:
        click.echo(str(error), err=True)
        raise SystemExit(1) from None
    except ValueError as error:
        raise CannotStart(str(error)) from None
    visible = show_text or not files
    if as_json:
        click.echo(msgspec.json.encode({"sets": [show.data(one, visible) for one in scores]}).decode())
    elif as_markdown:
        click.echo(show.markdown(scores))
    else:
        for one in scores:
            for table in show.tables(one, visible):
                display(table)
    failed = [f"{one.name}: {aim}" for one in scores for aim in one.failed()] if check else []
    for line in failed:
        click.echo(line, err=True)
    raise SystemExit(2 if failed else 0)


def _scores(files: tuple[Path, ...], scanner: Scanner, labels: Labels, misses: int) -> list[Score]:
    """The score of each file. Error: `BadSet`."""
    out = []
    size = sum(path.stat().st_size for path in files if path.exists())
    quiet = size < PROGRESS_FROM_BYTES or not sys.stderr.isatty()
    with Progress(console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("scoring", total=size)

        def items(path: Path) -> Iterator[Item]:
            return read(path, lambda done: progress.advance(task, done))

        for path in files:
            name = path.stem if path in SHIPPED else str(path)
            try:
                one = score(name, items(path), scanner, labels, misses)
            except TooManyLabels:
                what = f"more than {LABELS_MAX} different labels"
                raise BadSet(f"{path}:1", "labels", what, "a label names a kind of value, and not a value") from None
            if one.odd:
                click.echo(
                    f"{path}:1: bench.other-value: {one.odd} spans hold another value than their set gives; "
                    "count in code points, and not in bytes or UTF-16 units",
                    err=True,
                )
            out.append(one)
    return out
