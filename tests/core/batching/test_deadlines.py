"""What is refused at once, and what becomes of those whose time runs out."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.core.batching.models import (
    NEVER,
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
    values,
)

from yumen.batching import BatchConfig, Batcher
from yumen.batching.cost import RUNS_MIN
from yumen.engine import EngineError, RequestRefused
from yumen.tensors.types import Rows, Tensors
from yumen.testing import CapturedMetrics


async def refused(work: Awaitable[Any]) -> EngineError:
    with pytest.raises(EngineError) as raised:
        await work
    return raised.value


async def taught(model: Model, clock: Clock, one: Batcher, run_s: float, runs: int = 20) -> None:
    """Have runs of one row take so long."""
    for _ in range(runs):
        task = start(one.submit(rows(0), deadline=NEVER))
        await settled()
        clock.at += run_s
        await model.let_go()
        await task


@pytest.mark.parametrize("deadline", [1000.0, 999.0, -math.inf, math.nan])
async def test_a_deadline_that_has_passed_is_late(deadline: float) -> None:
    """What comes too late does not run."""
    model = Model(held=False)
    assert (await refused(batcher(model).submit(rows(1), deadline=deadline))).timeout
    assert not model.ran


async def test_a_deadline_ends_waiting() -> None:
    """A caller whose time is up while it waits is told so at once, and its rows never run."""
    model = Model()
    one = batcher(model, time.monotonic)
    first = await busy(one)
    error = await refused(one.submit(rows(1), deadline=time.monotonic() + 0.02))
    assert error.timeout
    assert one.waiting_rows == 0
    await model.let_go()
    assert model.ran == [[0]]
    assert await done(first) == [[0]]


async def test_a_deadline_ends_a_run_for_its_caller_only() -> None:
    """A caller whose time is up while its rows run is told so at once; those that run along are answered."""
    model = Model()
    one = batcher(model, time.monotonic)
    hasty = start(one.submit(rows(1), deadline=time.monotonic() + 0.02))
    patient = start(one.submit(rows(2), deadline=NEVER))
    (error,) = await done(hasty)
    assert isinstance(error, EngineError)
    assert error.timeout
    assert model.ran == [[1, 2]]
    await model.let_go()
    assert await done(patient) == [[2]]
    assert (one.statistics.requests, one.statistics.failures) == (1, 1)


async def test_what_is_too_late_when_its_turn_comes_is_left_out() -> None:
    """Rows whose deadline has passed are not run, even where nobody has had the time to say so."""
    model, clock = Model(), Clock()
    one = batcher(model, clock)
    tasks = [await busy(one)]
    tasks += [start(one.submit(rows(n), deadline=clock.at + 500 * n)) for n in (1, 2, 1, 3)]
    await settled()
    clock.at += 600
    await model.let_go(2)
    results = await done(*tasks)
    assert model.ran == [[0], [2, 3]]
    assert [result.timeout for result in results if isinstance(result, EngineError)] == [True, True]


async def test_what_cannot_be_in_time_is_refused_at_once() -> None:
    """Once a run's cost is known, who would be late by what is ahead learns so before waiting, and when to come back."""
    model, clock = Model(), Clock()
    one = batcher(model, clock, rows_max=1)
    await taught(model, clock, one, 1.0)
    tasks = [await busy(one)] + [start(one.submit(rows(n), deadline=NEVER)) for n in range(1, 5)]
    await settled()
    error = await refused(one.submit(rows(9), deadline=clock.at + 3))
    assert not error.timeout
    assert error.again
    assert error.retry_after_s == pytest.approx(6 - 3, rel=0.1)
    tasks.append(start(one.submit(rows(7), deadline=clock.at + 7)))
    await model.let_go(6)
    assert (await done(*tasks))[-1] == [7]


async def test_nobody_is_refused_by_what_was_never_measured() -> None:
    """A fresh model takes everything that has any time left."""
    model, clock = Model(), Clock()
    one = batcher(model, clock, rows_max=1)
    await taught(model, clock, one, 100.0, RUNS_MIN - 1)
    tasks = [await busy(one)] + [start(one.submit(rows(n), deadline=clock.at + 60)) for n in range(1, 5)]
    await model.let_go(5)
    assert await done(*tasks) == [[0], [1], [2], [3], [4]]


