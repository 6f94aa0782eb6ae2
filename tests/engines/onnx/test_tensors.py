"""Models of tensors: what they take is read from them, and every caller gets what its own rows come to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from onnxruntime.capi.onnxruntime_pybind11_state import Fail
from tests.engines.onnx import graphs
from tests.engines.onnx.graphs import node, value

from yumen import DATATYPES, CannotStart, EngineError, RequestRefused, Rows, TensorSpec
from yumen.batching import BatchConfig, Batcher
from yumen.testing import RunningClock, UnitHost
from yumen_engines.onnx.binding import DeviceMemory
from yumen_engines.onnx.config import OnnxConfig
from yumen_engines.onnx.runtime import open_session
from yumen_engines.onnx.signature import DATATYPES as ONNX_TYPES
from yumen_engines.onnx.signature import signature
from yumen_engines.onnx.tensors import OnnxModel
from yumen_engines.onnx.threads import unfit

FAR = 1e12


@asynccontextmanager
async def opened(folder: Path, graph: Any, *, prepared: bool = True, batch_max: int = 32) -> AsyncIterator[OnnxModel]:
    """A model, loaded from a file."""
    session = open_session(graphs.saved(folder / "model.onnx", graph), OnnxConfig(model="/m", task="tensors"))
    made = OnnxModel(session, signature(session.session, batch_max), 4, "m", "1")
    if prepared:
        await asyncio.to_thread(made.prepare, batch_max, UnitHost(clock=RunningClock()))
    yield made
    await made.close()


def batcher(model: OnnxModel, **config: Any) -> Batcher:
    """The model's rows, in batches."""
    return Batcher(
        model.run, model.signature, BatchConfig(**config), metrics=UnitHost(clock=RunningClock()).metrics, model="m"
    )


@pytest.mark.parametrize("kind", list(ONNX_TYPES))
async def test_every_type_comes_back_as_it_went(tmp_path: Path, kind: str) -> None:
    """Numbers of all types of the protocol, bfloat16 as its bits, and texts, among them what is no number or no letter."""
    number = {
        "bool": 9, "uint8": 2, "uint16": 4, "uint32": 12, "uint64": 13, "int8": 3, "int16": 5, "int32": 6, "int64": 7,
        "float16": 10, "float": 1, "double": 11, "bfloat16": 16, "string": 8,
    }[kind[7:-1]]  # fmt: skip
    graph = graphs.made(
        [node("Identity", ["x"], ["y"])], [value("x", number, ["n", 2])], [value("y", number, ["n", 2])]
    )
    datatype = ONNX_TYPES[kind]
    given: Any
    if datatype == "BYTES":
        given = np.array([["玉门", "a\x00b"], ["", "🙂"]], object)
    elif datatype in ("FP16", "FP32", "FP64"):
        given = np.array([[np.nan, np.inf], [-0.0, 1.5]], DATATYPES[datatype])
    elif datatype == "BF16":
        given = graphs.bfloat16([[np.nan, np.inf], [-0.0, 1.5]])
    else:
        given = np.array([[0, 1], [1, 1]], DATATYPES[datatype])
    given.setflags(write=False)  # as it is where it is a view of a request
    async with opened(tmp_path, graph) as model:
        found = await model.run(Rows({"x": given}))
        assert found["y"].dtype == DATATYPES[datatype]
        assert found["y"].tolist() == given.tolist() or datatype in ("FP16", "FP32", "FP64")
        assert found["y"].dtype == object or np.ascontiguousarray(found["y"]).tobytes() == given.tobytes()


@pytest.mark.parametrize(("kind", "datatype"), [(TensorProto.FLOAT16, "FP16"), (TensorProto.BFLOAT16, "BF16")])
async def test_halves_are_computed(tmp_path: Path, kind: int, datatype: Any) -> None:
    """fp16 and bf16 go in and out in their own form, alone and in batches."""
    async with opened(tmp_path, graphs.doubled(kind)) as model:
        assert model.signature.inputs == (TensorSpec("x", datatype, (-1, 2)),)
        numbers = np.array([[1.5, -2], [0, 4]], np.float32)
        given = numbers.astype(np.float16) if datatype == "FP16" else graphs.bfloat16(numbers)
        wanted = (numbers * 2).astype(np.float16) if datatype == "FP16" else graphs.bfloat16(numbers * 2)
        assert (await model.run(Rows({"x": given})))["y"].tolist() == wanted.tolist()
        assert (await model.run(Rows({"x": given[:0]})))["y"].shape == (0, 2)


@pytest.mark.parametrize(
    ("graph", "batch_max"),
    [
        (graphs.adder(), 7),
        (graphs.adder(None), 7),
        (graphs.adder(4), 0),
        (graphs.encoder(), 7),
        (graphs.looped(), 0),
        (graphs.made([node("Add", ["a", "b"], ["c"])], [value("a", 1, ["n"]), value("b", 1, ["m"])],
                     [value("c", 1, ["n"])]), 0),
        (graphs.made([node("Transpose", ["a"], ["c"])], [value("a", 1, ["n", "m"])], [value("c", 1, ["m", "n"])]), 0),
        (graphs.made([node("ReduceSum", ["a"], ["c"], keepdims=0)], [value("a", 1, ["n"])], [value("c", 1, [])]), 0),
    ],
    ids=["named", "open", "fixed", "matrix", "loop", "two", "turned", "single"],
)  # fmt: skip
async def test_rows_are_seen_in_the_model(tmp_path: Path, graph: Any, batch_max: int) -> None:
    """Rows run together only where every tensor begins with one and the same open size."""
    async with opened(tmp_path, graph, prepared=False, batch_max=7) as model:
        assert model.signature.batch_max == batch_max


