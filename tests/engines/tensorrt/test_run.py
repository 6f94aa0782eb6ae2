"""Running plans: every caller gets the answer to its own rows, in whatever bucket, and nothing is done out of order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.engines.tensorrt import tiny
from tests.engines.tensorrt.fake_cuda import Error
from tests.engines.tensorrt.made import Bench, bench, ran

from yumen import EngineError, RequestRefused, Rows


@pytest.mark.parametrize("graphs", [True, False])
@pytest.mark.parametrize("kind", [tiny.FLOAT, tiny.FLOAT16])
async def test_rows_are_answered_in_every_bucket(bench: Bench, tmp_path: Path, graphs: bool, kind: int) -> None:
    """Any number of rows up to the largest bucket gets as many rows, each the answer to its own, replayed or not."""
    async with bench.model(tiny.scaled(tmp_path / "m.onnx", kind), graphs=graphs) as model:
        assert model.signature.batch_max == 32
        assert model.placement.detail["graphs"] == ("6" if graphs else "0")
        for rows in (1, 2, 3, 5, 8, 17, 31, 32, 1):
            x = tiny.numbers(rows, rows).astype(np.float16 if kind == tiny.FLOAT16 else np.float32)
            given = await ran(model, x=x)
            assert given["y"].dtype == x.dtype
            np.testing.assert_array_equal(given["y"], x * 2)
            np.testing.assert_allclose(given["total"], x.sum(axis=1, keepdims=True), atol=1e-2)


async def test_answers_outlive_the_next_run(bench: Bench, tmp_path: Path) -> None:
    """What a caller was given is memory of its own: the buffers it came from are the next run's."""
    async with bench.model(tiny.scaled(tmp_path / "m.onnx")) as model:
        first = await ran(model, x=tiny.numbers(2, 1))
        await ran(model, x=tiny.numbers(2, 2))
        np.testing.assert_array_equal(first["y"], tiny.numbers(2, 1) * 2)


async def test_rows_of_an_earlier_caller_are_not_computed_again(bench: Bench, tmp_path: Path) -> None:
    """A bucket is filled up with copies of its own last row: nothing of whoever came before stays in it."""
    async with bench.model(tiny.scaled(tmp_path / "m.onnx")) as model:
        await ran(model, x=tiny.numbers(8, 1))
        x = tiny.numbers(5, 2)
        await ran(model, x=x)
        np.testing.assert_array_equal(bench.trt.seen["x"], np.concatenate([x, *[x[-1:]] * 3]))


async def test_only_what_is_wanted_is_given(bench: Bench, tmp_path: Path) -> None:
    """Outputs that nobody asked for are not copied out; none named means all of them."""
    async with bench.model(tiny.scaled(tmp_path / "m.onnx")) as model:
        given = await model.run(Rows({"x": tiny.numbers(1)}, outputs=("total",)))
        assert list(given) == ["total"]
        assert set(await ran(model, x=tiny.numbers(1))) == {"y", "total"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 8), st.integers(1, 16)), min_size=1, max_size=6))
async def test_other_sizes_come_and_go(tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, int]]) -> None:
    """Inputs with a second dimension of any size run in any order of sizes, and what a longer row left is not seen."""
    folder = tmp_path_factory.mktemp("sizes")
    async with bench(folder).model(tiny.summed(folder / "m.onnx"), buckets=(1, 4, 8), shapes=tiny.SHAPES) as model:
        for rows, length in sizes:
            ids = np.arange(rows * length).reshape(rows, length)
            given = await ran(model, ids=ids, mask=np.ones_like(ids))
            np.testing.assert_array_equal(given["sums"], ids.sum(axis=1, keepdims=True))


async def test_outputs_whose_size_the_numbers_say(bench: Bench, tmp_path: Path) -> None:
    """An output that grows with what is in the input gets memory as it needs it; such a model makes no batches."""
    async with bench.model(tiny.places(tmp_path / "m.onnx"), buckets=(4,)) as model:
        assert (model.signature.batch_max, model.placement.detail["graphs"]) == (0, "0")
        for x in (np.zeros((4, 4)), np.eye(4), np.ones((4, 4)), np.eye(4)):
            given = await ran(model, x=x.astype(np.float32))
            np.testing.assert_array_equal(given["where"], np.array(np.nonzero(x)))


