"""New versions take the place of old ones under load, and nobody notices but by the numbers they get."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.core.tensors.adders import SIGNATURE, Adders, answer, asked, put, serving, until

from yumen import EngineError, RequestRefused
from yumen.tensors import Placement, Rows, Tensors
from yumen.tensors.repository import Folder, RepositoryConfig, VersionFiles
from yumen.testing import RunningClock, UnitHost

CALLERS, SWAPS = 6, 50


class OnnxAdder:
    """The same in ONNX Runtime. See `yumen.TensorModel`."""

    platform = "onnxruntime_onnx"
    signature = SIGNATURE

    def __init__(self, files: VersionFiles, session: Any) -> None:
        self.revision = hashlib.sha256(files.path.read_bytes()).hexdigest()[:12]
        self.placement = Placement(model=files.model, version=files.version, providers=tuple(session.get_providers()))
        self.closed = 0
        self._session: Any = session

    async def run(self, rows: Rows) -> Tensors:
        assert not self.closed, "a closed model was asked"
        sums, versions = await asyncio.to_thread(self._session.run, ["sum", "version"], {"x": rows.inputs["x"]})
        return {"sum": sums, "version": versions}

    async def close(self) -> None:
        self.closed += 1
        self._session = None


class OnnxAdders(Adders):
    """The adapter of `OnnxAdder`."""

    def source(self) -> Folder:
        return Folder(self.config)

    async def open_version(self, files: VersionFiles) -> Any:
        import onnxruntime

        model = OnnxAdder(files, await asyncio.to_thread(onnxruntime.InferenceSession, str(files.path)))
        self.made.append(model)  # type: ignore[arg-type]
        return model


def onnx_adder(version: int) -> bytes:
    """A model that adds its version to each number, and says which version it is."""
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "number"], ["sum"]),
            helper.make_node("Mul", ["x", "zero"], ["nothing"]),
            helper.make_node("Add", ["nothing", "number"], ["versions"]),
            helper.make_node("ReduceMax", ["versions", "axes"], ["version"], keepdims=0),
        ],
        "adder",
        [helper.make_tensor_value_info("x", TensorProto.INT64, ["rows", 2])],
        [
            helper.make_tensor_value_info("sum", TensorProto.INT64, ["rows", 2]),
            helper.make_tensor_value_info("version", TensorProto.INT64, ["rows"]),
        ],
        [
            helper.make_tensor("number", TensorProto.INT64, [1], [version]),
            helper.make_tensor("zero", TensorProto.INT64, [1], [0]),
            helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


async def asks(engine: Adders, caller: int, ended: asyncio.Event) -> list[int]:
    """Ask again and again; which version answered each time, all of them rightly."""
    seen: list[int] = []
    while not ended.is_set():
        said = await answer(engine, asked([caller, len(seen)]))
        (version,) = said["version"]
        assert said["model_version"] == str(version)
        assert said["sum"] == [caller + version, len(seen) + version]
        seen.append(version)
    return seen


async def swapped(engine: Adders, put_version: Any, swaps: int) -> None:
    """Load version after version while callers ask; each must be answered by what served then, and every time."""
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(asks(engine, caller, ended)) for caller in range(CALLERS)]
        for version in range(2, swaps + 2):
            put_version(version)
            models = engine.models()
            assert models is not None
            await models.load("adder")
            assert (await answer(engine, asked()))["model_version"] == str(version)
            assert sum(not model.closed for model in engine.made) == 1
        ended.set()
    for caller in callers:
        seen = caller.result()
        assert seen == sorted(seen), "an older version answered after a newer one"
    assert len({version for caller in callers for version in caller.result()}) > swaps // 2
    assert [model.closed for model in engine.made] == [1] * swaps + [0]


async def test_no_request_is_dropped_in_fifty_swaps(tmp_path: Path) -> None:
    """Every request of many callers is answered, each by one version, while fifty new ones take over; each closes once."""
    put(tmp_path, "adder", 1, 1)
    async with serving(tmp_path) as engine:
        await swapped(engine, lambda version: put(tmp_path, "adder", version, version), SWAPS)
        assert engine.open_most == 2


async def test_no_request_is_dropped_with_a_real_runtime(tmp_path: Path) -> None:
    """The same holds for ONNX Runtime, whose sessions run in threads."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")

    def write(version: int) -> None:
        folder = tmp_path / "adder" / str(version)
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(onnx_adder(version))

    write(1)
    engine = OnnxAdders(RepositoryConfig(path=str(tmp_path), poll_s=0))
    try:
        await engine.load(UnitHost(clock=RunningClock()))
        await swapped(engine, write, SWAPS)
        assert engine.placements()[0].providers == ("CPUExecutionProvider",)
    finally:
        await engine.close()
    assert [model.closed for model in engine.made] == [1] * (SWAPS + 1)


async def test_requests_that_were_read_before_a_swap_end_after_it(tmp_path: Path) -> None:
    """A version stays open for whoever has begun to use it, also where that one has not come to its batcher yet."""
    put(tmp_path, "adder", 1, 1)
    async with serving(tmp_path) as engine:
        repository = engine._repository
        assert repository is not None
        with repository.serving("adder") as old:
            put(tmp_path, "adder", 2, 2)
            loading = asyncio.ensure_future(repository.load("adder"))
            await until(lambda: repository.serving("adder") is not old)
            await asyncio.sleep(0.05)  # long enough for it to be closed, if it were
            assert [model.closed for model in engine.made] == [0, 0]
            outputs = await old.batcher.submit(
                Rows({"x": np.array([[1, 1]])}), deadline=time.monotonic() + 30.0, tenant="t"
            )
            assert outputs["version"].tolist() == [1]
        await loading
        assert [model.closed for model in engine.made] == [1, 0]


async def test_loads_unloads_and_callers_at_once(tmp_path: Path) -> None:
    """Whatever is loaded and unloaded meanwhile, a caller is answered rightly or told that there is no model."""
    put(tmp_path, "adder", 1, 1)
    ended = asyncio.Event()
    refused = answered = 0

    async def call() -> None:
        nonlocal refused, answered
        while not ended.is_set():
            try:
                said = await answer(engine, asked([5, 6]))
                assert said["sum"] == [5 + said["version"][0], 6 + said["version"][0]]
                answered += 1
            except RequestRefused as error:
                assert error.code == "not_found"
                refused += 1
            except EngineError as error:
                assert error.again
                refused += 1
            await asyncio.sleep(0)

    async with serving(tmp_path) as engine:
        models = engine.models()
        assert models is not None
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(call())
            for version in range(2, 12):
                put(tmp_path, "adder", version, version)
                loads = [models.load("adder") for _ in range(3)]
                await asyncio.gather(*loads, models.unload("adder"), models.load("adder"), return_exceptions=True)
                await models.load("adder")
                assert engine.open_now <= 2
                await models.unload("adder")
                assert engine.open_now == 0
            ended.set()
        assert refused
        assert answered
    assert all(model.closed == 1 for model in engine.made)
    assert not asyncio.all_tasks() - {asyncio.current_task()}
