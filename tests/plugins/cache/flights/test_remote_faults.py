"""Calls that fail, processes that end, stores that are gone or wrong: others ask for themselves, or have an error."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.plugins.cache.flights.engine import (
    EVENTS,
    GO,
    KEY,
    SPACE,
    TEXT,
    Engine,
    One,
    fails,
    gives,
    many,
    streams,
    until,
)
from tests.plugins.cache.flights.processes import INSTANCE, PAUSING, Process, patient, seal
from tests.redis_server import RedisServer

from yumen import EngineError, Native, Store
from yumen.store.redis import RedisStore
from yumen_plugins.cache.flights.parts import Parts, part_of


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_call_that_fails_hands_over(store: Store, streamed: bool) -> None:
    """Where the owner's engine fails, the next call may be another process's."""
    engine = Engine(fails())
    one, two = Process(store, engine), Process(store, Engine(PAUSING if streamed else gives()))
    (leader,) = await one.begin(One(engine, streamed=streamed))
    tasks = await two.begin(*(ones := many(two.engine, 10, streamed=streamed)))
    two.engine.go.set()
    engine.go.set()
    with pytest.raises(EngineError):
        await leader
    await asyncio.gather(*tasks)
    assert {one.text for one in ones} == {TEXT}
    assert (engine.calls, two.engine.calls) == (1, 1)
    await one.gone()
    await two.gone()


async def test_an_error_status_is_not_passed_on(store: Store) -> None:
    """It may be about the caller, so another process asks for itself."""
    engine = Engine(gives(Native(429, b"{}")))
    one, two = Process(store, engine), Process(store, Engine(gives()))
    two.engine.go.set()
    tasks = await one.begin(leader := One(engine))
    tasks += await two.begin(other := One(two.engine))
    engine.go.set()
    await asyncio.gather(*tasks)
    assert leader.reply == Native(429, b"{}")
    assert other.text == TEXT
    await one.gone()
    await two.gone()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_process_that_is_killed_hands_over(store: Store, streamed: bool) -> None:
    """Where the owner is gone without a word, its key ends by itself, and who was given nothing asks anew."""
    engine = Engine(streams(GO) if streamed else gives())
    one, two = Process(store, engine), Process(store, Engine(PAUSING if streamed else gives()))
    two.engine.go.set()
    (leader,) = await one.begin(One(engine, streamed=streamed))
    tasks = await two.begin(*(ones := many(two.engine, 10, streamed=streamed)))
    one.kill()
    await asyncio.gather(*tasks)
    assert {one.text for one in ones} == {TEXT}
    assert two.engine.calls == 1
    with pytest.raises(EngineError):
        await leader
    await one.gone()
    await two.gone()


@pytest.mark.usefixtures("hasty")
async def test_a_stream_whose_process_is_killed_breaks(store: Store) -> None:
    """Who has some of it cannot ask anew: his stream ends with an error, and does not wait for ever."""
    engine = Engine(PAUSING)
    one, two = Process(store, engine), Process(store, engine)
    (leader,) = await one.begin(One(engine, streamed=True))
    (task,) = await two.begin(follower := One(engine, streamed=True))
    await until(lambda: len(follower.items) == 3)
    one.kill()
    with pytest.raises(EngineError, match="gone"):
        await task
    assert follower.items == EVENTS[:3]
    with pytest.raises(EngineError):
        await leader
    await one.gone()
    await two.gone()


async def test_a_process_that_stops_tells_the_others(store: Store) -> None:
    """They need not wait until its key ends by itself."""
    engine = Engine(gives())
    one, two = Process(store, engine), Process(store, Engine(gives()))
    two.engine.go.set()
    (leader,) = await one.begin(One(engine))
    (task,) = await two.begin(other := One(two.engine))
    await one.gone()
    assert await store.get(f"f:{KEY.hex()}") is None or two.engine.calls
    await task
    assert other.text == TEXT
    with pytest.raises(EngineError):
        await leader
    await two.gone()


@pytest.mark.parametrize("wrong", ["foreign", "moved", "garbage", "owner"])
async def test_what_is_wrong_in_the_store_is_not_given(store: Store, wrong: str) -> None:
    """Parts that were made up, or belong elsewhere, are refused, and so is a key's owner that is none."""
    engine = Engine(gives())
    engine.go.set()
    process = Process(store, engine)
    owner = b"0" * 32
    await store.set(f"f:{KEY.hex()}", b"\xff who?" if wrong == "owner" else owner, 5.0)
    other = {"foreign": seal("tenant:other"), "moved": seal(SPACE), "garbage": None, "owner": None}[wrong]
    part = b"garbage"
    if other is not None:
        moved = b"j" * 24 if wrong == "moved" else KEY
        part = Parts(other, moved, owner).sealed(part_of(time.time(), [], Native(200, b"{}"), "whole"), 0)
    await store.append(f"i:{KEY.hex()}:{owner.decode()}", part, 5.0, 10)
    one = One(engine)
    task = asyncio.create_task(one.run(process.flights))
    # It waits for nothing: it is told at once, tries again, and then asks.
    await asyncio.wait_for(task, 20)
    assert one.text == TEXT
    await process.gone()


async def test_a_store_that_is_not_there(own_server: RedisServer) -> None:
    """Where it cannot be reached every process is on its own: its requests share its call, and that is counted."""
    opened = RedisStore.of(own_server.url)
    own_server.stop()
    engine = Engine(gives())
    process = Process(opened.namespaced(INSTANCE), engine)
    tasks = await process.begin(*(ones := many(engine, 20)))
    engine.go.set()
    await asyncio.gather(*tasks)
    assert engine.calls == 1
    assert {one.text for one in ones} == {TEXT}
    assert process.measured.total("flights_unshared") == 1
    await process.gone()
    await opened.close()


async def test_a_store_that_hangs(own_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call waits for it no longer than it may, and the key that comes too late is let go of."""
    patient(monkeypatch, 100.0)
    opened = RedisStore.of(own_server.url)
    space = opened.namespaced(INSTANCE)
    await space.set("x", b"", 1.0)  # there is a connection
    engine = Engine(gives())
    engine.go.set()
    process = Process(space, engine, timeout_s=0.05)
    own_server.hang()
    try:
        await asyncio.wait_for(One(engine).run(process.flights), 20)
    finally:
        own_server.go_on()
    assert process.measured.total("flights_unshared") == 1
    await until(lambda: not process.remote._tasks)
    assert await space.get(f"f:{KEY.hex()}") is None
    await process.gone()
    await opened.close()


async def test_a_store_that_goes_away(own_server: RedisServer) -> None:
    """The owner's exchange goes on as if nothing had happened; who followed elsewhere asks anew, or has an error."""
    opened = RedisStore.of(own_server.url)
    engine = Engine(PAUSING)
    one, two = Process(opened.namespaced(INSTANCE), engine), Process(opened.namespaced(INSTANCE), Engine(gives()))
    two.engine.go.set()
    tasks = await one.begin(leader := One(engine, streamed=True))
    stream, plain = await two.begin(follower := One(two.engine, streamed=True), other := One(two.engine))
    await until(lambda: len(follower.items) == 3)
    own_server.stop()
    with pytest.raises(EngineError, match="store"):
        await stream
    await plain
    assert other.text == TEXT
    engine.go.set()
    await asyncio.gather(*tasks)
    assert leader.items == EVENTS
    await one.gone()
    await two.gone()
    await opened.close()