async def test_an_output_that_grows_too_large_is_a_failure(bench: Bench, tmp_path: Path) -> None:
    """Memory for such outputs has a limit, and beyond it the run fails, not the process."""
    async with bench.model(tiny.places(tmp_path / "m.onnx"), buckets=(4,), bytes_max=128) as model:
        with pytest.raises(EngineError):
            await ran(model, x=np.ones((4, 4), np.float32))


async def test_a_model_without_rows_runs_as_it_is(bench: Bench, tmp_path: Path) -> None:
    """Where the first dimension is of one size it is no batch: nothing is filled up and nothing cut off."""
    async with bench.model(tiny.fixed(tmp_path / "m.onnx")) as model:
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        assert model.signature.batch_max == 0
        np.testing.assert_array_equal((await ran(model, x=x))["y"], x + 1)
        with pytest.raises(RequestRefused, match="`x`"):
            await ran(model, x=x[:1])


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"ids": np.ones((9, 4), np.int64), "mask": np.ones((9, 4), np.int64)}, "takes 8 rows"),
        ({"ids": np.ones((2, 17), np.int64), "mask": np.ones((2, 17), np.int64)}, "shape of the input `ids`"),
        ({"ids": np.ones((2, 0), np.int64), "mask": np.ones((2, 0), np.int64)}, "shape of the input `ids`"),
        ({"ids": np.ones((2, 4, 1), np.int64), "mask": np.ones((2, 4), np.int64)}, "shape of the input `ids`"),
        ({"ids": np.ones((0, 4), np.int64), "mask": np.ones((0, 4), np.int64)}, "no rows"),
        ({"ids": np.ones((2, 4), np.int32), "mask": np.ones((2, 4), np.int64)}, "datatype"),
        ({"ids": np.ones((2, 4), np.int64)}, "`mask`"),
        ({"ids": np.ones((2, 4), np.int64), "mask": np.ones((3, 4), np.int64)}, "`mask`"),
    ],
)
async def test_what_the_plan_was_not_built_for_is_refused(bench: Bench, tmp_path: Path, inputs: Any, said: str) -> None:
    """A shape, a type or a set of inputs that the plan does not know is the caller's fault, and the next one is answered."""
    model_path = tiny.summed(tmp_path / "m.onnx")
    async with bench.model(model_path, buckets=(1, 2, 8), shapes=tiny.SHAPES) as model:
        with pytest.raises(RequestRefused, match=said):
            await ran(model, **inputs)
        ones = np.ones((2, 3), np.int64)
        np.testing.assert_array_equal((await ran(model, ids=ones, mask=ones))["sums"], [[3], [3]])


async def test_callers_at_the_same_time_get_their_own(bench: Bench, tmp_path: Path) -> None:
    """Several streams run at once, each with buffers of its own."""
    async with bench.model(tiny.scaled(tmp_path / "m.onnx"), streams=3) as model:
        asked = [tiny.numbers(1 + seed % 7, seed) for seed in range(60)]
        given = await asyncio.gather(*(ran(model, x=x) for x in asked))
        for x, one in zip(asked, given, strict=True):
            np.testing.assert_array_equal(one["y"], x * 2)


async def test_a_caller_who_leaves_takes_no_stream_along(bench: Bench, tmp_path: Path) -> None:
    """A run that nobody waits for any more ends before its buffers are the next one's."""
    async with bench.model(tiny.scaled(tmp_path / "m.onnx")) as model:
        bench.cuda.gate = gate = threading.Event()
        bench.cuda.waiting.clear()
        left = asyncio.create_task(ran(model, x=tiny.numbers(2)))
        await until(bench.cuda.waiting.is_set)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        second = asyncio.create_task(ran(model, x=tiny.numbers(3, 7)))
        await asyncio.sleep(0.05)
        assert not second.done()
        gate.set()
        np.testing.assert_array_equal((await second)["y"], tiny.numbers(3, 7) * 2)


@pytest.mark.parametrize("graphs", [True, False])
async def test_after_an_error_of_cuda_nothing_runs(bench: Bench, tmp_path: Path, graphs: bool) -> None:
    """An error that spoils the device is told by its name, and whatever comes then is refused before it runs."""
    path = tiny.scaled(tmp_path / "m.onnx")
    async with bench.model(path, graphs=graphs) as model:
        bench.cuda.fail["cudaStreamSynchronize"] = [Error.cudaErrorIllegalAddress]
        with pytest.raises(EngineError, match="cudaErrorIllegalAddress"):
            await ran(model, x=tiny.numbers(1))
        assert "cudaErrorIllegalAddress" in model.failure
        with pytest.raises(EngineError, match="nothing runs after that") as refused:
            await ran(model, x=tiny.numbers(1))
        assert refused.value.again


