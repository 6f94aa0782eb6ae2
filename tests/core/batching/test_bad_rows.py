"""One caller's bad rows are its own trouble."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.batching.models import NEVER, Clock, Model, batcher, busy, done, poison, rows, settled, start

from yumen.batching.faults import SUSPECT_S, SUSPECTS_MAX, Suspects
from yumen.engine import EngineError, RequestRefused
from yumen.tensors.types import Rows


@pytest.mark.parametrize("place", [0, 13, 31])
async def test_one_bad_row_among_many_fails_alone(place: int) -> None:
    """Of thirty-two requests in a batch the bad one gets an error, the others their answers, within ten more runs."""
    model = Model(act=poison)
    one = batcher(model, rows_max=32)
    first = await busy(one)
    tasks = [start(one.submit(rows(-5 if n == place else n), deadline=NEVER)) for n in range(32)]
    await model.let_go(2)
    model.held = False
    await model.let_go()
    results = await done(*tasks)
    assert [result for n, result in enumerate(results) if n != place] == [[n] for n in range(32) if n != place]
    assert isinstance(results[place], EngineError)
    assert len(model.ran) <= 2 + 2 * math.log2(32)
    await first


@settings(max_examples=60)
@given(st.lists(st.sampled_from([1, 1, -1]), min_size=1, max_size=40), st.integers(1, 4))
def test_errors_go_to_whom_they_belong(signs: list[int], width: int) -> None:
    """Whichever rows are bad: their callers get errors, nobody else does, and no request runs more often than it may."""

    async def check() -> None:
        model = Model(held=False, act=poison)
        one = batcher(model, rows_max=16)
        given = [[sign * (n + 1)] * width for n, sign in enumerate(signs)]
        results = await done(
            *[start(one.submit(rows(*each), tenant=f"t{len(each)}", deadline=NEVER)) for each in given]
        )
        for sign, each, result in zip(signs, given, results, strict=True):
            assert isinstance(result, EngineError) if sign < 0 else result == each
        times = Counter(value for ran in model.ran for value in set(ran))
        assert max(times.values()) <= 1 + math.log2(16) + 1

    asyncio.run(check())


async def test_what_an_error_says_of_the_engine_reaches_every_caller() -> None:
    """Each gets an error of its own, by which a pool and the gateway's answer go as by the model's."""

    def fails(_: Rows) -> Any:
        raise EngineError("忙 busy", timeout=True, again=True, retry_after_s=3.0, well=True)

    model = Model(act=fails)
    one = batcher(model)
    first = await busy(one)
    tasks = [start(one.submit(rows(number), deadline=NEVER)) for number in range(3)]
    await model.let_go(2)
    errors: list[Any] = [*await done(first), *await done(*tasks)]
    assert [(e.timeout, e.again, e.retry_after_s, e.well) for e in errors] == [(True, True, 3.0, True)] * 4
    assert len(set(map(id, errors))) == 4


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
async def test_a_run_that_would_end_the_process_ends_itself(error: BaseException) -> None:
    """It is run in a task of its own, out of which nothing comes: its caller has an error, and the next one an answer."""

    def act(given: Rows) -> Any:
        if (given.inputs["x"] < 0).any():
            raise error
        return poison(given)

    one = batcher(Model(held=False, act=act))
    failed, fine = await done(start(one.submit(rows(-1), deadline=NEVER)), start(one.submit(rows(2), deadline=NEVER)))
    assert isinstance(failed, EngineError)
    assert fine == [2]


async def test_errors_tell_nothing_of_rows() -> None:
    """A runtime's own words, which may hold what it was given, reach nobody."""
    one = batcher(Model(held=False, act=poison))
    (error,) = await done(start(one.submit(rows(-4711), deadline=NEVER)))
    assert "4711" not in str(error)
    assert "ValueError" in str(error)


async def test_a_refusal_reaches_its_caller() -> None:
    """What an adapter says of a bad request is told to whose request it was, by its field and code, and to nobody else."""

    def act(given: Rows) -> dict[str, Any]:
        if (given.inputs["x"] < 0).any():
            raise RequestRefused("a token is out of range", param="inputs", code="unsupported_payload")
        return {"y": given.inputs["x"]}

    model = Model(held=False, act=act)
    one = batcher(model)
    results = await done(*[start(one.submit(rows(n), deadline=NEVER)) for n in (1, -1, 2, -2)])
    assert results[0] == [1]
    assert results[2] == [2]
    for error in (results[1], results[3]):
        assert isinstance(error, RequestRefused)
        assert (error.param, error.code) == ("inputs", "unsupported_payload")
    assert results[1] is not results[3]


@pytest.mark.parametrize("settings_of", [{"timeout": True}, {"again": True}, {"retry_after_s": 3.0}])
async def test_what_is_nobodys_fault_is_not_searched_for(settings_of: dict[str, Any]) -> None:
    """An engine that is late or has too much to do is not asked again and again; what it said reaches every caller."""

    def act(given: Rows) -> Any:
        raise EngineError("busy", **settings_of)

    model = Model(held=False, act=act)
    one = batcher(model)
    results = await done(*[start(one.submit(rows(n), deadline=NEVER)) for n in range(9)])
    assert len(model.ran) == 1
    for error in results:
        assert isinstance(error, EngineError)
        assert {name: getattr(error, name) for name in settings_of} == settings_of


@pytest.mark.parametrize(
    "answer",
    [None, {}, {"y": [[1]]}, {"y": np.zeros((99, 1))}, {"y": np.array(1.0)}, {"z": np.zeros((4, 1))}],
    ids=["nothing", "empty", "list", "too many", "no rows", "other name"],
)
async def test_an_answer_that_cannot_be_right_is_none(answer: Any) -> None:
    """A model that answers with a wrong number of rows or without an output has failed; nobody gets somebody's rows."""
    one = batcher(Model(held=False, act=lambda given: answer))
    results = await done(*[start(one.submit(rows(n), deadline=NEVER)) for n in range(4)])
    assert all(isinstance(result, EngineError) for result in results)
    assert one.statistics.failures == 4


