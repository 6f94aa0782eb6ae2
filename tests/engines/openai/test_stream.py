"""Streamed replies: every event once, whole, in order; and ends of every kind."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.engines.openai.asking import BOTH, KEY, asked, loaded, said, stream
from tests.upstream import Upstream

from yumen import EngineError, Native

SHAPES = [
    *(
        "echo",
        "split-1",
        "split-3",
        "split-7",
        "midchar",
        "crlf",
        "cr",
        "crlf+split-1",
        "bom+split-1",
        "bom+cr+midchar",
    ),
    *("comments", "comments+crlf+split-5", "delay-1"),
]


@pytest.mark.parametrize("model", SHAPES)
async def test_events_are_the_same_however_they_are_written(upstream: Upstream, model: str) -> None:
    """Cuts anywhere, line endings, marks and comments change nothing; `[DONE]` is the end and no event."""
    async with loaded(upstream.url) as engine:
        events = [event async for event in await stream(engine, model, n=2, stream_options={"include_usage": True})]
    assert said(events) == said(events, choice=1) == BOTH
    assert all(isinstance(event, bytes) and b"[DONE]" not in event for event in events)
    assert json.loads(events[-1])["usage"]["prompt_tokens"] == len(BOTH)
    assert upstream.requests[0].headers["accept"] == "text/event-stream"


@pytest.mark.parametrize("channel", ["reasoning_content", "content"])
async def test_other_channels_come_too(upstream: Upstream, channel: str) -> None:
    """Reasoning and tool arguments are events like any other."""
    async with loaded(upstream.url) as engine:
        events = [event async for event in await stream(engine, "reason")]
        calls = [event async for event in await stream(engine, "tool")]
    assert said(events, name=channel) == BOTH
    pieces = [call["function"]["arguments"] for event in map(json.loads, calls)
              for choice in event["choices"] for call in choice["delta"].get("tool_calls", ())]  # fmt: skip
    assert json.loads("".join(pieces)) == {"text": BOTH}


async def test_an_event_is_there_as_soon_as_it_was_sent(upstream: Upstream) -> None:
    """Nothing is read ahead of its time: the first event is out while the upstream keeps silent."""
    async with loaded(upstream.url) as engine:
        events = await stream(engine, "stall-2")
        async with asyncio.timeout(5):
            assert json.loads(await anext(events))["choices"][0]["delta"] == {"role": "assistant", "content": ""}
            assert said([await anext(events)]) == BOTH[:4]
        await events.aclose()


@pytest.mark.parametrize("read", [0, 1, 2])
async def test_closing_leaves_the_upstream_at_once(upstream: Upstream, read: int) -> None:
    """A client that left stops the upstream's work, also when nothing of the stream was read yet."""
    async with loaded(upstream.url) as engine:
        events = await stream(engine, "stall-2")
        for _ in range(read):
            await anext(events)
        await events.aclose()
        await events.aclose()
        assert await asyncio.to_thread(upstream.wait_disconnect, 1.0)
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_cancelling_a_read_leaves_the_upstream_too(upstream: Upstream) -> None:
    """A task that is cancelled while it waits for an event takes the connection with it."""
    async with loaded(upstream.url) as engine:
        events = await stream(engine, "stall-1")
        await anext(events)
        reading = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.05)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await asyncio.to_thread(upstream.wait_disconnect, 1.0)


async def test_closing_while_another_task_reads(upstream: Upstream) -> None:
    """Whoever reads a stream that is closed under him sees it end."""
    async with loaded(upstream.url) as engine:
        events = await stream(engine, "stall-1")
        await anext(events)
        reading = asyncio.ensure_future(anext(events, None))
        await asyncio.sleep(0.05)
        await events.aclose()
        async with asyncio.timeout(5):
            assert await reading is None
        assert await asyncio.to_thread(upstream.wait_disconnect, 1.0)


async def test_closing_the_engine_ends_its_streams(upstream: Upstream) -> None:
    """Nothing goes on at the upstream after the engine was closed."""
    async with loaded(upstream.url) as engine:
        events = await stream(engine, "stall-1")
        await anext(events)
    assert await asyncio.to_thread(upstream.wait_disconnect, 1.0)
    assert [event async for event in events] == []


async def test_a_finished_stream_gives_its_connection_back(upstream: Upstream) -> None:
    """Streams one after the other come over one connection."""
    async with loaded(upstream.url) as engine:
        for model in ("echo", "nodone", "echo+split-9"):
            assert [event async for event in await stream(engine, model)]
        assert not engine._streams
    assert len({record.connection for record in upstream.requests}) == 1


async def test_without_done_a_complete_stream_is_complete(upstream: Upstream) -> None:
    """Where every choice has its finish reason, a missing `[DONE]` is forgiven."""
    async with loaded(upstream.url) as engine:
        assert said([event async for event in await stream(engine, "nodone", n=3)], choice=2) == BOTH


@pytest.mark.parametrize("model", ["end-0", "end-1", "end-3", "nodone+end-3", "end-3+split-1"])
async def test_a_stream_that_ends_early_is_an_error(upstream: Upstream, model: str) -> None:
    """A reply that was cut short never passes for a whole one."""
    async with loaded(upstream.url) as engine:
        events = await stream(engine, model)
        with pytest.raises(EngineError, match="ended early"):
            async for _ in events:
                pass


