"""What an engine says byte for byte, hosts without a gateway, and a clock that runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import pytest

from yumen import Answer, Delta, EngineError, EngineRequest, Exchange, Manifest, Native, NoConfig, Plugin, Usage
from yumen.testing import (
    Harness,
    RunningClock,
    ScriptedEngine,
    ToolArguments,
    UnitHost,
    chat,
    chunk,
    completion,
)

ASKED = [chat("问 x"), chat("问 x", stream=True)]


class Watching(Plugin[NoConfig]):
    """Edits nothing, and measures."""

    manifest: ClassVar[Manifest] = Manifest(name="watching", version="1", sees="raw")

    async def on_request(self, exchange: Exchange) -> None: ...


@pytest.mark.parametrize("call", ASKED)
async def test_an_engine_says_what_a_server_would(call: Any) -> None:
    """A reply and events of the client's own dialect reach him as they were written, whole and in a stream."""
    async with Harness.of(Watching) as harness:
        harness.engine.says(Native(200, completion("甲 and b", "second")))
        if "stream" in call.body.decode():
            harness.engine.says(
                chunk("甲 "), chunk("and b"), chunk("second", choice=1), chunk(None, "stop"), chunk("", "stop", 1)
            )
        outcome = await harness.ask(call)
    assert outcome.reply.contents == ("甲 and b", "second")
    outcome.assert_answered()


async def test_a_whole_reply_is_one_where_a_stream_was_asked_for() -> None:
    """An upstream's refusal comes with its status and delay, whatever was asked for."""
    refused = Native(429, b'{"error": {"message": "slow down", "code": "busy"}}', {"retry-after": "7"})
    async with Harness.of(Watching) as harness:
        harness.engine.says(refused)
        for call in ASKED:
            outcome = await harness.ask(call)
            assert outcome.status == 429
            outcome.assert_header("retry-after", "7")
        harness.engine.says(Answer(["好 fine"], usage=Usage(1, 2)))
        for outcome in await harness.ask_all(*ASKED):
            outcome.assert_answered("好 fine")


async def test_a_stream_ends_as_it_says() -> None:
    """Texts alone end as they should; who says deltas or events says how they end; nothing at all breaks off."""
    async with Harness.of(Watching) as harness:
        streamed = chat("x", stream=True)
        reasons = []
        for said in (["a"], [Delta("a"), Delta(finish_reason="length")], [ToolArguments(("{", "}"))]):
            harness.engine.says(*said)
            reasons.append((await harness.ask(streamed)).body.decode().count('"finish_reason":"length"'))
        assert reasons == [0, 1, 0]
        harness.engine.says()
        broken = await harness.ask(streamed)
        assert broken.code == "engine_unavailable"


async def test_what_happens_in_between_is_awaited() -> None:
    """A test can have something happen before an answer and in the middle of it; an error that comes first is no stream."""
    happened: list[str] = []

    async def note() -> None:
        happened.append("now")

    async with Harness.of(Watching) as harness:
        harness.engine.says(note, "a ", note, "b")
        for outcome in await harness.ask_all(*ASKED):
            outcome.assert_answered("a b")
        assert happened == ["now"] * 4
        harness.engine.fails(EngineError("down"))
        begun = harness.engine.streams_begun
        for outcome in await harness.ask_all(*ASKED):
            assert (outcome.status, outcome.code) == (502, "engine_unavailable")
        assert harness.engine.streams_begun == harness.engine.streams_ended == begun


@pytest.mark.parametrize("call", ASKED)
async def test_an_engine_writes_the_dialects_that_it_speaks(call: Any) -> None:
    """One that a test has speak a dialect answers in bytes, whole and in streams, and the client reads the same words."""
    read = []
    for dialects in ((), ("openai",)):
        engine = ScriptedEngine(dialects=dialects).says("甲 ", "and b")
        request = EngineRequest("0" * 32, "openai", "chat/completions", "m", b"stream" in call.body, call.body, [], 0.0)
        given = await engine.generate(request)
        pieces = [given] if isinstance(given, Answer | Native) else [one async for one in given]
        assert {isinstance(one, Native | bytes) for one in pieces} == {bool(dialects)}
        harness = Harness.of(Watching)
        harness.engine = engine
        async with harness:
            read.append((await harness.ask(call)).text)
    assert read == ["甲 and b"] * 2


async def test_a_host_derives_from_the_root_that_it_is_given(tmp_path: Path) -> None:
    """What one process derived another one does with the same root, as gateways do, and none with another."""
    one, same, other = (UnitHost(data_dir=tmp_path, root=bytes([byte]) * 32) for byte in (1, 1, 2))
    assert one.secret("purpose", "词") == same.secret("purpose", "词") != other.secret("purpose", "词")
    assert one.subject_id("acme", "李娜") == same.subject_id("acme", "李娜") != other.subject_id("acme", "李娜")


async def test_a_clock_runs_on_from_where_it_is_set() -> None:
    """Time passes by itself and as the test says, and the one that never goes back does not."""
    clock = RunningClock()
    before, beside = clock.now(), clock.monotonic()
    clock.move(3600)
    assert clock.now() >= before + 3600
    passed = clock.monotonic()
    assert passed >= beside + 3600
    clock.set(1000.0)
    assert 1000.0 <= clock.now() < before
    assert clock.monotonic() >= passed
    await asyncio.sleep(0.01)
    assert clock.now() > 1000.0
    clock.reset()
    assert clock.now() >= before
