"""`yumen engines bench`: rows a second and waiting times of a model, by size of batch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click
import msgspec
from rich.table import Table

from yumen.cli.engines.inputs import ShapeOption, Shapes
from yumen.cli.engines.loading import apart, loaded, parts, specs
from yumen.cli.engines.measure import Measured, measure
from yumen.engine import EngineError
from yumen.errors import CannotStart
from yumen.parts import Parts
from yumen.policy.bundle import EngineSpec
from yumen.screen import display
from yumen.settings import Settings
from yumen.tensors.engine import TensorEngine
from yumen.tensors.repository import Served

BAR = 40


# As in inputs.py.
if TYPE_CHECKING:
    SizesType = click.ParamType[tuple[int, ...]]
else:
    SizesType = click.ParamType


class Sizes(SizesType):
    """Whole numbers from 1 on, with commas between."""

    name = "N,N"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        numbers = str(value).split(",")
        if (
            not all(one.isascii() and one.isdigit() and 1 <= int(one) <= 1024 for one in numbers if one)
            or "" in numbers
        ):
            self.fail("write whole numbers from 1 to 1024 with commas between, as in `1,8,32`", param, ctx)
        return tuple(map(int, numbers))


@click.command()
@click.argument("name")
@click.option("--policies", metavar="BUNDLE", help="A folder, or an installed bundle's name (YUMEN_POLICIES).")
@click.option("--model", default="", help="The model, where the engine has several.")
@click.option(
    "--rows", type=Sizes(), default=(1, 2, 4, 8, 16, 32), show_default="1,2,4,8,16,32", help="Sizes of batches."
)
@click.option(
    "--seconds", type=click.FloatRange(0.01, 600), default=2.0, show_default=True, help="Of each measurement."
)
@click.option("--shape", "shapes", type=ShapeOption(), multiple=True, help="Sizes of an input, rows first; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_obj
def bench(
    settings: Settings, name: str, policies: str | None, model: str, rows: tuple[int, ...], seconds: float,
    shapes: tuple[tuple[str, tuple[int, ...]], ...], as_json: bool,
) -> None:  # fmt: skip
    """Measure a model of the local engine NAME with made-up rows: straight, and through its batcher with 1 and 64 callers.

    Of an engine with replicas the first one is measured. Exit status: 0 measured, 1 could not run.
    """
    [spec] = specs(settings, policies, [name])
    _, first = apart(spec)[0]
    found = asyncio.run(_measured(parts(settings), first, model, rows, seconds, dict(shapes)))
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    display(_table(found))


async def _measured(
    parts: Parts, spec: EngineSpec, model: str, rows: tuple[int, ...], seconds: float, shapes: Shapes
) -> list[Measured]:
    if spec.egress == "remote" or not issubclass(spec.engine_class, TensorEngine):
        raise CannotStart(f"`{spec.name}` runs no model of tensors on this machine; name another engine")
    async with loaded(parts, spec) as engine:
        assert isinstance(engine, TensorEngine)
        served = _chosen(spec.name, list(engine.served()), model)
        try:
            return await measure(served, rows, seconds, shapes)
        except EngineError as error:
            raise CannotStart(f"{served.name} does not run: {error}; name sizes that it takes with --shape") from None


def _chosen(engine: str, opened: list[Served], model: str) -> Served:
    """The version that answers of the model that is meant. Error: `CannotStart`."""
    names = list(dict.fromkeys(one.name for one in opened))
    if not model and len(names) > 1:
        raise CannotStart(f"`{engine}` has several models; name one with --model: {', '.join(names)}")
    for one in opened:
        if model in ("", one.name):
            return one
    raise CannotStart(f"`{engine}` serves no such model; it serves: {', '.join(names) or 'none'}")


def _table(found: list[Measured]) -> Table:
    table = Table("through", "callers", "rows a call", "rows/s", "p50 ms", "p99 ms", "")
    most = max(one.rows_per_s for one in found)
    for one in found:
        bar = "█" * round(BAR * one.rows_per_s / most) if most else ""
        cells = (f"{one.rows_per_s:,.0f}", f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}")
        table.add_row(one.through, str(one.callers), str(one.rows), *cells, bar)
    return table