async def test_one_finished_choice_of_two_is_not_the_end(upstream: Upstream) -> None:
    """Every choice that was seen must have ended."""
    # Two choices, one piece each: the finish reasons are events 4 and 5 (from 0), so the body ends between them.
    async with loaded(upstream.url) as engine:
        events = await stream(engine, "piece-100+nodone+end-5", n=2)
        with pytest.raises(EngineError, match="ended early"):
            async for _ in events:
                pass


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_reset_in_mid_stream_is_an_error(upstream: Upstream, count: int) -> None:
    """What came before it was handed on; it is not tried again."""
    async with loaded(upstream.url, retries=3) as engine:
        events = await stream(engine, f"reset-{count}+delay-5")
        for _ in range(count):
            assert await anext(events)
        with pytest.raises(EngineError) as caught:
            await anext(events)
    assert not caught.value.timeout
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("split", ["", "+split-2"])
async def test_garbage_is_an_error(upstream: Upstream, split: str) -> None:
    """An event that is not JSON ends the stream; those before it were good."""
    async with loaded(upstream.url) as engine:
        events = await stream(engine, "garbage-2" + split)
        for _ in range(2):
            assert await anext(events)
        with pytest.raises(EngineError, match="not JSON") as caught:
            await anext(events)
        assert [event async for event in events] == []
    assert "oops" not in str(caught.value)


async def test_an_error_event_is_handed_on(upstream: Upstream) -> None:
    """What the upstream says in mid-stream is the core's to judge."""
    async with loaded(upstream.url) as engine:
        events = await stream(engine, "error-1")
        await anext(events)
        assert json.loads(await anext(events))["error"]["message"] == "The upstream was told to fail."
        await events.aclose()


async def test_a_silent_stream_has_an_end(upstream: Upstream) -> None:
    """Between two events the upstream may be silent for so long and no longer; then it is left."""
    async with loaded(upstream.url, idle_timeout_ms=150, first_byte_timeout_ms=5_000) as engine:
        events = await stream(engine, "stall-2")
        assert await anext(events)
        assert await anext(events)
        with pytest.raises(EngineError, match="silent") as caught:
            await anext(events)
        assert caught.value.timeout
        assert await asyncio.to_thread(upstream.wait_disconnect)


async def test_the_first_event_may_take_longer_than_the_others(upstream: Upstream) -> None:
    """A model that thinks before its first token is not idle; slow but steady events are not either."""
    async with loaded(upstream.url, idle_timeout_ms=150, first_byte_timeout_ms=5_000) as engine:
        assert [event async for event in await stream(engine, "slow-400")]
        assert [event async for event in await stream(engine, "delay-60+piece-9")]
    async with loaded(upstream.url, idle_timeout_ms=5_000, first_byte_timeout_ms=150) as engine:
        events = await stream(engine, "stall-0")
        with pytest.raises(EngineError, match="silent"):
            await anext(events)


async def test_a_whole_stream_has_an_end(upstream: Upstream) -> None:
    """However steadily it drips, a stream is over after the total timeout."""
    async with loaded(upstream.url, total_timeout_ms=300) as engine:
        events = await stream(engine, "delay-50", "长" * 400)
        with pytest.raises(EngineError) as caught:
            async for _ in events:
                pass
        assert caught.value.timeout


async def test_the_route_s_deadline_is_not_the_stream_s(upstream: Upstream) -> None:
    """A stream that has begun may outlast the time that its beginning was given."""
    async with loaded(upstream.url) as engine:
        assert [event async for event in await stream(engine, "delay-5", deadline=0.0)]


async def test_an_event_has_a_longest_length(upstream: Upstream) -> None:
    """One event cannot fill the memory."""
    async with loaded(upstream.url, sse_event_bytes_max=2_000) as engine:
        events = await stream(engine, "big-4+piece-4096")
        with pytest.raises(EngineError, match="sse_event_bytes_max"):
            async for _ in events:
                pass


@pytest.mark.parametrize(("model", "status"), [("json", 200), ("status-400", 400), ("status-429+retry-2", 429)])
async def test_a_stream_may_be_answered_whole(upstream: Upstream, model: str, status: int) -> None:
    """A JSON reply to a streamed request is handed on as what it is."""
    async with loaded(upstream.url) as engine:
        reply = await engine.generate(asked(model, stream=True))
    assert isinstance(reply, Native)
    assert reply.status == status
    assert json.loads(reply.body)


@pytest.mark.parametrize("model", ["status-401", "status-500", "status-400+html", "redirect"])
async def test_a_stream_may_fail_like_a_plain_reply(upstream: Upstream, model: str) -> None:
    """The same statuses are engine errors, streamed or not."""
    async with loaded(upstream.url, retries=0) as engine:
        with pytest.raises(EngineError) as caught:
            await engine.generate(asked(model, stream=True))
    assert KEY not in str(caught.value)


async def test_many_streams_at_once_do_not_mix(upstream: Upstream) -> None:
    """Each of many streams at a time yields its own text."""

    async def one(number: int) -> None:
        text = f"{number} 号，" * 10
        assert said([event async for event in await stream(engine, "split-11", text)]) == text

    async with loaded(upstream.url) as engine:
        await asyncio.gather(*(one(number) for number in range(20)))