async def test_rows_that_depend_on_one_another_run_alone(tmp_path: Path) -> None:
    """A model that compares its rows would tell one caller of another's: its batches hold one request."""
    async with opened(tmp_path, graphs.compared()) as model:
        assert model.signature.batch_max == 0
        assert "depend" in model.placement.detail["batches"]
        batches = batcher(model)
        alone = [np.full((1, 2), number, np.float32) for number in range(8)]
        found = await asyncio.gather(*(batches.submit(Rows({"x": one}), deadline=FAR) for one in alone))
        assert all(one["y"].tolist() == [[0, 0]] for one in found)
        await batches.close()


async def test_types_that_the_protocol_lacks_are_refused(tmp_path: Path) -> None:
    """A list of maps, or 8-bit floats, cannot be served, and the message says what to do about it."""
    eighth = graphs.made(
        [node("Cast", ["x"], ["y"], to=1)], [value("x", TensorProto.FLOAT8E4M3FN, ["n"])], [value("y", 1, ["n"])],
        opset=19,
    )  # fmt: skip
    with pytest.raises(CannotStart, match="no type for"):
        async with opened(tmp_path, eighth):
            pass


async def test_callers_at_once_get_their_own_rows(tmp_path: Path) -> None:
    """400 callers of 1 to 3 rows, in batches: to each what its own numbers come to."""
    random = np.random.default_rng(3)
    given = [random.normal(size=(int(random.integers(1, 4)), 3)).astype(np.float32) for _ in range(400)]
    async with opened(tmp_path, graphs.encoder()) as model:
        batches = batcher(model, tenant_rows_max=2000)
        found = await asyncio.gather(*(batches.submit(Rows({"x": one}), deadline=FAR) for one in given))
        for one, outputs in zip(given, found, strict=True):
            assert outputs["y"] == pytest.approx(one @ graphs.matrix(), rel=1e-5, abs=1e-5)
        assert batches.statistics.runs < 200
        await batches.close()


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8))
@settings(max_examples=20, deadline=None)
async def test_batched_is_single(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    """However rows are cut into requests, they come to the same."""
    whole = np.arange(3 * sum(sizes), dtype=np.float32).reshape(-1, 3)
    parts = np.split(whole, np.cumsum(sizes)[:-1])
    async with opened(tmp_path_factory.getbasetemp() / "single", graphs.encoder(), prepared=False) as model:
        together = (await model.run(Rows({"x": whole})))["y"]
        batches = batcher(model, rows_max=4)
        found = await asyncio.gather(*(batches.submit(Rows({"x": one}), deadline=FAR) for one in parts))
        assert np.concatenate([one["y"] for one in found]).tolist() == together.tolist()
        await batches.close()


async def test_only_what_is_asked_for_is_answered(tmp_path: Path) -> None:
    """Outputs that nobody wants are not among the answers."""
    ones = np.ones((2, 4), np.float32)
    async with opened(tmp_path, graphs.adder()) as model:
        assert list(await model.run(Rows({"a": ones, "b": ones}, ("double",)))) == ["double"]
        assert set(await model.run(Rows({"a": ones, "b": ones}))) == {"sum", "double"}


async def test_values_that_do_not_fit_are_the_caller_s(tmp_path: Path) -> None:
    """A number outside of a table is a bad request of whoever sent it, not a failure, and no neighbour pays for it."""
    async with opened(tmp_path, graphs.picked()) as model:
        batches = batcher(model)
        numbers = [0, 1, 99, 3]
        given = [Rows({"number": np.array([one], np.int64)}) for one in numbers]
        found = await asyncio.gather(*(batches.submit(one, deadline=FAR) for one in given), return_exceptions=True)
        assert isinstance(found[2], RequestRefused)
        assert "99" not in str(found[2])
        assert [one["row"].tolist() for one in found if isinstance(one, dict)] == [[[0, 1]], [[2, 3]], [[6, 7]]]
        await batches.close()
    async with opened(tmp_path, graphs.echo()) as model:
        with pytest.raises(RequestRefused, match="half of a character"):
            await model.run(Rows({"text": np.array(["\ud800"], object)}))


UNLIKE: dict[str, tuple[list[Any], list[Any], tuple[int, ...], tuple[int, ...]]] = {
    "Add": (["n", "k"], ["n", "m"], (2, 3), (2, 4)),
    "MatMul": (["n", "k"], ["n", "m"], (2, 3), (2, 4)),
    "Concat": (["n", "k", 1], ["n", "m", "o"], (2, 3, 1), (2, 4, 5)),
}


@pytest.mark.parametrize("kind", UNLIKE)
async def test_shapes_that_do_not_go_together_are_the_caller_s(tmp_path: Path, kind: str) -> None:
    """Two inputs of sizes that each may have, and not both, are a bad request: they count against no engine."""
    one, other, *shapes = UNLIKE[kind]
    more: dict[str, Any] = {"axis": 1} if kind == "Concat" else {}
    inputs = [value("a", 1, one), value("b", 1, other)]
    made = graphs.made([node(kind, ["a", "b"], ["y"], **more)], inputs, [value("y", 1, ["n", "z", "q"][: len(one)])])
    given = {name: np.ones(shape, np.float32) for name, shape in zip("ab", shapes, strict=True)}
    async with opened(tmp_path, made, prepared=False) as model:
        with pytest.raises(RequestRefused, match="does not take values such as these"):
            await model.run(Rows(given))


@pytest.mark.parametrize(
    ("said", "is_theirs"),
    [
        ("Non-zero status code returned while running Add node. Name:'' Status Message: 3 by 4", True),
        (
            "Non-zero status code returned while running Add node. Status Message: CUDA failure 700: illegal access",
            False,
        ),
        ("Non-zero status code returned while running Conv node. Status Message: CUDNN failure 4", False),
        ("Non-zero status code returned while running Tile node. Status Message: Failed to allocate memory", False),
        ("Exiting due to terminate flag being set to true.", False),
    ],
)
def test_what_a_device_fails_in_is_the_engine_s(said: str, is_theirs: bool) -> None:
    """Memory and devices are not the caller's, although ONNX Runtime has the same kind of error for them."""
    assert unfit(Fail(f"[ONNXRuntimeError] : 1 : FAIL : {said}")) is is_theirs


async def test_a_run_that_nobody_waits_for_ends(tmp_path: Path) -> None:
    """Whoever leaves, and a model that is closed, ends what runs: no thread computes for ever."""
    for_ever = Rows({"times": np.array([1 << 40]), "x": np.zeros((1, 1), np.float32)})
    async with opened(tmp_path, graphs.looped(), prepared=False) as model:
        left = asyncio.create_task(model.run(for_ever))
        await asyncio.sleep(0.05)
        assert model._runs
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        async with asyncio.timeout(30):
            while model._runs:
                await asyncio.sleep(0.01)
        kept = asyncio.create_task(model.run(for_ever))
        await asyncio.sleep(0.05)
        await model.close()
        with pytest.raises(EngineError, match="the model failed with"):
            await kept
        with pytest.raises(EngineError, match="closed"):
            await model.run(for_ever)


async def test_usual_batches_have_run_before(tmp_path: Path) -> None:
    """A model whose sizes are known is warm for every usual number of rows; another one loads without."""
    async with opened(tmp_path, graphs.encoder(), batch_max=12) as model:
        assert model.placement.detail["warmed_rows"] == "1,2,4,8,12"
    open_size = graphs.made([node("Relu", ["x"], ["y"])], [value("x", 1, ["n", "m"])], [value("y", 1, ["n", "m"])])
    async with opened(tmp_path, open_size) as model:
        assert (model.placement.detail["warmed_rows"], model.signature.batch_max) == ("", 32)


async def test_bound_memory_is_taken_once_and_copies_are_counted(tmp_path: Path) -> None:
    """What a GPU does with its memory, done on the CPU: batches of a size share memory, and no answer changes afterwards."""
    async with opened(tmp_path, graphs.encoder()) as model:
        assert DeviceMemory.fits(model.signature)
        memory = DeviceMemory(onnxruntime, model._session, model.signature, "cpu", 0)
        memory.take(2)
        rows = [np.full((2, 3), number, np.float32) for number in range(5)]
        found = [memory.run({"x": one}, ["y"], None) for one in rows]
        for one, outputs in zip(rows, found, strict=True):
            assert outputs is not None
            assert outputs[0].tolist() == (one @ graphs.matrix()).tolist()
        assert memory.run({"x": rows[0][:1]}, ["y"], None) is None
        assert (memory.copies.runs, memory.copies.to_device, memory.copies.from_device) == (5, 5 * 24, 5 * 40)
    async with opened(tmp_path, graphs.doubled(TensorProto.BFLOAT16)) as model:
        assert not DeviceMemory.fits(model.signature)


async def test_a_device_s_memory_is_used_where_it_gives_the_same(tmp_path: Path) -> None:
    """Batches of usual sizes run in it, others without, and what cannot be taken is not used."""
    async with opened(tmp_path, graphs.encoder()) as model:
        model._bind("cpu", 0, 4)
        ones = np.ones((3, 3), np.float32)
        for rows in (1, 2, 3):
            found = await model.run(Rows({"x": ones[:rows]}))
            assert found["y"].tolist() == (ones[:rows] @ graphs.matrix()).tolist()
        assert model.placement.detail["bound_runs"] == "5"  # three when it was taken, and two of these
        model._memory = None
        model._bind("no such device", 0, 4)
        assert model._memory is None
        assert model.placement.detail["bound"].startswith("none: ")