async def test_a_model_that_drops_a_bad_row_is_found_out() -> None:
    """Where a model silently leaves out what it does not like, only the caller whose row it was is without an answer."""
    model = Model(held=False, act=lambda given: {"y": given.inputs["x"][given.inputs["x"][:, 0] >= 0]})
    one = batcher(model)
    results = await done(*[start(one.submit(rows(n), deadline=NEVER)) for n in (1, 2, -1, 3)])
    assert results[:2] + results[3:] == [[1], [2], [3]]
    assert isinstance(results[2], EngineError)


async def test_rows_that_are_late_by_then_do_not_run_again() -> None:
    """While it is found out whose rows are bad time goes by; whose deadline has passed gets no further run."""
    model, clock = Model(act=poison), Clock()
    one = batcher(model, clock)
    first = await busy(one)
    waiting = [
        start(one.submit(rows(n), deadline=clock.at + left_s)) for n, left_s in ((-1, 100), (2, 100), (3, 10), (4, 100))
    ]
    await settled()
    await model.let_go()
    clock.at += 11
    while not all(task.done() for task in waiting):
        await model.let_go()
    bad, second, late, fourth = await done(*waiting)
    assert (second, fourth, await done(first)) == ([2], [4], [[0]])
    assert isinstance(bad, EngineError)
    assert isinstance(late, EngineError)
    assert late.timeout
    assert model.ran[1] == [-1, 2, 3, 4]
    assert not any(3 in ran for ran in model.ran[2:])


async def test_who_spoils_batches_runs_apart_for_a_while() -> None:
    """A tenant whose rows made a batch fail does not get to do so to others again at once, and is let back later."""
    model, clock = Model(), Clock()
    model.act = poison
    one = batcher(model, clock)

    async def good_and_bad() -> list[list[int]]:
        model.ran.clear()
        model.held = True
        tasks = [await busy(one)]
        tasks += [start(one.submit(rows(n), tenant=tenant, deadline=NEVER)) for n, tenant in ((1, "good"), (-1, "bad"))]
        await settled()
        model.held = False
        await model.let_go()
        results = await done(*tasks)
        assert results[1] == [1]
        assert isinstance(results[2], EngineError)
        return model.ran[1:]

    assert await good_and_bad() == [[1, -1], [1], [-1]]
    assert await good_and_bad() == [[1], [-1]]
    clock.at += SUSPECT_S
    assert await good_and_bad() == [[1, -1], [1], [-1]]


async def test_who_spoils_batches_pays_in_turns() -> None:
    """The runs that somebody's bad rows have cost count as its own: others get rows instead."""
    model = Model(act=poison)
    one = batcher(model, rows_max=8)
    tasks = [await busy(one), start(one.submit(rows(-1), tenant="bad", deadline=NEVER))]
    tasks += [start(one.submit(rows(n), tenant="good", deadline=NEVER)) for n in range(1, 8)]
    await model.let_go(2)
    tasks += [start(one.submit(rows(50), tenant="bad", deadline=NEVER)) for _ in range(8)]
    tasks += [start(one.submit(rows(60), tenant="good", deadline=NEVER)) for _ in range(8)]
    await settled()
    model.held = False
    await model.let_go()
    await done(*tasks)
    assert model.ran[-2:] == [[60] * 8, [50] * 8]


async def test_a_broken_model_accuses_nobody() -> None:
    """Where everybody's rows fail, it is not the rows: nobody runs apart for it."""
    model = Model(held=False, act=lambda given: 1 / 0)
    one = batcher(model)
    await done(*[start(one.submit(rows(n), tenant=f"t{n}", deadline=NEVER)) for n in range(4)])
    model.act = poison
    model.ran.clear()
    assert await done(*[start(one.submit(rows(n), tenant=f"t{n}", deadline=NEVER)) for n in range(4)]) == [
        [0],
        [1],
        [2],
        [3],
    ]
    assert model.ran == [[0, 1, 2, 3]]


async def test_a_model_that_cancels_itself_has_failed() -> None:
    """A run that ends as cancelled, though nobody cancelled it, is an error like others, and the next one runs."""

    def act(given: Rows) -> Any:
        if given.inputs["x"][0, 0] == 1:
            raise asyncio.CancelledError
        return {"y": given.inputs["x"]}

    one = batcher(Model(held=False, act=act), rows_max=1)
    first, second = await done(*[start(one.submit(rows(n), deadline=NEVER)) for n in (1, 2)])
    assert isinstance(first, EngineError)
    assert second == [2]


async def test_a_failed_run_teaches_nothing() -> None:
    """How quickly something fails says nothing of how long it takes to do."""
    model, clock = Model(held=False, act=poison), Clock()
    one = batcher(model, clock)
    await done(*[start(one.submit(rows(-1), deadline=NEVER)) for _ in range(40)])
    assert not one.statistics.sizes
    assert not one._forecast.known


def test_suspects_are_few_and_forgotten() -> None:
    """Names of tenants that spoilt something are kept up to a bound, and not for long."""
    suspects = Suspects()
    for n in range(SUSPECTS_MAX + 5):
        suspects.add(f"租户{n}", 0.0)
    assert not suspects.holds("租户0", 1.0)
    assert suspects.holds(f"租户{SUSPECTS_MAX}", 1.0)
    assert not suspects.holds(f"租户{SUSPECTS_MAX}", SUSPECT_S)
    suspects.add("", 0.0)
    assert not suspects.holds("", 0.0)
