"""Models that do as a test says, a clock that it turns, and batchers over them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import numpy as np

from yumen.batching import BatchConfig, Batcher
from yumen.tensors.types import Datatype, Rows, Scalar, Signature, Tensors, TensorSpec
from yumen.testing import CapturedMetrics

# Longer than anything here takes; a bound, not a measure.
WAIT_S = 30.0
NEVER = math.inf


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def signature(batch_max: int = 1024, datatype: Datatype = "INT64") -> Signature:
    return Signature((TensorSpec("x", datatype, (-1, -1)),), (TensorSpec("y", datatype, (-1, -1)),), batch_max)


def rows(*values: object, width: int = 1, outputs: tuple[str, ...] = (), **parameters: Scalar) -> Rows:
    """One row for each value."""
    dtype = object if isinstance(values[0], str) else None
    array = np.array([[value] * width for value in values], dtype=dtype)
    return Rows({"x": array}, outputs, parameters)


def values(outputs: Tensors) -> list[Any]:
    """What `rows` was made of."""
    return [row[0] for row in outputs["y"].tolist()]


class Model:
    """Gives back what it gets, when a test lets it: `ran` are the rows of its runs, `running` those not let go.

    `act` may do something else with the rows, or raise.
    """

    def __init__(self, *, held: bool = True, act: Callable[[Rows], Any] | None = None) -> None:
        self.held = held
        self.act = act or echo
        self.ran: list[list[Any]] = []
        self.given: list[Rows] = []
        self.running: list[asyncio.Future[None]] = []
        self.at_a_time = 0

    async def run(self, given: Rows) -> Tensors:
        self.given.append(given)
        self.ran.append([row[0] for row in given.inputs["x"].tolist()] if given.inputs["x"].ndim > 1 else [])
        if self.held:
            gate = asyncio.get_running_loop().create_future()
            self.running.append(gate)
            self.at_a_time = max(self.at_a_time, len(self.running))
            try:
                await gate
            finally:
                if gate in self.running:
                    self.running.remove(gate)
        answer: Tensors = self.act(given)
        return answer

    async def let_go(self, runs: int = 1) -> None:
        """Let so many runs end, one after another, each after all that can happen before has."""
        for _ in range(runs):
            await settled()
            self.running.pop(0).set_result(None)
        await settled()


def echo(given: Rows) -> Mapping[str, Any]:
    return {"y": given.inputs["x"]}


def poison(given: Rows) -> Mapping[str, Any]:
    """A model that cannot stand negative rows, and tells what it was given."""
    if (given.inputs["x"] < 0).any():
        raise ValueError(f"cannot take {given.inputs['x'].tolist()}")
    return echo(given)


def batcher(
    model: Model, clock: Callable[[], float] | None = None, batch_max: int = 1024, *, ahead: bool = False, **config: Any
) -> Batcher:
    took = BatchConfig(**config)
    return Batcher(
        model.run,
        signature(batch_max),
        took,
        metrics=CapturedMetrics().of("unit"),
        model="m",
        ahead=ahead,
        monotonic=clock or Clock(),
    )


async def settled() -> None:
    """Let everything happen that can without a test's doing."""
    for _ in range(12):
        await asyncio.sleep(0)


async def busy(one: Batcher) -> asyncio.Task[Tensors]:
    """Have a model run something, so that what comes now waits."""
    task = start(one.submit(rows(0), tenant="first", deadline=NEVER))
    await settled()
    return task


def start(work: Coroutine[Any, Any, Tensors]) -> asyncio.Task[Tensors]:
    return asyncio.get_running_loop().create_task(work)


async def done(*tasks: asyncio.Task[Tensors]) -> list[Any]:
    """What became of each: the values that came back, or the error."""
    async with asyncio.timeout(WAIT_S):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    return [values(one) if isinstance(one, dict) else one for one in results]
