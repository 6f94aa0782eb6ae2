"""The engine as the gateway has it: models by the Open Inference Protocol, versions, health, and plans built ahead."""

from __future__ import annotations

import asyncio
import importlib
import json
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.engines.tensorrt import tiny
from tests.engines.tensorrt.fake_cuda import Error
from tests.engines.tensorrt.made import Bench

from yumen import CannotStart, EngineError, EngineRequest, Native, RequestRefused
from yumen.tensors.repository import RepositoryConfig
from yumen.testing import RunningClock, UnitHost
from yumen_engines.tensorrt import Opened, TensorRT, TensorRTConfig
from yumen_engines.tensorrt.config import BuildConfig, ParityConfig, PlanConfig


@pytest.fixture
def machine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A machine on which the fakes are what `import` finds."""
    real = importlib.import_module
    modules: dict[str, Any] = {"tensorrt": bench.trt, "cuda.bindings.runtime": bench.cuda}
    monkeypatch.setattr(importlib, "import_module", lambda name: modules.get(name) or real(name))
    return bench


@asynccontextmanager
async def loaded(bench: Bench, **config: Any) -> AsyncIterator[TensorRT]:
    """A loaded engine; afterwards nothing is held, and nothing was done out of order."""
    engine = TensorRT(TensorRTConfig(**config))
    await engine.load(UnitHost(clock=RunningClock(), data_dir=bench.folder / "data"))
    try:
        yield engine
    finally:
        await engine.close()
    assert (bench.cuda.held, bench.cuda.mistakes) == (0, [])


async def built(bench: Bench, told: list[str], **config: Any) -> Sequence[Opened]:
    """What `prepare` does, after which nothing is held."""
    engine = TensorRT(TensorRTConfig(**config))
    try:
        return await engine.prepare(UnitHost(clock=RunningClock(), data_dir=bench.folder / "data"), told.append)
    finally:
        await engine.close()
        assert bench.cuda.held == 0


async def reasons(engine: TensorRT) -> str:
    """Why versions do not serve."""
    models = engine.models()
    assert models is not None
    return " ".join(state.reason for state in await models.index())


async def asked(engine: TensorRT, x: Any, model: str = "unit") -> Any:
    """The outputs of a request of the protocol, by name."""
    body = {"inputs": [{"name": "x", "shape": list(x.shape), "datatype": "FP32", "data": x.ravel().tolist()}]}
    request = EngineRequest(
        exchange_id="e",
        dialect="kserve",
        path="infer",
        model=model,
        streamed=False,
        body=json.dumps(body).encode(),
        messages=[],
        deadline=time.monotonic() + 60,
        tenant="acme",
    )
    answer = await engine.generate(request)
    assert isinstance(answer, Native)
    assert answer.status == 200
    given = json.loads(answer.body)["outputs"]
    return {one["name"]: np.array(one["data"]).reshape(one["shape"]) for one in given}


async def test_requests_of_the_protocol_are_answered(machine: Bench, tmp_path: Path) -> None:
    """Callers at the same time get their own rows, through batches and buckets."""
    async with loaded(machine, model=str(tiny.scaled(tmp_path / "m.onnx")), streams=2) as engine:
        assert engine.batch.runs_max == 2
        assert await engine.health() == ""
        rows = [tiny.numbers(1 + seed % 3, seed) for seed in range(40)]
        for x, given in zip(rows, await asyncio.gather(*(asked(engine, x) for x in rows)), strict=True):
            np.testing.assert_allclose(given["y"], x * 2, rtol=1e-6)
        plain = await engine.infer({"inputs": {"x": tiny.numbers(2)}})
        np.testing.assert_array_equal(plain["y"], tiny.numbers(2) * 2)


async def test_the_placement_is_what_runs(machine: Bench, tmp_path: Path) -> None:
    """Operators are told the GPU, the runtime, the graphs and how near to the reference the model came."""
    async with loaded(machine, model=str(tiny.scaled(tmp_path / "m.onnx"))) as engine:
        (placed,) = engine.placements()
        assert (placed.model, placed.version, placed.device) == ("unit", "1", "cuda:0")
        assert (placed.providers, placed.runtime) == (("TensorRT",), "tensorrt 11.4.0.106")
        detail = {**placed.detail}
        assert detail.pop("parity").endswith("of what is allowed")
        assert detail == {"gpu": "Fake H200", "compute": "9.0", "streams": "1", "graphs": "6"}
        assert engine.revision()


async def test_a_plan_that_is_off_never_serves(machine: Bench, tmp_path: Path) -> None:
    """The engine is not well, requests are refused, and the reason names the output; another tolerance lets it serve."""
    machine.trt.error = 0.01
    path = str(tiny.scaled(tmp_path / "m.onnx"))
    async with loaded(machine, model=path) as engine:
        assert await engine.health() == "not ready: unit"
        assert "times the tolerance" in await reasons(engine)
        with pytest.raises(EngineError):
            await asked(engine, tiny.numbers(1))
    async with loaded(machine, model=path, parity=ParityConfig(rtol=0.1)) as engine:
        assert await engine.health() == ""


async def test_a_repository_has_models_with_plans_of_their_own(machine: Bench, tmp_path: Path) -> None:
    """Each model may have buckets, shapes and tolerances of its own; what is wrong there is told, and hurts no other."""
    root = tmp_path / "models"
    tiny.scaled(root / "double" / "1" / "model.onnx")
    tiny.summed(root / "sums" / "1" / "model.onnx")
    tiny.fixed(root / "wrong" / "1" / "model.onnx")
    shapes = "{ids: {min: [1], opt: [4], max: [8]}, mask: {min: [1], opt: [4], max: [8]}}"
    (root / "sums" / "config.yaml").write_text(f"options:\n  plan: {{buckets: [1, 2], shapes: {shapes}}}\n")
    (root / "wrong" / "config.yaml").write_text("options:\n  plan: {bucket: [1]}\n")
    async with loaded(machine, repository=RepositoryConfig(path=str(root), poll_s=0)) as engine:
        ids = np.arange(8).reshape(2, 4)
        given = await engine.infer({"model": "sums", "inputs": {"ids": ids, "mask": np.ones_like(ids)}})
        np.testing.assert_array_equal(given["sums"], [[6], [22]])
        np.testing.assert_allclose((await asked(engine, tiny.numbers(5), "double"))["total"].shape, (5, 1))
        assert "`options` of the model wrong" in await reasons(engine)
        with pytest.raises(RequestRefused):
            await engine.infer({"model": "sums", "inputs": {"ids": np.ones((1, 9), int), "mask": np.ones((1, 9), int)}})


async def test_a_new_version_takes_the_place_of_the_old(machine: Bench, tmp_path: Path) -> None:
    """A version is built and compared beside the one that serves; the old one's memory is given back."""
    root = tmp_path / "models"
    tiny.scaled(root / "m" / "1" / "model.onnx")
    async with loaded(machine, repository=RepositoryConfig(path=str(root), poll_s=0)) as engine:
        before, held = engine.revision(), machine.cuda.held
        tiny.scaled(root / "m" / "2" / "model.onnx", factor=3)
        models = engine.models()
        assert models is not None
        await models.load("m")
        np.testing.assert_allclose((await asked(engine, tiny.numbers(2), "m"))["y"], tiny.numbers(2) * 3, rtol=1e-6)
        assert engine.revision() != before
        assert machine.cuda.held == held
        shutil.rmtree(root / "m" / "2")


