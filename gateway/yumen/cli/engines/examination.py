"""Looks at one engine: whether it loads, says that it is well, runs batches, and gives in them what it gives alone."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import numpy as np

from yumen.cli.engines.agreement import Difference, difference
from yumen.cli.engines.inputs import Shapes, made_up
from yumen.cli.engines.loading import apart, loaded, told
from yumen.cli.engines.optional import Inspects
from yumen.engine import Engine, EngineError
from yumen.errors import CannotStart
from yumen.parts import Parts, made
from yumen.policy.bundle import EngineSpec
from yumen.tensors.engine import TensorEngine
from yumen.tensors.models import TensorModel
from yumen.tensors.repository import Served
from yumen.tensors.repository.shelf import UNCHOSEN, UNLOADED
from yumen.tensors.types import Rows, Signature, Tensors

SIZES = (1, 2, 4, 8, 16, 32)
RUN_S = 120.0


class Wrong(msgspec.Struct, frozen=True):
    """Something that is wrong with an engine, and what to do."""

    engine: str
    code: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.engine}: {self.code}: {self.what}; {self.fix}"


class Run(msgspec.Struct, frozen=True):
    """A batch: its rows, how long it took, and how far its outputs are from those of single rows."""

    rows: int
    seconds: float
    absolute: float = 0.0
    relative: float = 0.0


class ModelReport(msgspec.Struct):
    """A version of a model: what it takes and gives, where it runs, what was run."""

    model: str
    version: str
    device: str
    providers: tuple[str, ...]
    signature: Signature
    runs: list[Run] = []


class EngineReport(msgspec.Struct):
    """What was seen of an engine. Nothing is `wrong` with one that may serve."""

    engine: str
    adapter: str
    egress: str
    models: list[ModelReport] = []
    wrong: list[Wrong] = []

    def add(self, code: str, what: str, fix: str) -> None:
        """Note what is wrong."""
        self.wrong.append(Wrong(self.engine, code, what, fix))


async def examine(parts: Parts, spec: EngineSpec, shapes: Shapes) -> list[EngineReport]:
    """Look at every replica of an engine, or at the engine. Whatever is wrong is in the reports."""
    return [await _examined(parts, name, one, shapes) for name, one in apart(spec)]


async def _examined(parts: Parts, name: str, spec: EngineSpec, shapes: Shapes) -> EngineReport:
    report = EngineReport(name, spec.adapter, spec.egress)
    engine = made(spec)
    if isinstance(engine, Inspects):
        for one in (await engine.capability()).missing:
            report.add("capability", f"{one.part}: {one.why}", one.fix)
        if report.wrong:
            return report
    try:
        async with loaded(parts, spec) as engine:
            await _look(engine, report, shapes)
    except CannotStart as error:
        # It says itself what to do, behind the last semicolon.
        what, _, fix = str(error).removeprefix(f"engine {spec.name}: ").rpartition("; ")
        report.add("load", what or fix, fix if what else "correct what it names")
    return report


async def _look(engine: Engine[Any], report: EngineReport, shapes: Shapes) -> None:
    state = await told(engine)
    if state.failed:
        report.add("health", f"it does not say how it is ({state.failed})", "see its log and that of its upstream")
        return
    if state.ill:
        report.add("health", state.ill, "correct what it names")
    for one in state.index:
        if one.state == "UNAVAILABLE" and one.reason not in ("", UNCHOSEN, UNLOADED):
            report.add("model", f"{one.name} {one.version}: {one.reason}", "correct it, or take the version away")
    for placement in state.placements:
        instead = placement.detail.get("instead_of")
        if instead:
            what = f"{placement.model} runs on {placement.device} instead of {instead}"
            report.add("provider", what, "repair the device, or name the one that is used")
    # What is sent to others is theirs to check; and it would be an exchange that no chain has seen.
    if isinstance(engine, TensorEngine) and report.egress == "local":
        for served in engine.served():
            await _run(served, report, shapes)


async def _run(served: Served, report: EngineReport, shapes: Shapes) -> None:
    place, signature = served.model.placement, served.signature
    model = ModelReport(served.name, served.version, place.device, place.providers, signature, [])
    report.models.append(model)
    named = f"{served.name} {served.version}".rstrip()
    try:
        await _compare(served.model, signature, model, report, named, shapes)
    except CannotStart as error:
        report.add("inputs", f"{named}: {error}", "use --shape")
    except TimeoutError:
        report.add("run", f"{named} does not run within {RUN_S:g} s", "give it a faster device, or a smaller model")
    except EngineError as error:
        report.add("run", f"{named} does not run: {error}", "name sizes that it takes with --shape, or export it again")
    except Exception as error:  # as above
        report.add("run", f"{named} fails with {type(error).__name__}", "name sizes that it takes, or export it again")


async def _compare(
    model: TensorModel, signature: Signature, seen: ModelReport, report: EngineReport, named: str, shapes: Shapes
) -> None:
    """Run a batch of each size, and each row of the largest one by itself."""
    if not signature.batch_max:
        _, seconds = await _timed(model, Rows(made_up(signature, 0, shapes)))
        seen.runs.append(Run(0, seconds))
        return
    sizes = [size for size in SIZES if size <= signature.batch_max]
    inputs = made_up(signature, sizes[-1], shapes)
    alone = [(await _timed(model, _part(inputs, row, row + 1)))[0] for row in range(sizes[-1])]
    for size in sizes:
        outputs, seconds = await _timed(model, _part(inputs, 0, size))
        worst = Difference(0.0, 0.0, within=True)
        for spec in signature.outputs:
            expected = [one[spec.name] for one in alone[:size]]
            if len(outputs[spec.name]) != size or any(len(one) != 1 for one in expected):
                report.add("rows", f"{named} gives another number of rows than it takes", "set `batch_max: 0` for it")
                return
            # Rows whose sizes differ alone (texts of other lengths) have no one form together.
            if len({one.shape for one in expected}) > 1:
                continue
            one = difference(spec.datatype, outputs[spec.name], np.concatenate(expected))
            if not one.within:
                what = f"{named}: `{spec.name}` of {size} rows is up to {one.absolute:.2g} off what single rows give"
                report.add("parity", what, "set `batch_max: 0` for it, or find out why its rows depend on one another")
            worst = max(worst, one, key=lambda found: found.absolute)
        seen.runs.append(Run(size, seconds, worst.absolute, worst.relative))


def _part(inputs: Tensors, start: int, stop: int) -> Rows:
    return Rows({name: array[start:stop] for name, array in inputs.items()})


async def _timed(model: TensorModel, rows: Rows) -> tuple[Tensors, float]:
    began = time.perf_counter()
    async with asyncio.timeout(RUN_S):
        outputs = await model.run(rows)
    return outputs, time.perf_counter() - began
