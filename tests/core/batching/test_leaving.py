"""Whoever leaves, and however it ends, nothing stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import random
import time
import weakref
from typing import Any

import pytest
from tests.core.batching.models import (
    NEVER,
    WAIT_S,
    Clock,
    Model,
    batcher,
    busy,
    done,
    echo,
    rows,
    settled,
    signature,
    start,
)

from yumen.batching import BatchConfig, Batcher, Share
from yumen.batching import batcher as module
from yumen.engine import EngineError
from yumen.telemetry import PluginMetrics
from yumen.tensors.types import Rows, Tensors

REQUESTS = 2_000


async def test_rows_of_who_has_left_do_not_run() -> None:
    """A caller that leaves while it waits takes its rows along, and its neighbours' run as if it had never come."""
    model = Model()
    one = batcher(model)
    first = await busy(one)
    tasks = [start(one.submit(rows(n), deadline=NEVER)) for n in range(1, 5)]
    await settled()
    tasks[1].cancel()
    await settled()
    assert one.waiting_rows == 3
    await model.let_go(2)
    assert model.ran == [[0], [1, 3, 4]]
    assert await done(first, tasks[0], *tasks[2:]) == [[0], [1], [3], [4]]
    assert one.statistics.left == 1


async def test_who_leaves_during_a_run_does_not_end_it() -> None:
    """A run that others have rows in goes on when one of them leaves, even the one it started with."""
    model = Model()
    one = batcher(model)
    tasks = [start(one.submit(rows(n), deadline=NEVER)) for n in range(3)]
    await settled()
    tasks[0].cancel()
    await settled()
    assert len(model.running) == 1
    await model.let_go()
    assert await done(*tasks[1:]) == [[1], [2]]


async def test_leaving_a_large_request_drops_all_of_it() -> None:
    """Every part of a request that was split is dropped when its caller leaves."""
    model = Model()
    one = batcher(model, rows_max=4)
    large = start(one.submit(rows(*range(90)), deadline=NEVER))
    await settled()
    assert one.waiting_rows == 86
    large.cancel()
    await settled()
    assert one.waiting_rows == 0
    assert not model.running


async def test_a_run_is_given_up_when_the_last_of_its_callers_has_left() -> None:
    """As long as one of them waits it goes on; then the model is free for others."""
    model = Model()
    one = batcher(model)
    tasks = [start(one.submit(rows(n), deadline=NEVER)) for n in (1, 2)]
    await settled()
    tasks[0].cancel()
    await settled()
    assert len(model.running) == 1
    tasks[1].cancel()
    await settled()
    assert not model.running
    model.held = False
    assert await done(start(one.submit(rows(3), deadline=NEVER))) == [[3]]


async def test_a_storm_of_leaving_callers() -> None:
    """Thousands that come and leave while the model is busy leave room for those who stay, and cost no run."""
    model = Model()
    one = batcher(model, queue_rows_max=64, tenant_rows_max=64)
    first = await busy(one)
    stays = start(one.submit(rows(7), tenant="stays", deadline=NEVER))
    for wave in range(50):
        leaving = [start(one.submit(rows(wave), tenant=f"t{n}", deadline=NEVER)) for n in range(60)]
        await settled()
        for task in leaving:
            task.cancel()
        assert all(isinstance(result, asyncio.CancelledError) for result in await done(*leaving))
    assert one.waiting_rows == 1
    await model.let_go(2)
    assert await done(first, stays) == [[0], [7]]
    assert model.ran == [[0], [7]]


async def test_a_run_is_nobodys_in_particular() -> None:
    """What the first caller of a batch has in its context, such as ids for the log, is not seen by the run."""
    whose: contextvars.ContextVar[str] = contextvars.ContextVar("whose", default="nobody's")
    seen = []

    def act(given: Rows) -> Any:
        seen.append(whose.get())
        return echo(given)

    one = batcher(Model(held=False, act=act))
    whose.set("甲's")
    await one.submit(rows(1), deadline=NEVER)
    assert seen == ["nobody's"]