async def test_a_device_that_failed_is_told(machine: Bench, tmp_path: Path) -> None:
    """After an error that spoils the device the engine is not well, so that whoever balances asks others."""
    async with loaded(machine, model=str(tiny.scaled(tmp_path / "m.onnx"))) as engine:
        machine.cuda.fail["cudaStreamSynchronize"] = [Error.cudaErrorIllegalAddress]
        with pytest.raises(EngineError):
            await asked(engine, tiny.numbers(1))
        assert "cudaErrorIllegalAddress" in await engine.health()


async def test_plans_are_built_ahead(machine: Bench, tmp_path: Path) -> None:
    """What `prepare` has built serves a gateway that builds nothing itself, and nothing stays loaded."""
    config: dict[str, Any] = {"model": str(tiny.scaled(tmp_path / "m.onnx")), "build": BuildConfig(at_start=False)}
    async with loaded(machine, **config) as engine:
        assert "run `yumen engines build`" in await reasons(engine)
    told: list[str] = []
    (opened,) = await built(machine, told, **config)
    assert (opened.model, opened.built, opened.rows_max, opened.graphs) == ("unit", True, 32, 6)
    assert told[0].startswith("building a plan of m.onnx")
    async with loaded(machine, **config) as engine:
        assert await engine.health() == ""
    assert [one.built for one in await built(machine, told, **config)] == [False]