async def test_an_idle_model_is_always_tried() -> None:
    """A model that was slow can show that it is quick again: what it is thought to take keeps nobody from trying."""
    model, clock = Model(), Clock()
    one = batcher(model, clock)
    await taught(model, clock, one, 10.0)
    task = start(one.submit(rows(1), deadline=clock.at + 1))
    await model.let_go()
    assert await done(task) == [[1]]


async def test_a_model_between_two_runs_is_idle() -> None:
    """Who asks again when it is answered finds the model idle, and is not refused for what runs are thought to take."""
    model, clock = Model(held=False), Clock()

    def slow(given: Rows) -> Any:
        clock.at += 10
        return {"y": given.inputs["x"]}

    model.act = slow
    one = batcher(model, clock)
    for _ in range(20):
        await one.submit(rows(0), deadline=NEVER)
    model.act = echo
    assert values(await one.submit(rows(1), deadline=clock.at + 1)) == [1]


async def test_a_backlog_of_others_is_no_reason_to_refuse_who_goes_before_it() -> None:
    """A tenant that has its turn soon, or priority, is not refused for what a greedy one has waiting."""
    model, clock = Model(), Clock()
    one = batcher(model, clock, rows_max=1)
    await taught(model, clock, one, 1.0)
    greedy = [start(one.submit(rows(0), tenant="greedy", deadline=NEVER, priority=4)) for _ in range(51)]
    await settled()
    fair = start(one.submit(rows(1), tenant="fair", deadline=clock.at + 5, priority=4))
    urgent = start(one.submit(rows(2), tenant="greedy", deadline=clock.at + 5, priority=0))
    assert (await refused(one.submit(rows(3), tenant="greedy", deadline=clock.at + 5, priority=4))).retry_after_s
    await model.let_go(52 + 1)
    assert await done(fair, urgent) == [[1], [2]]
    await done(*greedy)


async def test_a_batch_does_not_grow_until_a_member_is_late() -> None:
    """Where more rows take longer, a batch stays as small as the one in most of a hurry needs it."""
    model, clock = Model(), Clock()
    one = batcher(model, clock, rows_max=32)
    for n in range(60):
        task = start(one.submit(rows(*range(1 + n % 32)), deadline=NEVER))
        await settled()
        clock.at += 0.1 * (1 + n % 32)
        await model.let_go()
        await task
    model.ran.clear()
    tasks = [start(one.submit(rows(0), deadline=NEVER))]
    await settled()
    tasks += [start(one.submit(rows(1), deadline=clock.at + 0.65))]
    tasks += [start(one.submit(rows(2), deadline=NEVER)) for _ in range(20)]
    await settled()
    await model.let_go()
    assert 3 <= len(model.ran[1]) <= 7
    await model.let_go(2)
    assert len(await done(*tasks)) == 22
    assert sum(map(len, model.ran)) == 22


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"queue_rows_max": 8}, "queue_rows"),
        ({"queue_bytes_max": 64}, "queue_bytes"),
        ({"tenant_rows_max": 8}, "tenant_rows"),
        ({"tenant_bytes_max": 64}, "tenant_bytes"),
    ],
)
async def test_what_waits_is_bounded(config: dict[str, Any], reason: str) -> None:
    """No more rows or bytes wait than policy says, of one tenant or all; who comes then is told when to come back."""
    model, measured = Model(), CapturedMetrics()
    one = Batcher(
        model.run, signature(), BatchConfig(**config), metrics=measured.of("unit"), model="m", monotonic=Clock()
    )
    tasks = [await busy(one)]
    tasks += [start(one.submit(rows(1, 2), tenant="甲", deadline=NEVER)) for _ in range(4)]
    await settled()
    error = await refused(one.submit(rows(5), tenant="甲", deadline=NEVER))
    assert error.retry_after_s is not None
    assert error.retry_after_s > 0
    if reason.startswith("tenant"):
        tasks.append(start(one.submit(rows(5, 6), tenant="乙", deadline=NEVER)))
    await model.let_go(2)
    tasks.append(start(one.submit(rows(7, 8), tenant="甲", deadline=NEVER)))
    await model.let_go(1)
    assert not [result for result in await done(*tasks) if isinstance(result, BaseException)]
    await one.close()
    assert measured.total("batch_refused", reason=reason) == 1
    assert one.statistics.refused == 1


