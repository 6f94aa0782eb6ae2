"""Flights under the real core: chain, streams, timeouts, and clients that leave."""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

import pytest
from tests.kit import Outcome, exchange, request, saying, step
from tests.plugins.cache.flights.engine import USAGE, made, settled, until

from yumen import Answer, Ask, Events, Exchange, Manifest, Native, NoConfig, Plugin
from yumen.testing import Piece, ScriptedEngine, chunk, completion
from yumen_plugins.cache.flights import Flights

EVENTS = [chunk("你"), chunk("好"), chunk(finish="stop"), USAGE]


class Standing(Plugin[NoConfig]):
    """Stands before the engine, and lets equal requests share its call."""

    manifest: ClassVar[Manifest] = Manifest(name="standing", version="1", sees="raw")

    def __init__(self, flights: Flights) -> None:
        super().__init__(NoConfig())
        self.flights = flights
        self.given: list[Any] = []

    async def on_ask(self, exchange: Exchange, ask: Ask) -> Answer | Native | Events:
        flown = await self.flights.fly("space", b"k" * 24, ask, exchange)
        exchange.state["recording"] = flown.recording
        return flown.given

    async def on_complete(self, exchange: Exchange) -> None:
        recording = exchange.state.get("recording")
        if recording is not None:
            self.given.append(recording.given)
            recording.landed()


def gated(first: bytes, *rest: bytes) -> tuple[asyncio.Event, ScriptedEngine]:
    """An engine whose stream, or reply, goes on once it may."""
    gate = asyncio.Event()
    said: list[Piece] = [first, gate.wait, *rest] if rest else [gate.wait, first]
    return gate, saying(*said)


async def left(flights: Flights) -> None:
    await until(lambda: not flights._tasks and not flights._flights)
    await until(lambda: len(asyncio.all_tasks()) == 1)


async def test_many_exchanges_share_a_call() -> None:
    """Plain ones and streams end as if each had asked, and the last hook of the one that led has all that was given."""
    gate, engine = gated(*EVENTS)
    flights = made()
    plugin = Standing(flights)
    bodies = [request(stream=True, stream_options={"include_usage": True}), request(), request(stream=True)]
    tasks = [asyncio.create_task(exchange([step(plugin)], engine, bodies[number % 3])) for number in range(30)]
    await settled()
    gate.set()
    outcomes = await asyncio.gather(*tasks)
    assert len(engine.requests) == 1
    assert {outcome.exchange.outcome for outcome in outcomes} == {"ok"}
    for number, outcome in enumerate(outcomes):
        told = outcome.content if number % 3 == 1 else outcome.channel()
        assert told == "你好"
    assert [given for given in plugin.given if given is not None] == [EVENTS]
    await left(flights)


async def test_a_client_that_leaves() -> None:
    """Its exchange ends when the call does, which goes on for the others."""
    for streamed in (False, True):
        gate, engine = gated(*(EVENTS if streamed else [completion("你好")]))
        flights = made()
        plugin = Standing(flights)
        body = request(stream=True) if streamed else request()
        leader, *followers = (asyncio.create_task(exchange([step(plugin)], engine, body)) for _ in range(5))
        await settled()
        leader.cancel()
        await settled()
        assert not leader.done()
        gate.set()
        outcomes: list[Outcome] = await asyncio.gather(*followers)
        with pytest.raises(asyncio.CancelledError):
            await leader
        assert len(engine.requests) == 1
        assert [outcome.exchange.outcome for outcome in outcomes] == ["ok"] * 4
        await left(flights)


async def test_a_client_that_leaves_alone() -> None:
    """Without followers the engine's iterator is closed at once."""
    _, engine = gated(*EVENTS)
    flights = made()
    task = asyncio.create_task(exchange([step(Standing(flights))], engine, request(stream=True)))
    await settled()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.streams_ended == 1
    await left(flights)


async def test_the_routes_timeout_ends_a_call() -> None:
    """An engine that does not answer in time is late for its leader, and for whoever waited for it."""
    _, engine = gated(completion("late"))
    flights = made()
    tasks = [asyncio.create_task(exchange([step(Standing(flights))], engine, timeout_ms=200)) for _ in range(5)]
    outcomes = await asyncio.gather(*tasks)
    assert {outcome.code for outcome in outcomes} == {"engine_timeout"}
    await left(flights)


async def test_an_engine_that_fails() -> None:
    """Everybody hears of it as from his own call."""
    gate, engine = gated(completion("x"))
    engine.says(gate.wait, ValueError("身份证 11010519491231002X"))
    flights = made()
    tasks = [asyncio.create_task(exchange([step(Standing(flights))], engine)) for _ in range(5)]
    await settled()
    gate.set()
    outcomes = await asyncio.gather(*tasks)
    assert {outcome.code for outcome in outcomes} == {"engine_unavailable"}
    assert "1101" not in json.dumps([outcome.json for outcome in outcomes])
    await left(flights)
