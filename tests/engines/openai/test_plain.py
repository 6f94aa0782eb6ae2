"""Plain replies: what reaches the upstream, what comes back, and what never reaches the client as its own error."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from tests.engines.openai.asking import BOTH, KEY, asked, loaded, plain
from tests.upstream import Upstream

from yumen import EngineError, EngineRequest, Native
from yumen_engines.openai import OpenAI, OpenAIConfig


async def test_the_payload_goes_through_byte_for_byte(upstream: Upstream) -> None:
    """Body and path arrive as the chain gave them; the reply's bytes come back."""
    request = asked("echo", n=2)
    async with loaded(upstream.url) as engine:
        reply = await engine.generate(request)
    assert isinstance(reply, Native)
    assert (reply.status, upstream.requests[0].body) == (200, request.body)
    assert (upstream.requests[0].method, upstream.requests[0].path) == ("POST", "/v1/chat/completions")
    choices = json.loads(reply.body)["choices"]
    assert [choice["message"]["content"] for choice in choices] == [BOTH, BOTH]
    assert reply.headers["content-type"].startswith("application/json")


async def test_the_upstream_gets_the_engine_s_credential_and_little_else(upstream: Upstream) -> None:
    """Exactly these headers are sent, whatever the environment says of proxies."""
    async with loaded(upstream.url) as engine:
        await plain(engine, "echo")
    headers = upstream.requests[0].headers
    assert headers.pop("user-agent").startswith("yumen/")
    assert headers.pop("host") == f"127.0.0.1:{upstream.port}"
    assert headers.pop("content-length") == str(len(upstream.requests[0].body))
    assert headers == {
        "content-type": "application/json",
        "accept": "application/json",
        "authorization": f"Bearer {KEY}",
    }


async def test_without_a_key_there_is_no_authorization(upstream: Upstream) -> None:
    """An empty key means no header, not an empty one."""
    async with loaded(upstream.url, api_key="") as engine:
        await plain(engine, "echo")
    assert "authorization" not in upstream.requests[0].headers


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
@pytest.mark.parametrize("path", ["chat/completions", "completions", "embeddings"])
async def test_every_way_to_write_the_url_leads_to_v1(upstream: Upstream, suffix: str, path: str) -> None:
    """The path below /v1 is appended to whatever form the URL has."""
    async with loaded(f"http://127.0.0.1:{upstream.port}{suffix}") as engine:
        reply = await engine.generate(asked("echo", path=path, prompt="hi", input=["你好"]))
    assert isinstance(reply, Native)
    assert (reply.status, upstream.requests[0].path) == (200, f"/v1/{path}")


async def test_the_environment_s_proxy_is_not_used(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traffic goes nowhere that the policy does not name."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with loaded(upstream.url) as engine:
        assert (await plain(engine, "echo")).status == 200


async def test_a_configured_proxy_is_used(upstream: Upstream) -> None:
    """With a proxy configured the request goes to it, with the upstream's address in its first line."""
    proxy = f"http://127.0.0.1:{upstream.port}"
    async with loaded("http://llm.invalid/v1", proxy=proxy) as engine:
        assert (await plain(engine, "echo")).status == 200
    assert upstream.requests[0].headers["host"] == "llm.invalid"


async def test_a_configured_model_replaces_the_name_and_nothing_else(upstream: Upstream) -> None:
    """Numbers keep their digits and members their order; only the model's name is another."""
    body = (
        '{"temperature":1.10,"model":"alias","seed":12345678901234567890,"messages":[{"role":"user","content":"你好"}]}'
    )
    async with loaded(upstream.url, model="echo") as engine:
        await engine.generate(EngineRequest("0", "openai", "chat/completions", "alias", False, body.encode(), [], 1e12))
        with pytest.raises(EngineError, match="model cannot be named"):
            await engine.generate(EngineRequest("0", "openai", "chat/completions", "a", False, b"[1]", [], 1e12))
    assert upstream.requests[0].body.decode() == body.replace('"alias"', '"echo"')


@pytest.mark.parametrize("status", [400, 404, 409, 422, 429])
async def test_errors_of_the_client_s_making_reach_it(upstream: Upstream, status: int) -> None:
    """A 4xx with a JSON body is the client's to read, as it stands, and is not tried again."""
    async with loaded(upstream.url, retries=3) as engine:
        reply = await plain(engine, f"status-{status}+retry-7")
    assert reply.status == status
    assert json.loads(reply.body)["error"]["message"] == "The upstream was told to fail."
    assert reply.headers["retry-after"] == "7"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("model", "late"),
    [
        ("status-401", False),
        ("status-403", False),
        ("status-408", True),
        ("status-500", False),
        ("status-504", True),
        ("status-400+html", False),
        ("status-404+html", False),
        ("status-200+html", False),
        ("garbage-0", False),
        ("redirect", False),
    ],
)
async def test_errors_of_the_upstream_s_making_do_not(upstream: Upstream, model: str, late: bool) -> None:
    """A refused credential of ours is no 401 of the client's; web pages, redirects and 5xx are engine errors."""
    async with loaded(upstream.url, retries=0) as engine:
        with pytest.raises(EngineError) as caught:
            await plain(engine, model)
    assert caught.value.timeout is late
    assert KEY not in str(caught.value)
    assert [record.path for record in upstream.requests] == ["/v1/chat/completions"]