async def test_a_run_that_tensorrt_refuses_fails_alone(bench: Bench, tmp_path: Path) -> None:
    """The answer of `execute_async_v3` is looked at: False is a failure of that run, and not an old answer."""
    async with bench.model(tiny.scaled(tmp_path / "m.onnx"), graphs=False) as model:
        await ran(model, x=tiny.numbers(1))
        bench.trt.fail.append(False)
        with pytest.raises(EngineError, match="TensorRT failed in execute_async_v3"):
            await ran(model, x=tiny.numbers(2))
        np.testing.assert_array_equal((await ran(model, x=tiny.numbers(3)))["y"], tiny.numbers(3) * 2)


async def test_a_model_that_cannot_be_recorded_runs_without(bench: Bench, tmp_path: Path) -> None:
    """Where a graph cannot be captured the model serves all the same, and its placement says so."""
    bench.trt.no_graphs = True
    async with bench.model(tiny.scaled(tmp_path / "m.onnx")) as model:
        assert model.placement.detail["graphs"] == "0"
        np.testing.assert_array_equal((await ran(model, x=tiny.numbers(3)))["y"], tiny.numbers(3) * 2)


@pytest.mark.parametrize("call", ["cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiate"])
async def test_a_capture_that_fails_is_left(bench: Bench, tmp_path: Path, call: str) -> None:
    """Wherever a capture fails the stream is left as it was, and that bucket runs without a graph."""
    bench.cuda.fail[call] = [Error.cudaErrorStreamCaptureInvalidated]
    async with bench.model(tiny.scaled(tmp_path / "m.onnx")) as model:
        assert model.placement.detail["graphs"] == "5"
        np.testing.assert_array_equal((await ran(model, x=tiny.numbers(1)))["y"], tiny.numbers(1) * 2)


@pytest.mark.parametrize("call", ["cudaStreamCreateWithFlags", "cudaMalloc", "cudaHostAlloc", "cudaMemcpyAsync"])
@pytest.mark.parametrize("later", [0, 2])
async def test_a_load_that_fails_holds_nothing(bench: Bench, tmp_path: Path, call: str, later: int) -> None:
    """Wherever loading fails, memory, streams and graphs are given back."""
    if call == "cudaStreamCreateWithFlags":
        later //= 2
    bench.cuda.fail[call] = [Error.cudaSuccess] * later + [Error.cudaErrorMemoryAllocation]
    with pytest.raises(EngineError, match="cudaErrorMemoryAllocation"):
        async with bench.model(tiny.scaled(tmp_path / "m.onnx"), streams=2):
            pass
    assert (bench.cuda.held, bench.cuda.mistakes) == (0, [])


async def test_a_run_that_hangs_ends_for_its_caller(bench: Bench, tmp_path: Path) -> None:
    """A device that does not answer keeps nobody waiting beyond the limit, neither who runs nor who comes then."""
    async with bench.model(tiny.scaled(tmp_path / "m.onnx"), timeout_s=0.2) as model:
        bench.cuda.gate = gate = threading.Event()
        with pytest.raises(EngineError, match="has not ended") as hung:
            await ran(model, x=tiny.numbers(1))
        assert hung.value.timeout
        with pytest.raises(EngineError, match="has not ended"):
            await ran(model, x=tiny.numbers(1))
        gate.set()


async def test_buffers_have_a_limit(bench: Bench, tmp_path: Path) -> None:
    """A plan whose buffers would be larger than policy allows does not load, and the message names the key."""
    with pytest.raises(Exception, match="buffer_bytes_max"):
        async with bench.model(tiny.scaled(tmp_path / "m.onnx"), bytes_max=100):
            pass
    assert bench.cuda.held == 0


async def test_copies_are_counted(bench: Bench, tmp_path: Path) -> None:
    """What goes to the device and back is counted in bytes, as the bucket has them."""
    async with bench.model(tiny.scaled(tmp_path / "m.onnx")) as model:
        before = model.copied
        await ran(model, x=tiny.numbers(3))
        after = model.copied
        assert after["to_device"] - before["to_device"] == 4 * 4 * 4
        assert after["to_host"] - before["to_host"] == 4 * (4 + 1) * 4


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that happens in another thread."""
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.005)
