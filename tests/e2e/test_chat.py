"""The main job, end to end: the official client talks through a real gateway process to a recording upstream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import APIStatusError, OpenAI
from tests import ledgers
from tests.serving import Gateway
from tests.upstream import Upstream

pytestmark = pytest.mark.server

PHONE, ID_CARD, CARD, MAIL, ADDRESS = (
    "13987650123",
    "110101199003077213",
    "4111111111111111",
    "wang.fang@example.org",
    "192.168.10.24",
)
RAW = (PHONE, ID_CARD, CARD, MAIL, ADDRESS)
CONVERSATIONS = {
    "en": f"My phone is {PHONE}, my ID number {ID_CARD}, card {CARD}, mail {MAIL}, and I write from {ADDRESS}.",
    "zh": f"我的电话是{PHONE}，身份证号{ID_CARD}，卡号{CARD}，邮箱{MAIL}，地址{ADDRESS}，谢谢。",
}


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Gateway]:
    """The starter bundle in front of a recording upstream."""
    folder = tmp_path_factory.mktemp("proxied")
    gateway = Gateway(folder, YUMEN_UPSTREAM=upstream.url, YUMEN_UPSTREAM_KEY="upstream-secret-key").start()
    yield gateway
    gateway.stop()


@pytest.fixture(params=["proxied", "embedded"])
def any_gateway(request: pytest.FixtureRequest) -> Gateway:
    """Both ways of being answered."""
    gateway: Gateway = request.getfixturevalue(request.param)
    return gateway


def client(gateway: Gateway) -> OpenAI:
    return OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0)


def messages(text: str) -> Any:
    return [
        {"role": "system", "content": "Repeat what you are told. 请复述。"},
        {"role": "user", "content": text},
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_plain(proxied: Gateway, upstream: Upstream, language: str) -> None:
    """The upstream sees pseudonyms only, the client gets them restored, and headers say what was done."""
    upstream.clear()
    with client(proxied) as openai:
        raw = openai.chat.completions.with_raw_response.create(model="echo", messages=messages(CONVERSATIONS[language]))
    reply = raw.parse().choices[0].message.content
    assert reply is not None
    assert all(value in reply for value in RAW)
    for seen in upstream.requests:
        assert not any(value in seen.body.decode() for value in RAW)
        assert seen.headers["authorization"] == "Bearer upstream-secret-key"
        assert proxied.key not in str(seen.headers)
    assert len(raw.headers["x-request-id"]) == 32
    assert len(raw.headers["x-policy-hash"]) == 12
    assert raw.headers["x-audit-receipt"]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("model", ["echo", "split-1", "split-3", "midchar+piece-1"])
def test_streamed(proxied: Gateway, upstream: Upstream, language: str, model: str) -> None:
    """The same when streamed, with events and characters cut anywhere."""
    upstream.clear()
    with client(proxied) as openai:
        stream = openai.chat.completions.create(
            model=model,
            messages=messages(CONVERSATIONS[language]),
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
    reply = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert all(value in reply for value in RAW)
    assert "<" not in reply
    assert chunks[-1].usage is not None
    assert not any(value in seen.body.decode() for seen in upstream.requests for value in RAW)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_embedded_engine_answers_plain_and_streamed(embedded: Gateway, language: str) -> None:
    """Out of the box there is an answer, in the language of the question, with what was noted restored."""
    with client(embedded) as openai:
        plain = openai.chat.completions.create(model="assistant", messages=messages(CONVERSATIONS[language]))
        stream = openai.chat.completions.create(
            model="assistant", messages=messages(CONVERSATIONS[language]), stream=True
        )
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    content = plain.choices[0].message.content
    assert content == streamed
    assert content is not None
    assert PHONE in content
    assert any("\u4e00" <= char <= "\u9fff" for char in content) is (language == "zh")


def test_a_conversation_keeps_its_pseudonyms(proxied: Gateway, upstream: Upstream) -> None:
    """The same value is the same pseudonym in every turn, though the client sends restored replies back."""
    upstream.clear()
    history = messages(CONVERSATIONS["zh"])
    with client(proxied) as openai:
        for _ in range(3):
            reply = openai.chat.completions.create(model="echo", messages=history)
            history.append({"role": "assistant", "content": reply.choices[0].message.content})
            history.append({"role": "user", "content": f"再说一遍我的电话 {PHONE}"})
    bodies = [json.loads(seen.body) for seen in upstream.requests]
    token = bodies[0]["messages"][1]["content"].split("我的电话是")[1].split("，")[0]
    assert token.startswith("<CN_MOBILE_")
    assert all(token in body["messages"][-1]["content"] for body in bodies)
    assert PHONE not in str(bodies)


def test_tool_arguments_are_masked_and_restored(proxied: Gateway, upstream: Upstream) -> None:
    """Tool calls of the history are masked inside their JSON, and those of the reply come back restored and valid."""
    upstream.clear()
    arguments = json.dumps({"phone": PHONE, "mail": [MAIL], "number": int(PHONE)}, ensure_ascii=False)
    call = {"id": "call_1", "type": "function", "function": {"name": "order", "arguments": arguments}}
    history = [
        *messages(CONVERSATIONS["en"]),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": f"ok, {PHONE}"},
        {"role": "user", "content": f"again for {PHONE}"},
    ]
    with client(proxied) as openai:
        plain = openai.chat.completions.create(model="tool", messages=history)
        stream = openai.chat.completions.create(model="tool", messages=history, stream=True)
        pieces = [
            tool.function.arguments or ""
            for chunk in stream
            for choice in chunk.choices
            for tool in choice.delta.tool_calls or []
            if tool.function
        ]
    assert not any(value in seen.body.decode() for seen in upstream.requests for value in (PHONE, MAIL))
    calls = plain.choices[0].message.tool_calls
    assert calls
    assert PHONE in str(json.loads(calls[0].function.arguments))  # type: ignore[union-attr]  # the upstream calls functions
    assert PHONE in str(json.loads("".join(pieces)))


def test_the_ledger_holds_it_and_shows_tampering(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> None:
    """The exchange is in the ledger without any raw value; verify holds, and one flipped byte is found and named."""
    gateway = Gateway(tmp_path_factory.mktemp("ledger"), YUMEN_UPSTREAM=upstream.url).start()
    try:
        with client(gateway) as openai:
            for text in CONVERSATIONS.values():
                openai.chat.completions.create(model="echo", messages=messages(text), user=PHONE)
                raw = openai.chat.completions.with_raw_response.create(
                    model="echo", messages=messages(text), stream=True
                )
                list(raw.parse())
        receipt = raw.headers["x-audit-receipt"]
    finally:
        gateway.stop()
    ledger = gateway.ledger()
    assert ledger
    assert not any(value.encode() in ledger for value in RAW)
    assert not any(value in gateway.log for value in RAW)
    verified = gateway.yumen("audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    shown = gateway.yumen("audit", "show", receipt, "--json")
    assert shown.returncode == 0, shown.stderr
    assert receipt in shown.stdout
    journal = next(path for path in ledgers.journals(gateway.data_dir) if receipt.encode() in path.read_bytes())
    content = bytearray(journal.read_bytes())
    place = content.index(receipt.encode())
    content[place] ^= 1
    journal.write_bytes(content)
    verified = gateway.yumen("audit", "verify")
    assert verified.returncode == 2
    assert journal.name in verified.stdout + verified.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ({"key": "wrong-key-wrong-key"}, 401, "unauthorized"),
        ({"model": "status-503"}, 502, "engine_unavailable"),
        ({"model": "status-401"}, 502, "engine_unavailable"),
        ({"model": "garbage-0"}, 502, "engine_unavailable"),
        ({"media": True}, 422, "unsupported_payload"),
    ],
)
def test_errors_reach_the_official_client_as_its_own(
    proxied: Gateway, arguments: dict[str, Any], status: int, code: str
) -> None:
    """Every failure is an error that the client's library understands, with our stable code."""
    content: Any = "hi"
    if arguments.get("media"):
        content = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]
    model, key = arguments.get("model", "echo"), arguments.get("key", proxied.key)
    asking = OpenAI(base_url=f"{proxied.url}/v1", api_key=key, max_retries=0)
    with asking, pytest.raises(APIStatusError) as caught:
        asking.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
    assert (caught.value.status_code, caught.value.code) == (status, code)


def test_health_and_metrics(any_gateway: Gateway) -> None:
    """The pages that operators look at are there and hold no text."""
    assert any_gateway.get("/healthz") == (200, '{"status":"alive"}')
    status, body = any_gateway.get("/readyz")
    assert (status, json.loads(body)["ready"]) == (200, True)
    status, metrics = any_gateway.get("/metrics")
    assert status == 200
    assert "yumen_exchanges_total" in metrics
    assert not any(value in metrics for value in RAW)
