"""A gateway as the upstream of this engine, asked with the request bodies of NVIDIA's own client: both ends are real."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from ml_dtypes import bfloat16
from tests.e2e.openinference.calculator import ROOT, install
from tests.engines.kserve.asking import loaded
from tests.serving import ADMIN_KEY, APP_KEY, Gateway
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult

from yumen import EngineError, EngineRequest, ModelState, Native
from yumen_engines.kserve import KServe

POLICY = """version: 1
engines: {tensors: {adapter: calculator, egress: local}}
routes:
  - id: tensors
    match: {paths: ["/v2/*"], models: [adder, echo, halves]}
    engine: tensors
    chain: [audit]
"""
TEXTS = np.array([["我的电话是13812345678"], ["Write to li.na@example.com 🙂"], [""]], dtype=object)
BOTH = pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with models that take tensors."""
    folder = tmp_path_factory.mktemp("peer")
    install(folder / "site")
    (folder / "policy").mkdir()
    (folder / "policy" / "gateway.yaml").write_text(POLICY)
    (folder / "policy" / "audit.yaml").write_text("version: 1\nplugin: audit\n")
    path = os.pathsep.join([str(folder / "site"), str(ROOT)])
    gateway = Gateway(folder, YUMEN_POLICIES=str(folder / "policy"), PYTHONPATH=path)
    try:
        yield gateway.start()
    finally:
        gateway.stop()


def url(peer: Gateway) -> str:
    return f"http://127.0.0.1:{peer.port}"


def given(name: str, values: Any, datatype: str, binary: bool) -> InferInput:
    made = InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def array(result: InferResult, name: str) -> Any:
    """An output that must be there."""
    found = result.as_numpy(name)
    assert found is not None
    return found


async def infer(engine: KServe, model: str, inputs: list[InferInput], **more: Any) -> tuple[Native, InferResult]:
    """Ask as the client would."""
    body, json_bytes = InferenceServerClient.generate_request_body(inputs, **more)
    reply = await engine.generate(
        EngineRequest(
            exchange_id="0" * 32, dialect="kserve", path="infer", model=model, streamed=False, body=bytes(body),
            messages=[], deadline=float("inf"), json_bytes=json_bytes or 0,
        )
    )  # fmt: skip
    return reply, InferResult.from_response_body(reply.body, header_length=reply.json_bytes or None)


@BOTH
async def test_numbers_are_added(peer: Gateway, binary: bool) -> None:
    """What goes in comes out exactly, whichever way it is written, with the request's id."""
    x = np.array([[1.5, -2.25, 3e30], [0.1, 0.0, -0.0]], np.float32)
    inputs = [given("x", x, "FP32", binary), given("y", np.full((2, 3), 0.5, np.float32), "FP32", binary)]
    outputs = [InferRequestedOutput("sum", binary_data=binary)]
    async with loaded(url(peer), api_key=APP_KEY) as engine:
        reply, result = await infer(engine, "adder", inputs, outputs=outputs, request_id="订单-7")
    np.testing.assert_array_equal(array(result, "sum"), x + np.float32(0.5))
    assert result.get_response()["id"] == "订单-7"
    assert bool(reply.json_bytes) is binary


@BOTH
async def test_texts_are_the_same_at_both_ends(peer: Gateway, binary: bool) -> None:
    """Chinese, English and empty texts arrive whole, and come back so."""
    async with loaded(url(peer), api_key=APP_KEY) as engine:
        outputs = [InferRequestedOutput(name, binary_data=binary) for name in ("text", "length")]
        _, result = await infer(engine, "echo", [given("text", TEXTS, "BYTES", binary)], outputs=outputs)
    found = [one.decode() if isinstance(one, bytes) else one for one in array(result, "text").ravel()]
    assert found == TEXTS.ravel().tolist()
    assert array(result, "length").ravel().tolist() == [len(text) for text in TEXTS.ravel()]


async def test_halves_keep_their_bits(peer: Gateway) -> None:
    """FP16 and BF16 pass both gateways bit by bit, what is no number among them."""
    half = np.array([[1.5, np.inf], [np.nan, -6e-8]], np.float16)
    brain = np.array([[1.5, np.inf], [np.nan, -1e-38]], bfloat16)
    async with loaded(url(peer), api_key=APP_KEY) as engine:
        _, result = await infer(
            engine, "halves", [given("half", half, "FP16", True), given("brain", brain, "BF16", True)]
        )
    assert array(result, "half").tobytes() == half.tobytes()
    assert array(result, "brain").tobytes() == brain.tobytes()


async def test_what_the_peer_refuses_is_the_caller_s_to_read(peer: Gateway) -> None:
    """Its words and status come back; a refused key of ours is an engine error instead."""
    body, json_bytes = InferenceServerClient.generate_request_body(
        [given("x", np.zeros((2, 2), np.float32), "FP32", True)]
    )
    asked = EngineRequest("0", "kserve", "infer", "adder", False, bytes(body), [], float("inf"), json_bytes or 0)
    async with loaded(url(peer), api_key=APP_KEY) as engine:
        refused = await engine.generate(asked)
    assert (refused.status, b"of shape" in refused.body or b"missing" in refused.body) == (400, True)
    async with loaded(url(peer), api_key="yk-wrong") as engine:
        with pytest.raises(EngineError, match="credential"):
            await engine.generate(asked)


async def test_the_peer_s_models_are_known(peer: Gateway) -> None:
    """Index, metadata, readiness and statistics are those of the peer, and its name is in the placement."""
    async with loaded(url(peer), live=True, api_key=APP_KEY) as engine:
        models = engine.models()
        assert list(await models.index()) == [ModelState(name, "1", "READY") for name in ("adder", "echo", "halves")]
        told = await models.metadata("adder")
        assert (told.platform, told.outputs[0].shape) == ("numpy", (-1, 3))
        assert await models.ready("adder")
        assert [one["name"] for one in await models.statistics("adder")] == ["adder"]
        with pytest.raises(LookupError):
            await models.metadata("other")
        assert engine.placements()[0].runtime.startswith("yumen ")


async def test_the_peer_s_models_are_loaded_and_unloaded(peer: Gateway) -> None:
    """With `control` and a key that may, an operator of this gateway takes a model away at the other and brings it back."""
    async with (
        loaded(url(peer), api_key=ADMIN_KEY, control=True) as operator,
        loaded(url(peer), api_key=APP_KEY) as engine,
    ):
        await operator.models().unload("halves")
        try:
            assert not await engine.models().ready("halves")
        finally:
            await operator.models().load("halves")
        assert await engine.models().ready("halves")
