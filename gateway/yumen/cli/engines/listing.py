"""`yumen engines list`: what is installed, and what of a bundle is loaded here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import click
import msgspec
from msgspec.structs import replace
from rich.table import Table
from rich.text import Text

from yumen import registry
from yumen.cli.engines.loading import loaded, parts, specs
from yumen.cli.listing import show
from yumen.cli.plain import plain
from yumen.errors import CannotStart
from yumen.parts import Parts
from yumen.policy.bundle import EngineSpec
from yumen.screen import display
from yumen.settings import Settings
from yumen.tensors.models import State

HEALTH_S = 30.0


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A model of an engine, where it runs; an engine that tells no place has one line without a model."""

    name: str
    adapter: str
    egress: str
    model: str = ""
    version: str = ""
    device: str = ""
    providers: tuple[str, ...] = ()
    runtime: str = ""
    detail: Mapping[str, str] = {}
    state: State
    reason: str = ""
    kind: str = "loaded"


@click.command("list")
@click.option(
    "--policies", metavar="BUNDLE", help="Load the engines of this bundle, a folder or a name, and list them."
)
@click.option("--loaded", "load", is_flag=True, help="The same with the bundle that is served (YUMEN_POLICIES).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_obj
def list_(settings: Settings, policies: str | None, load: bool, as_json: bool) -> None:
    """Print name, distribution and version of every installed engine, and what evaluates rules here.

    With a bundle its engines are loaded in this process, beside any gateway that runs, and listed with where each model
    really runs. Engines that are remote are loaded too; nothing of an exchange is sent to them.
    """
    lines: list[Line] = []
    if load or policies:
        wanted = specs(settings, policies)
        lines = asyncio.run(_lines(parts(settings), wanted))
    states = {one.name: registry.evaluator_state(one.name) for one in registry.listings("evaluator")}
    if as_json:
        found: list[object] = [{**msgspec.to_builtins(one), "kind": "engine"} for one in registry.listings("engine")]
        found += [
            {**msgspec.to_builtins(one), "kind": "evaluator", "runs": not states[one.name], "why": states[one.name]}
            for one in registry.listings("evaluator")
        ]
        click.echo(msgspec.json.encode([*found, *lines]).decode())
        return
    show("engine", as_json)
    table = Table("evaluator of rules", "runs here", "why not")
    for name, why in states.items():
        table.add_row(name, "no" if why else "yes", why)
    display(table)
    if load or policies:
        display(_table(lines))


async def _lines(parts: Parts, wanted: list[EngineSpec]) -> list[Line]:
    """The engines one after the other: each is closed before the next one takes its memory."""
    return [line for spec in wanted for line in await _of(parts, spec)]


async def _of(parts: Parts, spec: EngineSpec) -> list[Line]:
    line = Line(name=spec.name, adapter=spec.adapter, egress=spec.egress, state="READY")
    try:
        async with loaded(parts, spec) as engine:
            try:
                async with asyncio.timeout(HEALTH_S):
                    reason = await engine.health()
                    models = engine.models()
                    index = await models.index() if models is not None else ()
            except Exception as error:  # an adapter may raise anything, and its words may hold anything
                reason, index = f"it does not say how it is: {type(error).__name__}", ()
            placements = engine.placements()
    except CannotStart as error:
        return [replace(line, state="UNAVAILABLE", reason=str(error))]
    line = replace(line, state="UNAVAILABLE" if reason else "READY", reason=reason)
    lines = [
        replace(
            line, model=one.model, version=one.version, device=one.device, providers=one.providers, runtime=one.runtime,
            detail=one.detail,
        )
        for one in placements
    ]  # fmt: skip
    # What a catalogue knows of and does not serve is what somebody may be looking for.
    lines += [
        replace(line, model=one.name, version=one.version, state=one.state, reason=one.reason)
        for one in index
        if one.state != "READY"
    ]
    return lines or [line]


def _table(lines: list[Line]) -> Table:
    table = Table(
        "engine", "adapter", "egress", "model", "version", "device", "providers", "runtime", "state", "reason"
    )
    for one in lines:
        fell_back = one.detail.get("instead_of", "")
        reason = one.reason or (f"instead of {fell_back}" if fell_back else "")
        replica = one.detail.get("replica")
        name = f"{one.name}/{replica}" if replica else one.name
        cells = (name, one.adapter, one.egress, one.model, one.version, one.device, "\n".join(one.providers))
        table.add_row(*(Text(cell) for cell in cells), one.runtime, one.state, Text(plain(reason)))
    return table