async def test_bytes_of_texts_are_bounded_too() -> None:
    """Texts count by what they hold, not by the pointers that an array has to them."""
    model = Model()
    one = batcher(model, queue_bytes_max=10_000)
    first = await busy(one)
    assert (await refused(one.submit(rows("商" * 9_000), deadline=NEVER))).retry_after_s
    await model.let_go()
    await first


async def test_what_can_never_wait_is_a_bad_request() -> None:
    """A request larger than all that may ever wait is not told to come back."""
    model = Model(held=False)
    for limit in ("tenant_rows_max", "queue_rows_max", "tenant_bytes_max"):
        bounds: dict[str, Any] = {limit: 40}
        error = await refused(batcher(model, None, **bounds).submit(rows(*range(41)), deadline=NEVER))
        assert isinstance(error, RequestRefused)
    assert not model.ran


async def test_one_run_is_not_bounded_by_what_may_wait() -> None:
    """What an idle model takes in one run does not wait, and is no matter of those bounds."""
    one = batcher(Model(held=False), queue_rows_max=1, tenant_bytes_max=1)
    assert await done(start(one.submit(rows(1, 2, 3), deadline=NEVER))) == [[1, 2, 3]]


async def test_a_model_that_hangs_holds_nobody_longer_than_the_deadline() -> None:
    """Every caller of a model that never answers is answered in time, and the run that nobody waits for is given up."""
    model = Model()
    one = batcher(model, time.monotonic, rows_max=2)
    tasks = [start(one.submit(rows(n), deadline=time.monotonic() + 0.05)) for n in range(20)]
    results = await done(*tasks)
    assert all(isinstance(result, EngineError) and result.timeout for result in results)
    await settled()
    assert one.waiting_rows == 0
    assert not model.running
    assert one.busy_s == 0
    model.held = False
    assert await done(start(one.submit(rows(21), deadline=NEVER))) == [[21]]


async def test_a_model_that_does_not_let_go_shows_how_long() -> None:
    """Where a run goes on although it was given up, nothing else is begun, and it is seen for how long it has been so."""
    gate = asyncio.Event()

    async def run(given: Rows) -> Tensors:
        while not gate.is_set():
            try:
                await gate.wait()
            except asyncio.CancelledError:
                continue
        return {"y": given.inputs["x"]}

    one = Batcher(run, signature(), BatchConfig(), metrics=CapturedMetrics().of("unit"), model="m")
    for n in range(2):
        [error] = await done(start(one.submit(rows(n), deadline=time.monotonic() + 0.05)))
        assert isinstance(error, EngineError)
        assert error.timeout
    assert one.busy_s > 0
    gate.set()
    await one.close()
    assert one.busy_s == 0


async def test_a_model_that_is_late_itself_is_taken_at_its_word() -> None:
    """A run that ends with a timeout is not run again in halves: it would only take as long again."""

    def late(given: Rows) -> dict[str, Any]:
        raise EngineError("late", timeout=True)

    act: Callable[[Rows], Any] = late
    model = Model(held=False, act=act)
    one = batcher(model)
    results = await done(*[start(one.submit(rows(n), deadline=NEVER)) for n in range(8)])
    assert [result.timeout for result in results] == [True] * 8
    assert len({id(result) for result in results}) == 8
    assert len(model.ran) == 1


async def test_the_loop_stays_free() -> None:
    """A model that answers without ever waiting does not keep deadlines and other work from their turn."""
    model = Model(held=False)
    one = batcher(model, time.monotonic, rows_max=1)
    seen = []

    async def other() -> None:
        while len(model.ran) < 200:
            seen.append(len(model.ran))
            await asyncio.sleep(0)

    others = asyncio.get_running_loop().create_task(other())
    tasks = [start(one.submit(rows(n), deadline=NEVER)) for n in range(200)]
    assert await done(*tasks) == [[n] for n in range(200)]
    await others
    seen.append(len(model.ran))
    assert max(after - before for before, after in itertools.pairwise(seen)) <= 16
