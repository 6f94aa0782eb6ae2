"""How requests become runs."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY
from tests.core.batching.models import (
    NEVER,
    Model,
    batcher,
    busy,
    done,
    rows,
    settled,
    signature,
    start,
    values,
)

from yumen.batching import BatchConfig, Batcher
from yumen.engine import EngineError, RequestRefused
from yumen.telemetry import PluginMetrics
from yumen.tensors.types import Rows
from yumen.testing import CapturedMetrics


async def test_an_idle_model_runs_at_once_without_a_copy() -> None:
    """A caller who is alone waits for nobody, and the model is given, and gives, the very arrays."""
    model = Model(held=False)
    one = batcher(model)
    given = rows(1, 2, 3)
    outputs = await one.submit(given, deadline=NEVER)
    assert model.given == [given]
    assert model.given[0].inputs["x"] is given.inputs["x"]
    assert outputs["y"] is given.inputs["x"]


async def test_requests_gather_while_the_model_is_busy() -> None:
    """What comes during a run is one batch after it, which grows until it is taken."""
    model = Model()
    one = batcher(model)
    first = await busy(one)
    waiting = [start(one.submit(rows(n, -n), deadline=NEVER)) for n in (1, 2)]
    await settled()
    waiting.append(start(one.submit(rows(3, -3), deadline=NEVER)))
    await model.let_go()
    assert model.ran == [[0], [1, -1, 2, -2, 3, -3]]
    await model.let_go()
    assert await done(first, *waiting) == [[0], [1, -1], [2, -2], [3, -3]]


async def test_what_comes_at_the_same_moment_runs_together() -> None:
    """Requests of one turn of the event loop are one run even where the model is idle."""
    model = Model(held=False)
    one = batcher(model, runs_max=4)
    tasks = [start(one.submit(rows(n), deadline=NEVER)) for n in range(5)]
    assert await done(*tasks) == [[n] for n in range(5)]
    assert model.ran == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("turns", range(12))
async def test_no_request_is_overlooked(turns: int) -> None:
    """A request that comes just as the run before it ends, or is seen to have ended, runs like any other."""
    one = batcher(Model(held=False))
    first = start(one.submit(rows(1), deadline=NEVER))
    for _ in range(turns):
        await asyncio.sleep(0)
    assert await done(first, start(one.submit(rows(2), deadline=NEVER))) == [[1], [2]]


async def test_rows_are_counted_not_requests() -> None:
    """A batch has no more rows than policy and model allow, whichever is less, and no request is torn apart for it."""
    for rows_max, batch_max in ((4, 1024), (32, 4)):
        model = Model()
        one = batcher(model, batch_max=batch_max, rows_max=rows_max)
        tasks = [await busy(one)]
        tasks += [start(one.submit(rows(*[n] * 3), deadline=NEVER)) for n in (1, 2)]
        tasks += [start(one.submit(rows(3), deadline=NEVER))]
        await model.let_go(3)
        assert model.ran == [[0], [1, 1, 1], [2, 2, 2, 3]] or model.ran == [[0], [1, 1, 1, 3], [2, 2, 2]]
        assert await done(*tasks) == [[0], [1, 1, 1], [2, 2, 2], [3]]


async def test_runs_at_a_time_are_bounded() -> None:
    """The model is never called more often at a time than policy says, and as often if there is enough to do."""
    for runs_max in (1, 3):
        model = Model()
        one = batcher(model, rows_max=2, runs_max=runs_max)
        tasks = [start(one.submit(rows(n, n), deadline=NEVER)) for n in range(9)]
        await model.let_go(9)
        assert await done(*tasks) == [[n, n] for n in range(9)]
        assert model.at_a_time == runs_max


async def test_a_model_without_batches_is_given_requests_as_they_are() -> None:
    """Where the first dimension is no batch, every request runs alone, whatever its shape."""
    model = Model(held=False, act=lambda given: {"y": given.inputs["x"]})
    one = batcher(model, batch_max=0)
    given = [Rows({"x": np.array(n)}) for n in range(3)] + [Rows({"x": np.zeros((0, 3))})]
    results = await asyncio.gather(*(one.submit(each, deadline=NEVER) for each in given))
    assert [result["y"] is each.inputs["x"] for result, each in zip(results, given, strict=True)] == [True] * 4
    assert len(model.given) == 4


async def test_a_request_too_large_for_one_run_is_split_and_joined() -> None:
    """Seventy rows run in parts of at most thirty-two, others in between, and come back in their order."""
    model = Model()
    one = batcher(model, rows_max=32)
    large = start(one.submit(rows(*range(70)), deadline=NEVER))
    await settled()
    small = start(one.submit(rows(100), tenant="二", deadline=NEVER))
    await model.let_go(4)
    assert await done(large, small) == [list(range(70)), [100]]
    assert sorted(map(len, model.ran)) == [1, 6, 32, 32]
    assert one.statistics.requests == 2


async def test_a_part_that_fails_ends_the_others() -> None:
    """When one part of a request fails, its caller knows at once, and parts that wait are dropped."""
    model = Model(act=lambda given: 1 / 0)
    one = batcher(model, rows_max=2)
    large = start(one.submit(rows(*range(9)), deadline=NEVER))
    await model.let_go()
    (error,) = await done(large)
    assert isinstance(error, EngineError)
    assert one.waiting_rows == 0
    await model.let_go(len(model.running))
    assert len(model.ran) <= 2


@pytest.mark.parametrize("inputs", [{"x": np.zeros((0, 1))}, {}, {"x": np.zeros((1, 1)), "m": np.zeros((2, 1))}])
async def test_requests_without_rows_are_refused(inputs: dict[str, Any]) -> None:
    """A bad request is the caller's mistake, and never reaches the model."""
    model = Model(held=False)
    with pytest.raises(RequestRefused):
        await batcher(model).submit(Rows(inputs), deadline=NEVER)
    assert not model.given


