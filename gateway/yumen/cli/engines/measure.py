"""How fast a model is: by itself with batches of each size, and through its batcher with callers of one row each."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec

from yumen.cli.engines.inputs import Shapes, made_up
from yumen.tensors.repository import Served
from yumen.tensors.types import Rows

CALLERS = (1, 64)


class Measured(msgspec.Struct, frozen=True):
    """One load: `rows` of each call, `callers` at once; times of calls in milliseconds."""

    through: str
    rows: int
    callers: int
    rows_per_s: float
    p50_ms: float
    p99_ms: float


async def measure(served: Served, sizes: Sequence[int], seconds: float, shapes: Shapes) -> list[Measured]:
    """Every load for so many seconds, after one call that does not count. Errors: those of the model."""
    signature = served.signature
    found: list[Measured] = []
    given = [size for size in sizes if size <= signature.batch_max] if signature.batch_max else [0]
    for size in given:
        rows = Rows(made_up(signature, size, shapes))
        found.append(await _load("model", max(size, 1), 1, seconds, partial(served.model.run, rows)))
    one = Rows(made_up(signature, 1, shapes))
    alone, together = CALLERS
    found.append(await _load("batcher", 1, alone, seconds, partial(served.batcher.submit, one, deadline=math.inf)))
    found.append(await _load("batcher", 1, together, seconds, partial(served.batcher.submit, one, deadline=math.inf)))
    return found


async def _load(
    through: str, rows: int, callers: int, seconds: float, call: Callable[[], Awaitable[object]]
) -> Measured:
    await call()
    took: list[float] = []
    began = time.perf_counter()

    async def calls() -> None:
        while (start := time.perf_counter()) < began + seconds:
            await call()
            took.append(time.perf_counter() - start)

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(calls())
    whole = time.perf_counter() - began
    took.sort()
    return Measured(
        through, rows, callers, len(took) * rows / whole, 1000 * _share(took, 0.5), 1000 * _share(took, 0.99)
    )


def _share(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
