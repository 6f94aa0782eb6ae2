"""`yumen engines check`: whether the engines of a bundle may serve on this machine."""

from __future__ import annotations

import asyncio

import click
import msgspec
from rich.table import Table
from rich.text import Text

from yumen.cli.engines.examination import EngineReport, examine
from yumen.cli.engines.inputs import ShapeOption, Shapes
from yumen.cli.engines.loading import parts, specs
from yumen.cli.plain import plain
from yumen.parts import Parts
from yumen.policy.bundle import EngineSpec
from yumen.screen import display
from yumen.settings import Settings


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--policies", metavar="BUNDLE", help="A folder, or an installed bundle's name (YUMEN_POLICIES).")
@click.option("--shape", "shapes", type=ShapeOption(), multiple=True, help="Sizes of an input, rows first; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def check(
    settings: Settings, names: tuple[str, ...], policies: str | None, as_json: bool,
    shapes: tuple[tuple[str, tuple[int, ...]], ...],
) -> None:  # fmt: skip
    """Load the engines NAME of a bundle, all without a name, and run made-up batches through local models of tensors.

    Exit status: 0 fine, 1 could not run, 2 something is wrong with an engine.
    """
    wanted = specs(settings, policies, names)
    reports = asyncio.run(_examined(parts(settings), wanted, dict(shapes)))
    wrong = [one for report in reports for one in report.wrong]
    if as_json:
        click.echo(msgspec.json.encode({"ok": not wrong, "engines": reports}).decode())
    else:
        for one in wrong:
            click.echo(plain(str(one)))
        display(_table(reports))
    if wrong:
        raise SystemExit(2)


async def _examined(parts: Parts, wanted: list[EngineSpec], shapes: Shapes) -> list[EngineReport]:
    return [report for spec in wanted for report in await examine(parts, spec, shapes)]


def _table(reports: list[EngineReport]) -> Table:
    table = Table("engine", "adapter", "egress", "model", "version", "device", "rows run", "largest difference", "fine")
    for report in reports:
        fine = "no" if report.wrong else "yes"
        for model in report.models:
            sizes = ", ".join(str(run.rows or "as they are") for run in model.runs)
            worst = max((run.absolute for run in model.runs), default=0.0)
            cells = (report.engine, report.adapter, report.egress, model.model, model.version, model.device, sizes)
            table.add_row(*map(Text, cells), f"{worst:.2g}", fine)
        if not report.models:
            table.add_row(report.engine, report.adapter, report.egress, "", "", "", "", "", fine)
    return table
