"""The engine behind the whole data plane: what leaves of texts and tensors, and what comes back."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.engines.kserve.hostile import METADATA, Hostile, Wire, answer, binary, dump, output, reply

from yumen.testing import Call, Harness, Outcome, Used
from yumen_engines.kserve import KServe
from yumen_plugins.anonymize import Anonymize

PHONE, EMAIL = "13812345678", "li.na@example.com"
TEXTS = [f"请回电 {PHONE}，谢谢", f"Write to {EMAIL} or call {PHONE}."]
TOKEN = re.compile("<(?:CN_MOBILE|EMAIL)_[0-9a-z]{10}>")
TAIL = b"\x00\x00\xc0\x7f\x00\x00\x80\xff" + bytes(range(248))
TEXT_MODEL = {
    **METADATA,
    "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1, 1]}],
    "outputs": [{"name": "y", "datatype": "BYTES", "shape": [-1, 1]}],
}


@pytest.fixture
async def gateway(server: Hostile) -> AsyncIterator[Harness]:
    """A route to the server, with masking before it."""
    config = {"base_url": server.url, "retry_backoff_ms": 5}
    masking = Used(Anonymize, {"detect": ["cn.mobile", "email"]})
    async with Harness.of_engine(KServe, config, masking, egress="remote") as harness:
        yield harness


async def send(gateway: Harness, body: bytes, json_bytes: int = 0) -> Outcome:
    call = Call(path="/v2/models/m/infer", body=body)
    return await gateway.ask(call.saying(inference_header_content_length=str(json_bytes)) if json_bytes else call)


def packed(texts: list[str]) -> bytes:
    encoded = [one.encode() for one in texts]
    return b"".join(len(one).to_bytes(4, "little") + one for one in encoded)


def texts_sent(server: Hostile) -> list[str]:
    """The texts that have arrived at the server last."""
    request = server.asked("/infer")[-1]
    length = int(request.headers.get("inference-header-content-length", len(request.body)))
    found = json.loads(request.body[:length])["inputs"][0]["data"]
    assert isinstance(found, list)
    return found


def repeats(server: Hostile, *, as_bytes: bool) -> None:
    """Let the server answer with the texts that it was given, in JSON or as binary data."""

    async def script(wire: Wire) -> None:
        texts = texts_sent(server)
        if as_bytes:
            body, json_bytes = binary(("BYTES", [len(texts), 1], packed(texts)))
            await wire.send(reply(body, json_bytes=json_bytes))
        else:
            told = output(len(texts), datatype="BYTES", shape=[len(texts), 1], data=texts)
            await wire.send(reply(answer(2, outputs=[told])))

    server.scripts["/infer"] = script


@pytest.mark.parametrize("sent_as_bytes", [False, True])
@pytest.mark.parametrize("answered_as_bytes", [False, True])
async def test_texts_are_masked_on_their_way_out_and_restored_on_their_way_back(
    gateway: Harness, server: Hostile, sent_as_bytes: bool, answered_as_bytes: bool
) -> None:
    """The server sees pseudonyms only, in JSON or from binary data, Chinese and English; the client gets his own values."""
    server.metadata = TEXT_MODEL
    repeats(server, as_bytes=answered_as_bytes)
    text: dict[str, Any] = {"name": "text", "datatype": "BYTES", "shape": [2, 1]}
    if sent_as_bytes:
        data = packed(TEXTS)
        head = dump({"inputs": [{**text, "parameters": {"binary_data_size": len(data)}}]})
        outcome = await send(gateway, head + data, len(head))
    else:
        outcome = await send(gateway, dump({"inputs": [{**text, "data": TEXTS}]}))
    assert outcome.status == 200
    assert json.loads(outcome.body)["outputs"][0]["data"] == TEXTS
    arrived = server.asked("/infer")[-1].body
    assert PHONE.encode() not in arrived
    assert EMAIL.encode() not in arrived
    seen = texts_sent(server)
    assert [len(TOKEN.findall(one)) for one in seen] == [1, 2]
    assert TOKEN.sub("", seen[0]) == "请回电 ，谢谢"


@pytest.mark.parametrize(
    ("datatype", "shape"), [("FP32", [1, 64]), ("FP16", [1, 128]), ("BF16", [1, 128]), ("UINT8", [1, 256])]
)
async def test_numbers_pass_as_they_are(gateway: Harness, server: Hostile, datatype: str, shape: list[int]) -> None:
    """A binary tensor goes out and comes back byte for byte, though a text beside it is masked."""
    server.metadata = {**METADATA, "inputs": [], "outputs": []}

    async def script(wire: Wire) -> None:
        body, json_bytes = binary((datatype, shape, TAIL))
        await wire.send(reply(body, json_bytes=json_bytes))

    server.scripts["/infer"] = script
    text = packed(TEXTS[:1])
    inputs = [
        {"name": "text", "datatype": "BYTES", "shape": [1, 1], "parameters": {"binary_data_size": len(text)}},
        {"name": "x", "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(TAIL)}},
    ]
    head = dump({"inputs": inputs})
    outcome = await send(gateway, head + text + TAIL, len(head))
    assert outcome.status == 200
    assert outcome.body.endswith(TAIL)
    assert int(outcome.headers["inference-header-content-length"]) == len(outcome.body) - len(TAIL)
    assert server.asked("/infer")[-1].body.endswith(TAIL)
    assert PHONE.encode() not in server.asked("/infer")[-1].body


async def test_the_words_of_a_refusal_are_restored_too(gateway: Harness, server: Hostile) -> None:
    """A server that repeats what it was given in its error has repeated pseudonyms, and the client reads his own words."""

    async def script(wire: Wire) -> None:
        await wire.send(reply({"error": f"cannot read {texts_sent(server)[0]}"}, status=400))

    server.scripts["/infer"] = script
    text = {"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": TEXTS[:1]}
    outcome = await send(gateway, dump({"inputs": [text]}))
    assert (outcome.status, json.loads(outcome.body)["error"]) == (400, f"cannot read {TEXTS[0]}")


TWICE = dump(answer(1)).replace(b'{"model_name"', b'{"outputs": [' + dump(output(1, data=[9, 9])) + b'], "model_name"')


@pytest.mark.parametrize("body", [TWICE, b"garbage", dump(answer(3))], ids=["a member twice", "garbage", "wrong rows"])
async def test_what_is_no_answer_reaches_no_client(gateway: Harness, server: Hostile, body: bytes) -> None:
    """It ends with an error of the gateway, also where another reader would see another reply in it."""

    async def script(wire: Wire) -> None:
        await wire.send(reply(body))

    server.scripts["/infer"] = script
    text = {"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": ["hi"]}
    outcome = await send(gateway, dump({"inputs": [text]}))
    assert (outcome.status, json.loads(outcome.body)["code"]) == (502, "engine_unavailable")
