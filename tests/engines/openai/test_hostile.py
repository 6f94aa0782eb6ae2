"""Upstreams that trickle or break HTTP's own rules: each ends in time with an engine error, and leaves nothing open."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.engines.kserve.hostile import Hostile, Wire, hostile, reply
from tests.engines.openai.asking import asked, loaded

from yumen import EngineError, Native
from yumen_engines.openai import OpenAI

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
GOOD = json.dumps(
    {"choices": [{"index": 0, "message": {"content": "好"}, "finish_reason": "stop"}]}, ensure_ascii=False
).encode()
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"\xe5\xa5\xbd"}}]}\n\n'
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@pytest.fixture
async def server() -> AsyncIterator[Hostile]:
    """A server on a port of its own."""
    async with hostile() as one:
        yield one


async def failed(engine: OpenAI, *, stream: bool) -> EngineError:
    """The error that asking, or reading the stream, ends with."""
    try:
        answered = await engine.generate(asked("m", stream=stream))
        if not isinstance(answered, Native):
            async for _ in answered:
                pass
    except EngineError as error:
        return error
    pytest.fail("it was answered")


async def recovers(server: Hostile, engine: OpenAI) -> None:
    """The next request is answered, over a connection that the last one has not spoilt."""
    server.scripts["/completions"] = answers(reply(GOOD))
    answered = await engine.generate(asked("m"))
    assert isinstance(answered, Native)
    assert answered.body == GOOD


def trickles(head: bytes, body: bytes) -> Callable[[Wire], Awaitable[None]]:
    async def script(wire: Wire) -> None:
        await wire.send(head)
        await wire.trickle(body)

    return script


def answers(data: bytes) -> Callable[[Wire], Awaitable[None]]:
    """The connection stays: who asks again without a retry must not meet one that just ends."""

    async def script(wire: Wire) -> None:
        await wire.send(data)

    return script


def sends(data: bytes) -> Callable[[Wire], Awaitable[None]]:
    async def script(wire: Wire) -> None:
        await wire.send(data)
        wire.close()

    return script


TRICKLING = {
    "its head": (b"", HEAD + b"x" * 5_000),
    "a whole body": (HEAD + b"content-length: 5000\r\n\r\n", b" " * 5_000),
    "chunks": (HEAD + CHUNKED, b"1\r\n \r\n" * 2_000),
    "one event": (EVENTS + b"content-length: 5000\r\n\r\n", b"data: " + b"x" * 4_994),
    "comments": (EVENTS + CHUNKED, b"2\r\n:\n\r\n" * 2_000),
}


@STREAMED
@pytest.mark.parametrize(("head", "body"), TRICKLING.values(), ids=TRICKLING)
async def test_who_trickles_is_left(server: Hostile, stream: bool, head: bytes, body: bytes) -> None:
    """A byte now and then keeps no request alive beyond its time, whatever the bytes are part of."""
    server.scripts["/completions"] = trickles(head, body)
    async with loaded(server.url, total_timeout_ms=300, retries=3) as engine:
        assert (await failed(engine, stream=stream)).timeout
        assert len(server.requests) == 1
        assert await server.quiet()
        await recovers(server, engine)


BROKEN = {
    "content-length too long": b"content-length: 5000\r\n\r\n%s",
    "content-length twice": b"content-length: 4\r\ncontent-length: 20\r\n\r\n%s",
    "content-length no number": b"content-length: many\r\n\r\n%s",
    "chunk of no number": CHUNKED + b"zz\r\n%s\r\n0\r\n\r\n",
    "chunk longer than it says": CHUNKED + b"5\r\n%s\r\n0\r\n\r\n",
    "chunk without bounds": CHUNKED + b"fffffffffffffffff\r\n%s",
    "chunk without its end": CHUNKED + b"ffff\r\n%s",
    "no last chunk": CHUNKED + b"2\r\n  \r\n",
    "a head without end": b"x: " + b"y" * 2_000_000,
}


@STREAMED
@pytest.mark.parametrize("rest", BROKEN.values(), ids=BROKEN)
async def test_what_is_no_http_is_no_answer(server: Hostile, stream: bool, rest: bytes) -> None:
    """A reply or stream that breaks off, or whose lengths lie, never passes for a whole one."""
    body = (EVENTS if stream else HEAD) + rest.replace(b"%s", EVENT if stream else GOOD)
    server.scripts["/completions"] = sends(body)
    async with loaded(server.url, retries=0) as engine:
        error = await failed(engine, stream=stream)
        assert not error.timeout
        assert "好" not in str(error)
        await recovers(server, engine)


@STREAMED
async def test_no_words_of_a_refusal_that_is_no_json(server: Hostile, stream: bool) -> None:
    """An error nested deeper than can be read is an engine error, not a crash."""
    server.scripts["/completions"] = sends(reply(b'{"error":' + b"[" * 100_000 + b"]" * 100_000 + b"}", status=400))
    async with loaded(server.url) as engine:
        assert "status 400" in str(await failed(engine, stream=stream))
        await recovers(server, engine)


@STREAMED
async def test_headers_that_are_no_ascii_are_as_good_as_none(server: Hostile, stream: bool) -> None:
    """The HTTP library raises for them; the reply is taken without them, and nothing is left open."""
    odd = "x-name: 玉门\r\ncontent-type: text/玉\r\nretry-after: ７\r\n".encode()
    async with loaded(server.url, retries=0) as engine:
        for status, body in [(200, GOOD), (429, b'{"error":{}}')]:
            head = b"HTTP/1.1 %d Odd\r\ncontent-length: %d\r\n" % (status, len(body))
            server.scripts["/completions"] = answers(head + odd + b"\r\n" + body)
            answered = await engine.generate(asked("m", stream=stream))
            assert answered == Native(status, body, {"content-type": "application/json"})
        server.scripts["/completions"] = answers(b"HTTP/1.1 503 Odd\r\ncontent-length: 0\r\n" + odd + b"\r\n")
        assert "status 503" in str(await failed(engine, stream=stream))
        await recovers(server, engine)