async def test_what_cannot_be_built_ahead_is_told(machine: Bench, tmp_path: Path) -> None:
    """Whoever builds ahead is told which version may not serve, and why."""
    (tmp_path / "m.onnx").write_bytes(b"garbage")
    with pytest.raises(CannotStart, match=r"unit/1: cannot load .*m\.onnx: it is no whole ONNX model"):
        await built(machine, [], model=str(tmp_path / "m.onnx"))
    with pytest.raises(CannotStart, match="there is no model at"):
        await built(machine, [], model=str(tmp_path / "nothing.onnx"))


def test_the_configuration_is_its_own() -> None:
    """Policy is checked against the keys of this engine."""
    assert TensorRT.config_type is TensorRTConfig


async def test_another_gateway_s_plans_are_built_again(machine: Bench, tmp_path: Path) -> None:
    """The key of the signature is derived from the gateway's own secret."""
    path = tiny.scaled(tmp_path / "m.onnx")
    for root, built in ((b"r" * 32, 1), (b"r" * 32, 1), (b"x" * 32, 2)):
        engine = TensorRT(TensorRTConfig(model=str(path)))
        await engine.load(UnitHost(clock=RunningClock(), data_dir=tmp_path / "data", root=root))
        await engine.close()
        assert machine.trt.built == built


async def test_a_load_that_is_given_up_ends_its_build(machine: Bench, tmp_path: Path) -> None:
    """A gateway that stops while it builds does not wait for the build, and leaves neither a lock nor memory."""
    path = tiny.scaled(tmp_path / "m.onnx")
    machine.trt.slow = True
    engine = TensorRT(TensorRTConfig(model=str(path)))
    loading = asyncio.create_task(engine.load(UnitHost(clock=RunningClock(), data_dir=tmp_path / "data")))
    async with asyncio.timeout(60):
        while not machine.trt.building.is_set():
            await asyncio.sleep(0.005)
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        await engine.close()
    assert (machine.trt.stopped, machine.trt.built, machine.cuda.held) == (True, 0, 0)
    machine.trt.slow = False
    assert machine.planned(path).built


@pytest.mark.parametrize("config", [{}, {"model": "/m.onnx", "repository": RepositoryConfig(path="/models")}])
def test_one_source_of_models_is_named(config: Any) -> None:
    """Neither none nor two."""
    with pytest.raises(ValueError, match="`model`"):
        TensorRTConfig(**config)


async def test_a_reference_beside_the_model_is_used(machine: Bench, tmp_path: Path) -> None:
    """A model of half precision is held against the file that policy names, and a missing file refuses."""
    tiny.scaled(tmp_path / "full.onnx")
    path = str(tiny.scaled(tmp_path / "half.onnx", tiny.FLOAT16))
    async with loaded(machine, model=path, reference="full.onnx", plan=PlanConfig(buckets=(1, 4))) as engine:
        assert await engine.health() == ""
    async with loaded(machine, model=path, reference="nothing.onnx") as engine:
        assert "nothing.onnx" in await reasons(engine)
