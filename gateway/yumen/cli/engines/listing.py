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
from yumen.cli.engines.loading import loaded, parts, specs, told
from yumen.cli.listing import Uses, columns, installed, pinned_otherwise, table, uses, without_hash
from yumen.cli.plain import plain
from yumen.errors import CannotStart
from yumen.parts import Parts
from yumen.policy import pins
from yumen.policy.bundle import EngineSpec
from yumen.provenance import OWN
from yumen.screen import display
from yumen.settings import Settings
from yumen.tensors.models import State


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
    """Print every installed engine with its distribution, file and hash, and what evaluates rules here.

    With a bundle its engines are loaded in this process, beside any gateway that runs, and listed with where each model
    really runs. Engines that are remote are loaded too; nothing of an exchange is sent to them.
    """
    lines: list[Line] = []
    if load or policies:
        wanted = specs(settings, policies)
        lines = asyncio.run(_lines(parts(settings), wanted))
    found = uses(settings)
    engines = installed("engine", found)
    for problem in (*found.problems, *filter(None, (pinned_otherwise("engine", one, found) for one in engines))):
        click.echo(f"yumen: {plain(problem)}", err=True)
    states = {one.name: _state(one, found) for one in registry.listings("evaluator")}
    if as_json:
        shown: list[object] = [{**msgspec.to_builtins(one), "kind": "engine"} for one in engines]
        shown += [
            {**msgspec.to_builtins(one), "kind": "evaluator", "runs": not states[one.name], "why": states[one.name]}
            for one in registry.listings("evaluator")
        ]
        click.echo(msgspec.json.encode([*shown, *lines]).decode())
        return
    display(table([columns(one) for one in engines], "name", "distribution", "version", "bundles", "hash", "file"))
    for line in without_hash(engines):
        click.echo(line)
    evaluators = Table("evaluator of rules", "runs here", "why not")
    for name, why in states.items():
        evaluators.add_row(name, "no" if why else "yes", why)
    display(evaluators)
    if load or policies:
        display(_table(lines))


def _state(evaluator: registry.Listing, found: Uses) -> str:
    """Why an evaluator does not run here, or empty; one of a distribution that no bundle uses is not asked."""
    named = {owner for kind, name in found.names for owner in pins.owners(kind, name)} - found.refused
    if evaluator.distribution == OWN or evaluator.distribution in named:
        return registry.evaluator_state(evaluator.name)
    return f"not asked: no bundle names a plugin or engine of {evaluator.distribution}"


async def _lines(parts: Parts, wanted: list[EngineSpec]) -> list[Line]:
    """The engines one after the other: each is closed before the next one takes its memory."""
    return [line for spec in wanted for line in await _of(parts, spec)]


async def _of(parts: Parts, spec: EngineSpec) -> list[Line]:
    line = Line(name=spec.name, adapter=spec.adapter, egress=spec.egress, state="READY")
    try:
        async with loaded(parts, spec) as engine:
            state = await told(engine)
    except CannotStart as error:
        return [replace(line, state="UNAVAILABLE", reason=str(error))]
    reason = f"it does not say how it is: {state.failed}" if state.failed else state.ill
    line = replace(line, state="UNAVAILABLE" if reason else "READY", reason=reason)
    lines = [
        replace(
            line, model=one.model, version=one.version, device=one.device, providers=one.providers, runtime=one.runtime,
            detail=one.detail,
        )
        for one in state.placements
    ]  # fmt: skip
    # What a catalogue knows of and does not serve is what somebody may be looking for.
    lines += [
        replace(line, model=one.name, version=one.version, state=one.state, reason=one.reason)
        for one in state.index
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
