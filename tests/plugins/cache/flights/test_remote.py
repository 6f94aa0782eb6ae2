"""Processes that share a store make one call too, and none of them relies on another one, or on the store."""

from __future__ import annotations

import asyncio

import pytest
from tests.plugins.cache.flights.engine import (
    EVENTS,
    GO,
    KEY,
    SPACE,
    TEXT,
    Engine,
    One,
    gives,
    many,
    settled,
    streams,
    until,
)
from tests.plugins.cache.flights.processes import INSTANCE, PAUSING, Process, patient
from tests.redis_server import RedisServer

from yumen import Store
from yumen.store.redis import RedisStore
from yumen_plugins.cache.flights import owned


@pytest.mark.parametrize("streamed", [False, True])
async def test_two_processes_make_one_call(store: Store, streamed: bool) -> None:
    """Of equal requests in two processes one asks the engine, whichever form the others want."""
    engine = Engine(PAUSING if streamed else gives())
    one, two = Process(store, engine), Process(store, engine)
    here = [One(engine, streamed=streamed), One(engine, streamed=not streamed)]
    there = [*many(engine, 20, streamed=streamed), *many(engine, 20, streamed=not streamed)]
    tasks = await one.begin(*here)
    tasks += await two.begin(*there)
    engine.go.set()
    await asyncio.gather(*tasks)
    assert engine.calls == 1
    assert {one.text for one in (*here, *there)} == {TEXT}
    assert not any(one.flown.led for one in there if one.flown)
    await one.gone()
    await two.gone()


async def test_followers_in_another_process_stream_along(store: Store) -> None:
    """They have the items as they come, and not only when all are there."""
    engine = Engine(PAUSING)
    one, two = Process(store, engine), Process(store, engine)
    tasks = await one.begin(leader := One(engine, streamed=True))
    tasks += await two.begin(follower := One(engine, streamed=True))
    await until(lambda: len(follower.items) == 3)
    assert engine.pulled == 3
    engine.go.set()
    await asyncio.gather(*tasks)
    assert leader.items == follower.items == EVENTS
    assert engine.calls == 1
    await one.gone()
    await two.gone()


async def test_nothing_is_written_where_nobody_listens(redis_server: RedisServer) -> None:
    """A call that no other process follows costs the store its key and nothing else, and leaves nothing there."""
    redis_server.clear()
    opened = RedisStore.of(redis_server.url)
    engine = Engine(PAUSING)
    process = Process(opened.namespaced(INSTANCE), engine)
    (task,) = await process.begin(One(engine, streamed=True))
    with redis_server.client() as client:
        assert [key.split(b":")[2] for key in client.scan_iter()] == [b"f"]
        engine.go.set()
        await task
        await until(lambda: not list(client.scan_iter()))
    await process.gone()
    await opened.close()