async def test_a_429_in_a_web_page_is_still_a_429(upstream: Upstream) -> None:
    """The status and its delay survive a proxy that wraps them in HTML."""
    async with loaded(upstream.url) as engine:
        reply = await plain(engine, "status-429+html+retry-3")
    assert (reply.status, reply.headers["retry-after"]) == (429, "3")
    assert json.loads(reply.body)["error"]["code"] == "rate_limited"


@pytest.mark.parametrize("model", ["flaky-1+status-502", "flaky-1+status-503", "flaky-1+status-504", "flaky-1+reset"])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_cannot_have_been_answered_is_tried_again(upstream: Upstream, model: str, stream: bool) -> None:
    """A gateway error or a reset before the reply is tried once more, with the same body."""
    async with loaded(upstream.url, retries=1) as engine:
        reply = await engine.generate(asked(model, stream=stream))
        if not isinstance(reply, Native):
            assert [event async for event in reply]
    first, second = upstream.requests
    assert first.body == second.body


@pytest.mark.parametrize(
    ("model", "retries", "attempts"),
    [("status-503", 2, 3), ("reset", 2, 3), ("status-500", 2, 1), ("status-429", 2, 1), ("status-503", 0, 1)],
)
async def test_attempts_are_counted(upstream: Upstream, model: str, retries: int, attempts: int) -> None:
    """At most the configured number of retries, and none where the upstream has answered."""
    async with loaded(upstream.url, retries=retries) as engine:
        if model == "status-429":
            assert (await plain(engine, model)).status == 429
        else:
            with pytest.raises(EngineError):
                await plain(engine, model)
    assert len(upstream.requests) == attempts


async def test_a_timeout_is_never_tried_again(upstream: Upstream) -> None:
    """An upstream that is late may still be at work: asking again would pay twice."""
    async with loaded(upstream.url, first_byte_timeout_ms=100, retries=3) as engine:
        with pytest.raises(EngineError) as caught:
            await plain(engine, "hang")
    assert caught.value.timeout
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("times", [{"first_byte_timeout_ms": 150, "idle_timeout_ms": 150}, {"total_timeout_ms": 150}])
@pytest.mark.parametrize("stream", [False, True])
async def test_waiting_has_an_end(upstream: Upstream, times: dict[str, int], stream: bool) -> None:
    """First byte and whole reply have their own limits, and the upstream is left when they pass."""
    async with loaded(upstream.url, **times) as engine:
        with pytest.raises(EngineError) as caught:
            await engine.generate(asked("hang", stream=stream))
        assert caught.value.timeout
        assert await asyncio.to_thread(upstream.wait_disconnect)


async def test_a_stream_s_head_has_an_end_where_its_events_may_take_longer(upstream: Upstream) -> None:
    """The limit for the first byte holds whichever of the two limits is the longer one."""
    async with loaded(upstream.url, first_byte_timeout_ms=150, idle_timeout_ms=400, retries=2) as engine:
        with pytest.raises(EngineError, match="begin its reply") as caught:
            await engine.generate(asked("hang", stream=True))
        assert caught.value.timeout
        assert await asyncio.to_thread(upstream.wait_disconnect)
    assert len(upstream.requests) == 1


async def test_the_request_s_own_deadline_ends_a_plain_reply(upstream: Upstream) -> None:
    """The chain's deadline bounds what the upstream is still asked to do after everybody has given up."""
    async with loaded(upstream.url) as engine:
        with pytest.raises(EngineError) as caught:
            await plain(engine, "hang", deadline=time.monotonic() + 0.15)
        assert caught.value.timeout
        assert await asyncio.to_thread(upstream.wait_disconnect)
        with pytest.raises(EngineError, match="no time was left"):
            await plain(engine, "echo", deadline=time.monotonic() - 1)
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("kibibytes", [0, 1, 63, 64, 65, 200])
async def test_replies_of_any_allowed_length_come_whole(upstream: Upstream, kibibytes: int) -> None:
    """Nothing is lost around the sizes at which reading goes on in another way."""
    async with loaded(upstream.url) as engine:
        reply = await plain(engine, f"big-{kibibytes}")
    assert len(json.loads(reply.body)["choices"][0]["message"]["content"]) == kibibytes * 1024


