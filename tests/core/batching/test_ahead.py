"""Full batches that a model is given while it still runs another one."""

from __future__ import annotations

import asyncio
import random

import pytest
from tests.core.batching.models import NEVER, Clock, Model, batcher, busy, done, poison, rows, settled, start

from yumen.engine import EngineError


async def test_a_full_batch_is_given_ahead() -> None:
    """Nothing could run along with it any more, so it need not wait for the run before it to end."""
    model = Model()
    one = batcher(model, ahead=True, rows_max=2)
    first = await busy(one)
    waiting = [start(one.submit(rows(n), deadline=NEVER)) for n in (1, 2, 3)]
    await settled()
    assert model.ran == [[0], [1, 2]]
    assert one.waiting_rows == 1
    await model.let_go(3)
    assert await done(first, *waiting) == [[0], [1], [2], [3]]
    assert model.ran == [[0], [1, 2], [3]]


async def test_a_batch_that_is_not_full_waits() -> None:
    """Others may come that can run along."""
    model = Model()
    one = batcher(model, ahead=True, rows_max=3)
    first = await busy(one)
    waiting = [start(one.submit(rows(n), deadline=NEVER)) for n in (1, 2)]
    await settled()
    assert model.ran == [[0]]
    await model.let_go()
    assert model.ran == [[0], [1, 2]]
    await model.let_go()
    assert await done(first, *waiting) == [[0], [1], [2]]


async def test_one_batch_is_given_ahead_and_no_more() -> None:
    """What is not chosen yet can still be overtaken."""
    model = Model()
    one = batcher(model, ahead=True, rows_max=1)
    first = await busy(one)
    late = [start(one.submit(rows(n), deadline=NEVER, priority=5)) for n in (1, 2, 3)]
    await settled()
    soon = start(one.submit(rows(9), deadline=NEVER, priority=0))
    await settled()
    assert model.ran == [[0], [1]]
    await model.let_go(5)
    assert model.ran == [[0], [1], [9], [2], [3]]
    assert await done(first, *late, soon) == [[0], [1], [2], [3], [9]]


async def test_kinds_that_do_not_fill_a_batch_are_not_run_ahead() -> None:
    """As many rows wait as a batch has, of two kinds."""
    model = Model()
    one = batcher(model, ahead=True, rows_max=2)
    first = await busy(one)
    waiting = [start(one.submit(rows(n, width=n), deadline=NEVER)) for n in (1, 2, 3)]
    await settled()
    assert model.ran == [[0]]
    waiting.append(start(one.submit(rows(1), deadline=NEVER)))
    await model.let_go()
    assert model.ran == [[0], [1, 1]]
    await model.let_go(3)
    assert await done(first, *waiting) == [[0], [1], [2], [3], [1]]


async def test_what_is_given_ahead_counts_as_run_from_when_it_began() -> None:
    """Until then it waited, and the statistics say so."""
    model, clock = Model(), Clock()
    one = batcher(model, clock, ahead=True, rows_max=1)
    first = await busy(one)
    second = start(one.submit(rows(1), deadline=NEVER))
    await settled()
    clock.at += 2
    await model.let_go()
    clock.at += 3
    await model.let_go()
    assert await done(first, second) == [[0], [1]]
    assert (one.statistics.compute_s, one.statistics.queue_s) == (5, 2)


async def test_a_deadline_is_held_against_when_a_run_given_ahead_begins() -> None:
    """Whose deadline is near is not put into a batch that would take longer than the run before it and its own."""
    model, clock = Model(), Clock()
    one = batcher(model, clock, ahead=True, rows_max=4)
    for size in (1, 1, 1, 1, 2, 2, 4, 4):  # a second for each row
        task = start(one.submit(rows(*range(size)), deadline=NEVER))
        await settled()
        clock.at += size
        await model.let_go()
        await done(task)
    model.ran.clear()
    running = start(one.submit(rows(0), deadline=NEVER))
    await settled()
    hasty = start(one.submit(rows(1), deadline=clock.at + 3))
    waiting = [start(one.submit(rows(n), deadline=NEVER)) for n in (2, 3, 4)]
    await settled()
    # One second until it begins and some more than one: with all four rows it would end after the third.
    assert len(model.ran) == 2
    assert model.ran[1][0] == 1
    assert len(model.ran[1]) < 4
    clock.at += 1
    await model.let_go()
    clock.at += 1.5
    await model.let_go(2)
    assert await done(running, hasty, *waiting) == [[0], [1], [2], [3], [4]]


async def test_a_bad_row_in_a_batch_given_ahead_harms_nobody_else() -> None:
    """It is found as in any other batch, and the next one goes on."""
    model = Model(act=poison)
    one = batcher(model, ahead=True, rows_max=4)
    first = await busy(one)
    waiting = [start(one.submit(rows(n), deadline=NEVER)) for n in (1, 2, -3, 4, 5, 6, 7, 8)]
    await settled()
    while not all(task.done() for task in waiting):
        await model.let_go()
    found = await done(first, *waiting)
    assert isinstance(found.pop(3), EngineError)
    assert found == [[0], [1], [2], [4], [5], [6], [7], [8]]
    assert model.at_a_time <= 2


async def test_closing_ends_what_was_given_ahead() -> None:
    """All that was taken in is answered."""
    model = Model()
    one = batcher(model, ahead=True, rows_max=1)
    first = await busy(one)
    waiting = [start(one.submit(rows(n), deadline=NEVER)) for n in (1, 2)]
    await settled()
    closing = asyncio.get_running_loop().create_task(one.close())
    await model.let_go(3)
    assert await done(first, *waiting) == [[0], [1], [2]]
    await closing


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("runs_max", [1, 2])
async def test_everybody_is_answered_whatever_comes_and_goes(seed: int, runs_max: int) -> None:
    """Callers of several kinds come, leave and are answered at random: with their own rows, and never too many at a time."""
    chance = random.Random(seed)
    model = Model()
    one = batcher(model, ahead=True, rows_max=4, runs_max=runs_max)
    tasks, gone = [], 0
    for number in range(300):
        asked = rows(*range(number, number + chance.randint(1, 6)), width=chance.randint(1, 2))
        tasks.append(
            start(one.submit(asked, tenant=f"t{number % 3}", deadline=NEVER, priority=chance.choice((0, 0, 4))))
        )
        if chance.random() < 0.1:
            gone += chance.choice(tasks).cancel()
        if chance.random() < 0.6:
            await settled()
            if model.running:
                model.running.pop(chance.randrange(len(model.running))).set_result(None)
    while not all(task.done() for task in tasks):
        await settled()
        if model.running:
            await model.let_go()
    assert model.at_a_time <= runs_max + 1
    assert sum(task.cancelled() for task in tasks) <= gone
    for number, task in enumerate(tasks):
        if not task.cancelled():
            assert task.result()["y"][0][0] == number
    assert one.waiting_rows == 0
    await one.close()