async def test_nothing_readable_is_in_the_store(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads the store learns that there is a call, and neither what was asked nor what was answered, nor by whom."""
    patient(monkeypatch)
    redis_server.clear()
    opened = RedisStore.of(redis_server.url)
    engine = Engine(PAUSING)
    one, two = (Process(opened.namespaced(INSTANCE), engine) for _ in range(2))
    tasks = await one.begin(One(engine, streamed=True))
    tasks += await two.begin(follower := One(engine, streamed=True))
    await until(lambda: len(follower.items) == 3)
    everything = redis_server.everything()
    for word in (SPACE, TEXT[:2], "content", "chatcmpl"):
        assert word.encode() not in everything
    engine.go.set()
    await asyncio.gather(*tasks)
    await one.gone()
    await two.gone()
    await opened.close()


@pytest.mark.usefixtures("hasty")
async def test_a_long_call_keeps_its_key(store: Store) -> None:
    """A key that ends by itself is asked for again while the call goes on, whether or not anything comes of it; and those
    who listen hear that somebody is there.
    """
    for plan, streamed in ((gives(), False), (PAUSING, True)):
        engine = Engine(plan)
        one, two, three = (Process(store, engine) for _ in range(3))
        tasks = await one.begin(One(engine, streamed=streamed))
        tasks += await two.begin(early := One(engine, streamed=streamed))
        await asyncio.sleep(2 * owned.CLAIM_S)
        tasks += await three.begin(late := One(engine, streamed=streamed))
        await settled()
        engine.go.set()
        await asyncio.gather(*tasks)
        assert engine.calls == 1
        assert early.text == late.text == TEXT
        for process in (one, two, three):
            await process.gone()


@pytest.mark.usefixtures("hasty")
async def test_a_leader_that_leaves_followers_of_another_process(store: Store) -> None:
    """A stream that somebody elsewhere follows goes on without its leader, and ends when he goes too."""
    for leaves in (False, True):
        engine = Engine(PAUSING)
        one, two = Process(store, engine), Process(store, engine)
        (leader,) = await one.begin(One(engine, streamed=True))
        (task,) = await two.begin(follower := One(engine, streamed=True))
        await until(lambda follower=follower: len(follower.items) == 3)  # type: ignore[misc]
        leader.cancel()
        await settled()
        assert not leader.done()
        if leaves:
            task.cancel()
            await until(leader.done)
        else:
            engine.go.set()
            await task
            assert follower.items == EVENTS
        with pytest.raises(asyncio.CancelledError):
            await leader
        assert engine.calls == 1
        await one.gone()
        await two.gone()


async def test_a_leader_that_leaves_alone_lets_go_of_the_key(store: Store) -> None:
    """Another process need not wait until a key ends by itself that nobody uses any more."""
    engine = Engine(gives())
    one, two = Process(store, engine), Process(store, Engine(gives()))
    (leader,) = await one.begin(One(engine))
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    await until(lambda: not one.remote._tasks)
    (task,) = await two.begin(One(two.engine))
    assert two.measured.total("flights_foreign") == 0
    two.engine.go.set()
    await task
    await one.gone()
    await two.gone()


async def test_a_leader_that_leaves_while_it_takes_the_key(store: Store) -> None:
    """Whether or not the store has given the key by then, nobody holds it afterwards."""
    for turns in range(6):
        engine = Engine(gives())
        process = Process(store, engine)
        task = asyncio.create_task(One(engine).run(process.flights))
        await settled(turns)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda process=process: not process.remote._tasks)  # type: ignore[misc]
        assert await store.get(f"f:{KEY.hex()}") is None
        await process.gone()


async def test_the_first_who_follows_another_process_may_leave(store: Store) -> None:
    """He made no call, so nobody else of his process depends on him, and he waits for nobody."""
    engine = Engine(PAUSING)
    one, two = Process(store, engine), Process(store, engine)
    (leader,) = await one.begin(One(engine, streamed=True))
    first, second = await two.begin(One(engine, streamed=True), other := One(engine, streamed=True))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not second.done()
    engine.go.set()
    await asyncio.gather(leader, second)
    assert other.items == EVENTS
    assert engine.calls == 1
    await one.gone()
    await two.gone()


async def test_between_the_end_and_the_landing(store: Store) -> None:
    """Who comes after the call has ended and before its reply is kept gets it from there."""
    engine = Engine(gives())
    engine.go.set()
    one, two = Process(store, engine), Process(store, engine)
    leader = One(engine)
    flown = await one.flights.fly(SPACE, KEY, leader.ask, leader)
    (task,) = await two.begin(late := One(engine, streamed=True))
    flown.recording.landed()
    await task
    assert late.text == TEXT
    assert engine.calls == 1
    await one.gone()
    await two.gone()


async def test_a_long_reply_is_not_passed_on(store: Store) -> None:
    """What may not be remembered is not written down: other processes ask for themselves, at once."""
    engine = Engine(streams(EVENTS[0], GO, *[b"x" * 1000] * 10))
    one, two = Process(store, engine, bytes_max=5000), Process(store, Engine(gives()), bytes_max=5000)
    two.engine.go.set()
    tasks = await one.begin(One(engine, streamed=True))
    tasks += await two.begin(other := One(two.engine))
    engine.go.set()
    await asyncio.gather(*tasks)
    assert other.text == TEXT
    await one.gone()
    await two.gone()


async def test_one_thread_of_calls(store: Store) -> None:
    """Requests that come one after the other through many processes lead, and none follows a call that is over."""
    engine = Engine(gives())
    engine.go.set()
    processes = [Process(store, engine) for _ in range(3)]
    for number in range(6):
        await One(engine).run(processes[number % 3].flights, b"%024d" % number)
    assert engine.calls == 6
    for process in processes:
        await process.gone()