async def test_closing_answers_what_is_there() -> None:
    """After `close` nothing is taken in; what waits and runs is answered before it returns."""
    model = Model()
    one = batcher(model, rows_max=2)
    tasks = [await busy(one)] + [start(one.submit(rows(n, n), deadline=NEVER)) for n in (1, 2)]
    await settled()
    closing = asyncio.get_running_loop().create_task(one.close())
    await settled()
    assert not closing.done()
    with pytest.raises(EngineError) as refused:
        await one.submit(rows(3), deadline=NEVER)
    assert refused.value.again
    await model.let_go(3)
    async with asyncio.timeout(WAIT_S):
        await closing
    assert await done(*tasks) == [[0], [1, 1], [2, 2]]
    await one.close()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_closing_ends_what_does_not(monkeypatch: pytest.MonkeyPatch, cancelled: bool) -> None:
    """A run that does not end is given up after a while, or when whoever closes is cancelled; its callers are told."""
    monkeypatch.setattr(module, "CLOSE_S", WAIT_S if cancelled else 0.02)
    model = Model()
    one = batcher(model, rows_max=1)
    tasks = [await busy(one), start(one.submit(rows(1), deadline=NEVER))]
    await settled()
    closing = asyncio.get_running_loop().create_task(one.close())
    await settled()
    if cancelled:
        closing.cancel()
    async with asyncio.timeout(WAIT_S):
        with contextlib.suppress(asyncio.CancelledError):
            await closing
    results = await done(*tasks)
    assert all(isinstance(result, EngineError) for result in results)
    assert [result.again for result in results] == [False, True]
    assert not model.running


async def test_rows_are_let_go_with_their_callers() -> None:
    """A deadline far away does not keep the rows of a request that has been answered."""
    one = batcher(Model(held=False), time.monotonic)
    given = rows(1, 2)
    reference = weakref.ref(given.inputs["x"])
    await one.submit(given, deadline=time.monotonic() + 3600)
    await settled()
    one._run = Model(held=False).run  # what the first one has seen, it keeps for the test's sake
    del given
    gc.collect()
    assert reference() is None


async def test_nothing_stays_behind() -> None:
    """After thousands of requests that were answered, failed, refused, late or left, nothing waits, runs or is kept."""
    rng, running = random.Random(5), [0]

    async def run(given: Rows) -> Tensors:
        running[0] += 1
        assert running[0] <= 3
        try:
            await asyncio.sleep(rng.choice([0, 0, 0.001]))
            x = given.inputs["x"]
            if x.dtype.kind != "O" and (x < 0).any():
                raise rng.choice([ValueError("bad"), EngineError("bad"), EngineError("busy", retry_after_s=1)])
            return {"y": x if x.dtype.kind == "O" or not (x == 13).any() else x[:-1]}
        finally:
            running[0] -= 1

    config = BatchConfig(
        rows_max=8, runs_max=3, queue_rows_max=200, tenant_rows_max=60, age_ms=1, pad_to_bucket=True,
        tenants={"t1": Share(weight=3, priority=2)},
    )  # fmt: skip
    one = Batcher(run, signature(), config, metrics=PluginMetrics("batching-leaks"), model="m")

    async def caller(n: int) -> str:
        value: object = rng.choice([n, n, n, -n - 1, 13, f"第 {n}"])
        work = one.submit(
            rows(*[value] * rng.choice([1, 1, 2, 5, 20]), width=rng.choice([1, 2])), tenant=f"t{n % 5}",
            deadline=time.monotonic() + rng.choice([0, 0.001, 0.02, 10]), priority=n % 10,
        )  # fmt: skip
        try:
            async with asyncio.timeout(rng.choice([0.0005, 0.005, None])):
                outputs = await work
        except TimeoutError:
            return "left"
        except EngineError as error:
            return "late" if error.timeout else "refused" if error.retry_after_s else "failed"
        assert {cell for row in outputs["y"].tolist() for cell in row} == {value}
        return "answered"

    outcomes: list[str] = []
    before = asyncio.all_tasks()
    for _ in range(REQUESTS // 100):
        async with asyncio.timeout(WAIT_S):
            outcomes += await asyncio.gather(*(caller(rng.randrange(10_000)) for _ in range(100)))
    assert set(outcomes) == {"left", "late", "refused", "failed", "answered"}
    await one.close()
    await settled()
    assert asyncio.all_tasks() == before
    assert (one.waiting_rows, one._waiting.bytes, one._waiting.kinds, len(one._tenants), running[0]) == (0, 0, 0, 0, 0)
    assert not one._waiting.all()
    assert one.busy_s == 0
    statistics = one.statistics
    assert statistics.requests == outcomes.count("answered")


async def test_clocks_that_stand_still_do_no_harm() -> None:
    """Runs that take no time at all, by a coarse clock, are learned from like others."""
    one = batcher(Model(held=False), Clock())
    for n in range(50):
        assert await done(start(one.submit(rows(n), deadline=1000.5))) == [[n]]