@pytest.mark.parametrize("model", ["big-100", "status-400+big-100"])
async def test_a_reply_has_a_longest_length(upstream: Upstream, model: str) -> None:
    """An upstream cannot fill the memory with one reply."""
    bytes_max = 90_000 if model == "big-100" else 50
    async with loaded(upstream.url, reply_bytes_max=bytes_max) as engine:
        with pytest.raises(EngineError, match="reply_bytes_max"):
            await plain(engine, model)


async def test_a_reply_without_a_declared_length_has_one_too(upstream: Upstream) -> None:
    """The bytes that come are counted, not only those that are announced."""
    async with loaded(upstream.url, reply_bytes_max=5_000) as engine:
        with pytest.raises(EngineError, match="reply_bytes_max"):
            # An event stream that claims to be plain text: chunked, so without a length.
            await engine.generate(asked("text+big-10", stream=True))


async def test_nobody_there(unused_tcp_port: int) -> None:
    """A refused connection is an engine error that says so; after three of them the engine is not healthy."""
    async with loaded(f"http://127.0.0.1:{unused_tcp_port}", retries=0) as engine:
        for failures in range(1, 4):
            assert await engine.health() == ""
            with pytest.raises(EngineError, match="cannot connect") as caught:
                await plain(engine, "echo")
            assert not caught.value.timeout
            assert failures < 3 or "cannot connect" in await engine.health()


async def test_health_comes_back_with_the_first_answer_or_with_time(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any answer is a sign of life, and old failures are forgotten: nothing else would ask the upstream again."""
    async with loaded(upstream.url) as engine:
        for _ in range(3):
            engine._upstream._note("cannot connect")
        assert await engine.health() == "cannot connect"
        await plain(engine, "status-404")
        assert await engine.health() == ""
        for _ in range(3):
            engine._upstream._note("cannot connect")
        now = time.monotonic() + 31
        monkeypatch.setattr(engine._upstream, "_monotonic", lambda: now)
        assert await engine.health() == ""


async def test_connections_are_used_again(upstream: Upstream) -> None:
    """Replies one after the other come over one connection, errors included."""
    async with loaded(upstream.url) as engine:
        for model in ("echo", "status-404", "big-200", "status-401", "echo"):
            try:
                await plain(engine, model)
            except EngineError:
                assert model == "status-401"
    assert len({record.connection for record in upstream.requests[:3]}) == 1


async def test_connections_have_a_number(upstream: Upstream) -> None:
    """A request that finds no free connection in time fails instead of queueing for ever."""
    async with loaded(upstream.url, connections_max=1, connect_timeout_ms=100, retries=0) as engine:
        slow = asyncio.create_task(plain(engine, "slow-600"))
        await asyncio.sleep(0.05)
        with pytest.raises(EngineError, match="connections_max"):
            await plain(engine, "echo")
        assert (await slow).status == 200


async def test_a_cancelled_request_leaves_the_engine_in_order(upstream: Upstream) -> None:
    """Whoever stops waiting is let go at once, and the next request is answered."""
    async with loaded(upstream.url) as engine:
        waiting = asyncio.create_task(plain(engine, "hang"))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await plain(engine, "echo")).status == 200


async def test_after_closing_nothing_is_sent(upstream: Upstream) -> None:
    """A closed engine answers with an engine error."""
    async with loaded(upstream.url) as engine:
        await plain(engine, "echo")
    with pytest.raises(EngineError, match="closing"):
        await plain(engine, "echo")


@pytest.mark.parametrize("model", ["status-401", "status-500", "reset", "hang", "status-400+html"])
async def test_no_error_holds_payload_or_credential(upstream: Upstream, model: str) -> None:
    """Messages, their causes and their contexts are free of both: they end in logs."""
    async with loaded(upstream.url, retries=0, first_byte_timeout_ms=100) as engine:
        with pytest.raises(EngineError) as caught:
            await plain(engine, model, "我的电话是13812345678")
    error: BaseException | None = caught.value
    while error is not None:
        text = repr(error) + str(error)
        assert not any(secret in text for secret in (KEY, "13812345678", "电话"))
        error = error.__cause__ if error.__suppress_context__ else error.__context__


def test_its_manifest() -> None:
    """It takes the OpenAI dialect's bytes and no other."""
    assert (OpenAI.manifest.name, OpenAI.manifest.dialects) == ("openai", ("openai",))
    assert OpenAI.config_type is OpenAIConfig
