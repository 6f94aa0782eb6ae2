"""`/v1/embeddings` answered by the onnx engine: to OpenAI's client, through a whole gateway, and what is refused."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openai import BadRequestError, OpenAI, UnprocessableEntityError
from tests.engines.onnx.asking import loaded
from tests.engines.onnx.vectors import EMBEDDER, counted, embedded, embedder
from tests.serving import Gateway

from yumen import EngineError, EngineRequest, Native, RequestRefused
from yumen_engines import onnx
from yumen_engines.onnx import serving

TEXTS = ["How do I return my order?", "怎么退货？", "Where is my parcel?", "我的快递到哪了"]
BUNDLE = {
    "gateway": """
version: 1
engines: {vectors: {adapter: onnx, egress: local, model: "%s", task: embeddings}}
routes:
  - {id: vectors, match: {paths: ["/v1/*"]}, engine: vectors, chain: [audit, anonymize]}
""",
    "audit": "version: 1\nplugin: audit\n",
    "anonymize": 'version: 1\nplugin: anonymize\nconfig: {detect: ["*"], action: {default: pseudonym}}\n',
}


def asked(path: str = "embeddings", **members: Any) -> EngineRequest:
    """A request as the chain hands it over."""
    body = json.dumps({"model": "small", **members}, ensure_ascii=False).encode()
    return EngineRequest("0" * 32, "openai", path, "small", False, body, [], math.inf)


async def said(engine: Any, **members: Any) -> tuple[int, Any]:
    """Status and body of a reply."""
    try:
        reply = await engine.generate(asked(**members))
    except RequestRefused as refused:  # the chain makes of it a reply of the dialect
        return 400, {"error": {"param": refused.param, "code": refused.code, "message": str(refused)}}
    assert isinstance(reply, Native)
    return reply.status, json.loads(reply.body)


async def test_one_text_and_many_get_their_vectors() -> None:
    """They are those of `infer`, exactly, in the order of the texts, with the tokens that were read."""
    async with embedder() as engine:
        wanted = await embedded(engine, *TEXTS)
        for texts in (TEXTS[1], TEXTS[1:2], TEXTS):
            status, body = await said(engine, input=texts, user="u", unheard_of=1)
            listed = [texts] if isinstance(texts, str) else texts
            assert (status, body["object"], body["model"]) == (200, "list", "small")
            assert [one["index"] for one in body["data"]] == list(range(len(listed)))
            places = [TEXTS.index(text) for text in listed]
            given = np.array([one["embedding"] for one in body["data"]], np.float32)
            assert given == pytest.approx(wanted[places], abs=1e-6)
            tokens = (await engine.infer({"texts": listed}))["tokens"]
            assert body["usage"] == {"prompt_tokens": sum(tokens), "total_tokens": sum(tokens)}


async def test_base64_holds_the_same_numbers() -> None:
    """Both forms are the same float32 numbers, bit by bit."""
    async with embedder() as engine:
        _, plain = await said(engine, input=TEXTS, encoding_format="float")
        _, packed = await said(engine, input=TEXTS, encoding_format="base64")
        for one, other in zip(plain["data"], packed["data"], strict=True):
            numbers = np.frombuffer(base64.b64decode(other["embedding"]), "<f4")
            assert numbers.tolist() == one["embedding"]


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": ["张伟", ""]}, "input"),
        ({"input": []}, "input"),
        ({"input": [15339, 1917]}, "input"),
        ({"input": [[15339], [1917]]}, "input"),
        ({"input": {"text": "张伟"}}, "input"),
        ({}, "input"),
        ({"input": ["x"] * 2049, "encoding_format": "base64"}, "input"),
        ({"input": ["x"] * 683}, "input"),
        ({"input": "张伟", "encoding_format": "binary"}, "input"),
        ({"input": "张伟", "dimensions": 95}, "dimensions"),
        ({"input": "张伟" * 400}, "input"),
        ({"input": "张伟" * 500_001}, "input"),
    ],
)
async def test_what_it_cannot_answer_is_refused(members: Any, param: str) -> None:
    """Empty texts, tokens, too many or too long texts, other sizes: an error of the dialect that holds none of the text."""
    async with embedder() as engine:
        status, body = await said(engine, **members)
        assert (status, body["error"]["param"], body["error"]["code"]) == (400, param, "bad_request")
        assert "张" not in body["error"]["message"]
        assert "x" not in body["error"]["message"].split()


async def test_as_many_texts_as_a_reply_holds_are_answered() -> None:
    """Base64 takes OpenAI's 2,048 texts, plain numbers fewer, since the chain reads each of them."""
    async with embedder(batch_max=256) as engine:
        for form, count in (("base64", 2048), ("float", serving.NUMBERS_MAX["float"] // 96)):
            status, body = await said(engine, input=["退货"] * count, encoding_format=form)
            assert (status, len(body["data"])) == (200, count)


async def test_its_own_size_may_be_asked_for() -> None:
    """`dimensions` is refused where it would change something, and only there."""
    async with embedder() as engine:
        status, body = await said(engine, input="退货", dimensions=96)
        assert (status, len(body["data"][0]["embedding"])) == (200, 96)


async def test_only_embeddings_answer_a_route() -> None:
    """A chat to a model of embeddings is no payload for it; a model that finds spans is no engine of a route."""
    async with embedder() as engine:
        with pytest.raises(RequestRefused) as caught:
            await engine.generate(asked("chat/completions", messages=[{"role": "user", "content": "hi"}]))
        assert caught.value.code == "unsupported_payload"
    with pytest.raises(EngineError, match="not loaded"):
        await engine.generate(asked(input="hi"))
    async with loaded() as other:
        with pytest.raises(EngineError, match="answers no route"):
            await other.generate(asked(input="hi"))


async def test_a_model_that_fails_is_an_engine_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong inside of the model is no fault of the caller, and its words stay here."""
    async with loaded(counted(tmp_path / "model"), task="embeddings") as engine:
        monkeypatch.setattr(engine._model, "run", lambda *_: 1 / 0)
        with pytest.raises(EngineError, match="failed with ZeroDivisionError"):
            await engine.generate(asked(input="张伟"))
        monkeypatch.setattr(onnx, "WAITING_MAX", 0)
        with pytest.raises(EngineError, match="under way") as busy:
            await engine.generate(asked(input="张伟"))
        assert busy.value.retry_after_s == 1, "too much to do is nothing against the engine, and passes"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that records, masks and embeds."""
    folder = tmp_path_factory.mktemp("vectors")
    (folder / "policies").mkdir()
    for name, text in BUNDLE.items():
        (folder / "policies" / f"{name}.yaml").write_text(text % EMBEDDER if "%s" in text else text)
    running = Gateway(folder, YUMEN_POLICIES=str(folder / "policies")).start()
    yield running
    running.stop()


def client(gateway: Gateway) -> OpenAI:
    """The official client."""
    return OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0)


@pytest.mark.server
async def test_the_official_client_gets_its_vectors(gateway: Gateway) -> None:
    """Through the whole chain, in either form, a vector comes to the caller as the model made it."""
    texts = [f"{text} {number}" for number in range(60) for text in TEXTS]
    async with embedder() as engine:
        wanted = await embedded(engine, *texts)
    with client(gateway) as asking:
        by_itself = asking.embeddings.create(model="small", input=texts)
        plain = asking.embeddings.create(model="small", input=texts, encoding_format="float")
    for reply in (by_itself, plain):
        assert np.array([one.embedding for one in reply.data]) == pytest.approx(wanted, abs=1e-6)
    assert by_itself.usage.prompt_tokens == by_itself.usage.total_tokens > len(texts)


@pytest.mark.server
async def test_the_model_reads_the_masked_form(gateway: Gateway) -> None:
    """A vector is made of what stands in the place of personal data: it does not say whose number it was."""
    texts = ["我的电话是13987650123，帮我查快递", "My phone is 13987650123, where is my parcel?"]
    with client(gateway) as asking:
        reply = asking.embeddings.create(model="small", input=texts)
    async with embedder() as engine:
        raw = await embedded(engine, *texts)
    for one, vector in zip(reply.data, raw, strict=True):
        assert np.array(one.embedding) @ vector < 0.99
    assert b"13987650123" not in gateway.ledger()


@pytest.mark.server
def test_the_official_client_reads_the_refusals(gateway: Gateway) -> None:
    """An error arrives as one that the client knows, with the member that is wrong."""
    with client(gateway) as asking:
        with pytest.raises(BadRequestError, match="dimensions") as caught:
            asking.embeddings.create(model="small", input="退货", dimensions=7)
        assert caught.value.param == "dimensions"
        with pytest.raises(UnprocessableEntityError):
            asking.chat.completions.create(model="small", messages=[{"role": "user", "content": "hi"}])
