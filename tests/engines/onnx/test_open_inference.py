"""The onnx engine by the Open Inference Protocol: one model, a repository of them, and texts."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.engines.onnx import graphs
from tests.engines.onnx.asking import loaded
from tests.engines.onnx.judge import LABELS, judge
from tests.engines.onnx.tiny import model as names
from tests.engines.onnx.vectors import embedded, embedder

from yumen import CannotStart, EngineRequest, Native, RepositoryConfig, RequestRefused
from yumen.testing import RunningClock, UnitHost
from yumen_engines.onnx import Onnx, OnnxConfig

ROWS = [[1, 2, 3], [0.5, 0, -1]]
WANTED = (np.array(ROWS, np.float32) @ graphs.matrix()).tolist()


def request(model: str, inputs: list[dict[str, Any]], version: str = "", **members: Any) -> EngineRequest:
    """A request as the chain hands it over."""
    body = json.dumps({"inputs": inputs, **members}, ensure_ascii=False).encode()
    path = f"versions/{version}/infer" if version else "infer"
    return EngineRequest("0" * 32, "kserve", path, model, False, body, [], math.inf, tenant="t")


def numbers(model: str = "unit", version: str = "", rows: Any = ROWS) -> EngineRequest:
    """Rows for the encoder."""
    return request(model, [{"name": "x", "datatype": "FP32", "shape": [len(rows), 3], "data": rows}], version)


async def answered(engine: Onnx, asked: EngineRequest) -> dict[str, Any]:
    """The outputs of a reply by name."""
    reply = await engine.generate(asked)
    assert isinstance(reply, Native)
    return {one["name"]: one for one in json.loads(reply.body)["outputs"]}


@asynccontextmanager
async def started(config: OnnxConfig, host: UnitHost | None = None) -> AsyncIterator[Onnx]:
    """A loaded engine."""
    engine = Onnx(config)
    try:
        await engine.load(host or UnitHost(clock=RunningClock()))
        yield engine
    finally:
        await engine.close()


def repository(root: Path) -> OnnxConfig:
    """The configuration for a repository that is looked at when it is asked for."""
    return OnnxConfig(task="tensors", repository=RepositoryConfig(path=str(root), poll_s=0))


@pytest.mark.parametrize("as_file", [True, False])
async def test_one_model_is_served_under_the_engine_s_name(tmp_path: Path, as_file: bool) -> None:
    """`model` names a file or its folder; rows go in as JSON and come out as the model made them."""
    path = graphs.saved(tmp_path / "model.onnx", graphs.encoder())
    async with started(OnnxConfig(model=str(path if as_file else tmp_path), task="tensors")) as engine:
        found = await answered(engine, numbers())
        assert found["y"]["shape"] == [2, 5]
        assert np.reshape(found["y"]["data"], (2, 5)).tolist() == WANTED
        (placement,) = engine.placements()
        assert (placement.model, placement.version, placement.device) == ("unit", "1", "cpu")
        assert await engine.health() == ""
        assert len(engine.revision()) == 12


async def test_a_repository_serves_its_versions(tmp_path: Path) -> None:
    """A new version is taken up while the old one serves, what is broken is unavailable by itself, and says why."""
    graphs.saved(tmp_path / "encoder" / "1" / "model.onnx", graphs.encoder())
    graphs.saved(tmp_path / "texts" / "1" / "model.onnx", graphs.echo())
    graphs.weighty(tmp_path / "heavy" / "1")
    (tmp_path / "broken" / "1").mkdir(parents=True)
    (tmp_path / "broken" / "1" / "model.onnx").write_bytes(b"no model")
    async with started(repository(tmp_path)) as engine:
        models = engine.models()
        assert models is not None
        states = {one.name: one for one in await models.index()}
        assert {name for name, one in states.items() if one.state == "READY"} == {"encoder", "texts", "heavy"}
        assert "no whole ONNX model" in states["broken"].reason
        for name in ("encoder", "heavy"):
            assert (await answered(engine, numbers(name)))["y"]["shape"] == [2, 5]
        said = {"name": "text", "datatype": "BYTES", "shape": [2], "data": ["玉门", "gate"]}
        assert (await answered(engine, request("texts", [said])))["same"]["data"] == ["玉门", "gate"]
        before = engine.revision()
        asking = [asyncio.create_task(answered(engine, numbers("encoder"))) for _ in range(50)]
        graphs.saved(tmp_path / "encoder" / "2" / "model.onnx", graphs.made(
            [graphs.node("Neg", ["x"], ["y"])], [graphs.value("x", 1, ["n", 3])], [graphs.value("y", 1, ["n", 3])]
        ))  # fmt: skip
        await models.load("encoder")
        assert all(one["y"]["shape"] == [2, 5] for one in await asyncio.gather(*asking))
        assert (await answered(engine, numbers("encoder")))["y"]["shape"] == [2, 3]
        assert engine.revision() != before
        with pytest.raises(RequestRefused) as caught:
            await answered(engine, numbers("encoder", "1"))
        assert caught.value.code == "not_found"


async def test_what_is_asked_is_checked(tmp_path: Path) -> None:
    """Names, types and shapes are those of the model's own file, before anything runs."""
    path = graphs.saved(tmp_path / "model.onnx", graphs.encoder())
    one: dict[str, Any] = {"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}
    wrong: list[dict[str, Any]] = [
        {"name": "z"},
        {"datatype": "INT64"},
        {"shape": [1, 4], "data": [1, 2, 3, 4]},
        {"shape": [3], "data": [1, 2, 3]},
    ]
    async with started(OnnxConfig(model=str(path), task="tensors")) as engine:
        await answered(engine, request("unit", [one]))
        for change in wrong:
            with pytest.raises(RequestRefused):
                await answered(engine, request("unit", [{**one, **change}]))


async def test_plugins_run_tensors_too(tmp_path: Path) -> None:
    """`infer` takes arrays by name where the model is one of tensors."""
    path = graphs.saved(tmp_path / "model.onnx", graphs.encoder())
    async with started(OnnxConfig(model=str(path), task="tensors")) as engine:
        found = await engine.infer({"inputs": {"x": np.array(ROWS, np.float32)}})
        assert found["y"].tolist() == WANTED


@pytest.mark.parametrize("name", ["gone", "broken"])
async def test_one_model_that_cannot_load_keeps_the_engine_from_starting(tmp_path: Path, name: str) -> None:
    """An engine without a repository has nothing else to serve."""
    (tmp_path / "broken").write_bytes(b"no model")
    with pytest.raises(CannotStart, match=r"no model at|no whole ONNX model"):
        async with started(OnnxConfig(model=str(tmp_path / name), task="tensors")):
            pass


async def test_texts_are_asked_as_tensors(tmp_path: Path) -> None:
    """Embeddings, labels and spans come by `/v2` as plugins get them, in both languages."""
    given = ["退货", "我的快递到哪了，请帮我查一下订单", "My name is John Smith"]
    said = {"name": "text", "datatype": "BYTES", "shape": [3], "data": given}
    async with embedder() as engine:
        found = await answered(engine, request("unit", [said]))
        vectors = np.reshape(found["embedding"]["data"], found["embedding"]["shape"])
        assert vectors == pytest.approx(await embedded(engine, *given), abs=1e-6)
        assert found["cut"]["data"] == [0, 0, 0]
    async with loaded(judge(tmp_path / "judge"), task="classification") as engine:
        found = await answered(engine, request("unit", [said], outputs=[{"name": "label"}]))
        assert list(found) == ["label"]
        assert found["label"]["data"] == [LABELS[0], LABELS[1], LABELS[1]]
    async with loaded(names()) as engine:
        found = await answered(engine, request("unit", [said]))
        (span,) = json.loads(found["spans"]["data"][2])
        assert (given[2][span["start"] : span["end"]], span["label"]) == ("John Smith", "PER")


async def test_texts_that_are_no_texts_are_refused() -> None:
    """Numbers, another shape or no rows at all: a bad request, in words that hold nothing of it."""
    wrong: list[dict[str, Any]] = [
        {"datatype": "INT64", "shape": [1], "data": [1]},
        {"datatype": "BYTES", "shape": [1, 1], "data": ["张伟"]},
        {"datatype": "BYTES", "shape": [0], "data": []},
        {"datatype": "BYTES", "shape": [1], "data": [7]},
    ]
    async with embedder() as engine:
        for one in wrong:
            with pytest.raises(RequestRefused) as caught:
                await answered(engine, request("unit", [{"name": "text", **one}]))
            assert "张" not in str(caught.value)


async def test_the_rewritten_graph_is_kept_in_the_data_folder(tmp_path: Path) -> None:
    """Under the gateway's own secret, for models that read text too."""
    for kept in (False, True):
        async with started(
            OnnxConfig(model=str(names())), UnitHost(clock=RunningClock(), data_dir=tmp_path / "data")
        ) as engine:
            assert (await engine.infer({"texts": ["我叫张伟"]}))["entities"][0][0][2] == "PER"
            assert engine._model is not None
            assert engine._model.opened.kept == kept
    assert len(list((tmp_path / "data" / "models-cache").iterdir())) == 1
