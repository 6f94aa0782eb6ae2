"""On a real GPU with the real TensorRT: the small models, built, compared and run. Skipped wherever those are missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.engines.tensorrt import tiny

from yumen import EngineError, Rows
from yumen.testing import RunningClock, UnitHost
from yumen_engines.tensorrt import TensorRT, TensorRTConfig
from yumen_engines.tensorrt.capability import inspect
from yumen_engines.tensorrt.config import ParityConfig, PlanConfig
from yumen_engines.tensorrt.model import TensorRTModel

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def here() -> None:
    """Skips where something is missing, and says what."""
    found = inspect()
    if not found.ready:
        pytest.skip(found.text())


@asynccontextmanager
async def loaded(folder: Path, **config: Any) -> AsyncIterator[tuple[TensorRT, TensorRTModel]]:
    """A loaded engine with one model, which is ready."""
    engine = TensorRT(TensorRTConfig(**config))
    await engine.load(UnitHost(clock=RunningClock(), data_dir=folder / "data"))
    try:
        models = engine.models()
        assert models is not None
        assert await engine.health() == "", [state.reason for state in await models.index()]
        (model,) = engine._models
        yield engine, model
    finally:
        await engine.close()


@pytest.mark.parametrize("kind", [tiny.FLOAT, tiny.FLOAT16])
@pytest.mark.parametrize("graphs", [True, False])
async def test_rows_are_answered_in_every_bucket(tmp_path: Path, kind: int, graphs: bool) -> None:
    """Any number of rows gets its own answers, replayed or not, on several streams, by a new plan and by the kept one."""
    path = str(tiny.scaled(tmp_path / "m.onnx", kind))
    for _ in range(2):
        async with loaded(tmp_path, model=path, graphs=graphs, streams=2) as (engine, model):
            (placed,) = engine.placements()
            assert placed.detail["graphs"] == ("12" if graphs else "0")
            asked: list[Any] = [tiny.numbers(rows, rows).astype(np.float16 if kind == tiny.FLOAT16 else np.float32)
                     for rows in (1, 2, 3, 5, 8, 17, 31, 32) * 8]  # fmt: skip
            given = await asyncio.gather(*(model.run(Rows({"x": x})) for x in asked))
            for x, one in zip(asked, given, strict=True):
                np.testing.assert_allclose(one["y"], x * 2, rtol=1e-3)
                total: Any = one["total"]
                np.testing.assert_allclose(total, x.sum(axis=1, keepdims=True), rtol=2e-2, atol=2e-2)


async def test_sizes_that_are_open_run(tmp_path: Path) -> None:
    """Rows of any length within the shapes of policy are answered, in any order of lengths."""
    config = PlanConfig(buckets=(1, 4, 8), shapes=tiny.SHAPES)
    async with loaded(tmp_path, model=str(tiny.summed(tmp_path / "m.onnx")), plan=config) as (_, model):
        for rows, length in ((1, 1), (8, 16), (3, 5), (2, 16), (8, 1)):
            ids = np.arange(rows * length).reshape(rows, length)
            given = await model.run(Rows({"ids": ids, "mask": np.ones_like(ids)}))
            np.testing.assert_array_equal(given["sums"], ids.sum(axis=1, keepdims=True))


async def test_outputs_whose_size_the_numbers_say(tmp_path: Path) -> None:
    """An output that grows with what is in the input gets memory as it needs it."""
    path = str(tiny.places(tmp_path / "m.onnx"))
    async with loaded(tmp_path, model=path, plan=PlanConfig(buckets=(4,))) as (_, model):
        assert model.signature.batch_max == 0
        for x in (np.eye(4), np.ones((4, 4)), np.zeros((4, 4)), np.eye(4)):
            given = await model.run(Rows({"x": x.astype(np.float32)}))
            np.testing.assert_array_equal(given["where"], np.array(np.nonzero(x)))


async def test_a_model_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    """The gate compares real results: a plan of another model than the reference does not serve."""
    tiny.scaled(tmp_path / "other.onnx", factor=3)
    engine = TensorRT(TensorRTConfig(model=str(tiny.scaled(tmp_path / "m.onnx")), reference="other.onnx"))
    await engine.load(UnitHost(clock=RunningClock(), data_dir=tmp_path / "data"))
    try:
        assert await engine.health()
        with pytest.raises(EngineError):
            await engine.infer({"model": "unit", "inputs": {"x": tiny.numbers(1)}})
    finally:
        await engine.close()


async def test_a_table_is_read_wherever_it_is(tmp_path: Path) -> None:
    """Whole numbers up to the size of a table are compared, and run."""
    parity = ParityConfig(integers={"ids": 1000})
    async with loaded(tmp_path, model=str(tiny.looked_up(tmp_path / "m.onnx")), parity=parity) as (_, model):
        ids = np.arange(96).reshape(32, 3) * 10
        np.testing.assert_array_equal((await model.run(Rows({"ids": ids})))["y"], ids.astype(np.float32))


async def test_weights_beside_the_model_are_read(tmp_path: Path) -> None:
    """A model with its weights in another file is built with them."""
    async with loaded(tmp_path, model=str(tiny.weighed(tmp_path / "m.onnx"))) as (_, model):
        x = tiny.numbers(3)
        np.testing.assert_allclose((await model.run(Rows({"x": x})))["y"], x * 2, rtol=1e-6)