async def test_what_is_not_alike_never_runs_together() -> None:
    """Types, shapes, outputs and parameters are those of the request in every run, and what is alike still meets."""
    model = Model(act=lambda given: {"y": given.inputs["x"], "z": given.inputs["x"]})
    one = batcher(model)
    kinds = [
        rows(1),
        rows(1.5),
        rows("文"),
        rows(1, width=2),
        rows(1, outputs=("y",)),
        rows(1, outputs=("y", "z")),
        rows(1, top_k=1),
        rows(1, top_k=True),
    ]
    first = await busy(one)
    tasks = [start(one.submit(kind, deadline=NEVER)) for kind in kinds * 2]
    await model.let_go(1 + len(kinds))
    results = await done(first, *tasks)
    assert not [result for result in results if isinstance(result, BaseException)]
    assert len(model.given) == 1 + len(kinds)
    for given, kind in zip(model.given[1:], kinds, strict=True):
        assert len(given.inputs["x"]) == 2
        assert given.inputs["x"].dtype == kind.inputs["x"].dtype
        assert given.inputs["x"].shape[1:] == kind.inputs["x"].shape[1:]
        assert given.outputs == kind.outputs
        assert list(map(repr, given.parameters.values())) == list(map(repr, kind.parameters.values()))


async def test_padding_is_cut_off_again() -> None:
    """With `pad_to_bucket` the model sees powers of two, and callers nothing of it."""
    model = Model()
    one = batcher(model, rows_max=24, pad_to_bucket=True)
    tasks = [await busy(one)]
    tasks += [start(one.submit(rows(n, n, n), deadline=NEVER)) for n in (1, 2, 3)]
    await model.let_go(2)
    tasks.append(start(one.submit(rows(*range(19)), deadline=NEVER)))
    await model.let_go()
    assert await done(*tasks) == [[0], [1] * 3, [2] * 3, [3] * 3, list(range(19))]
    assert [len(ran) for ran in model.ran] == [1, 16, 24]
    assert model.ran[1][9:] == [3] * 7


async def test_texts_come_back_as_they_were() -> None:
    """BYTES tensors are texts of any script and length, and are batched like others."""
    model = Model()
    one = batcher(model)
    texts = ["你好，商队", "hello", "", "🐫" * 1000]
    tasks = [await busy(one)] + [start(one.submit(rows(text), deadline=NEVER)) for text in texts]
    await model.let_go(2)
    assert await done(*tasks) == [[0]] + [[text] for text in texts]
    assert len(model.given) == 2


async def test_large_batches_are_copied_aside() -> None:
    """Batches of many megabytes, which are put together in a thread, are the same."""
    model = Model(held=False, act=lambda given: {"y": given.inputs["x"][:, :1]})
    one = batcher(model, rows_max=4)
    tasks = [start(one.submit(rows(n, width=1 << 18), deadline=NEVER)) for n in range(4)]
    assert await done(*tasks) == [[0], [1], [2], [3]]
    assert len(model.given) == 1


async def test_callers_hold_nothing_of_each_other() -> None:
    """Whoever changes an output changes nobody else's."""
    model = Model(act=lambda given: {"y": given.inputs["x"].copy()})
    one = batcher(model)
    first = await busy(one)
    tasks = [start(one.submit(rows(n), deadline=NEVER)) for n in (1, 2)]
    await model.let_go(2)
    changed, other = [await task for task in tasks]
    changed["y"][:] = -7
    assert values(other) == [2]
    await first


async def test_statistics_count_what_was_done() -> None:
    """Requests, rows, runs by size, and the time waited and run are told, without what fills batches up."""
    model, measured = Model(), CapturedMetrics()
    clock_at = [0.0]
    one = Batcher(
        model.run,
        signature(),
        BatchConfig(pad_to_bucket=True),
        metrics=measured.of("unit"),
        model="海关",
        monotonic=lambda: clock_at[0],
    )
    tasks = [await busy(one)]
    tasks += [start(one.submit(rows(n), deadline=NEVER)) for n in (1, 2, 3)]
    await settled()
    clock_at[0] += 2
    await model.let_go()
    clock_at[0] += 3
    await model.let_go()
    await done(*tasks)
    statistics = one.statistics
    assert (statistics.requests, statistics.failures, statistics.rows, statistics.runs) == (4, 0, 4, 2)
    assert {size: (of.runs, of.seconds) for size, of in statistics.sizes.items()} == {1: (1, 2.0), 4: (1, 3.0)}
    assert (statistics.queue_s, statistics.compute_s) == (6.0, 5.0)
    assert statistics.answered_s == 2 + 3 * 5
    await one.close()
    await one.close()
    assert measured.total("batch_runs", size="1") == 1
    assert measured.total("batch_runs", size="4") == 1
    assert measured.total("batch_rows") == 4
    assert measured.total("batch_queue_rows") == 0
    assert {one.name for one in measured.all if one.kind != "count"} == {"batch_queue_rows"}


async def test_metrics_are_served() -> None:
    """What is counted shows under the engine's name, with the model as a label."""
    one = Batcher(Model(held=False).run, signature(), BatchConfig(), metrics=PluginMetrics("batching-test"), model="m")
    await one.submit(rows(1, 2, 3), deadline=NEVER)
    await one.close()
    name = "yumen_batching_test_batch_runs_total"
    assert REGISTRY.get_sample_value(name, {"model": "m", "size": "4"}) == 1
