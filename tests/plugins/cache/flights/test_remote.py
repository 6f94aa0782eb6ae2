"""Processes that share a store make one call too, and none of them relies on another one, or on the store."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterator

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
    made,
    many,
    settled,
    streams,
    until,
)
from tests.redis_server import RedisServer

from yumen import EngineError, Native, Store
from yumen.store import redis as redis_module
from yumen.store.memory import MemoryStore
from yumen.store.redis import RedisStore
from yumen.testing import CapturedMetrics
from yumen_plugins.cache.flights import Flights, Remote, owned, remote, theirs
from yumen_plugins.cache.flights.parts import Parts, part_of
from yumen_plugins.cache.sealing import Seal

PAUSING = streams(*EVENTS[:3], GO, *EVENTS[3:])
# So long an operation may take where a test is about something else and others keep the machine busy.
PATIENT_S = 10.0
INSTANCE = "cache"


def seal(space: str) -> Seal:
    return Seal(hashlib.sha256(space.encode()).digest())


class Process:
    """One process of a gateway, with an engine of its own to count by."""

    def __init__(self, store: Store, engine: Engine, *, seals: Callable[[str], Seal] = seal, **more: float) -> None:
        self.engine = engine
        self.measured = CapturedMetrics()
        self.remote = Remote(
            store,
            seals,
            now=time.time,
            metrics=self.measured.of(INSTANCE),
            timeout_s=more.pop("timeout_s", PATIENT_S),
        )
        self.flights: Flights = made(remote=self.remote, measured=self.measured, **more)  # type: ignore[arg-type]

    async def begin(self, *ones: One, key: bytes = KEY) -> list[asyncio.Task[One]]:
        """Start exchanges of which the first leads, and let it see whose call it is."""
        tasks = [asyncio.create_task(one.run(self.flights, key)) for one in ones]
        await until(
            lambda: (
                tasks[0].done() or ones[0].ask.asked or any(flight.foreign for flight in self.flights._tasks.values())
            )
        )
        await settled()
        return tasks

    def kill(self) -> None:
        """End without a word, as a process does that is killed."""
        for task in [*self.remote._tasks, *self.flights._tasks]:
            task.cancel()

    async def gone(self) -> None:
        """Nothing of it is left."""
        await self.flights.stop()
        await until(lambda: not self.remote._tasks and not self.flights._tasks)
        assert (self.engine.running, self.engine.open) == (0, 0)
        assert not self.flights._flights


@pytest.fixture(params=["memory", "redis"])
async def store(
    request: pytest.FixtureRequest, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    """Both stores; the one in memory as if two processes had it."""
    if request.param == "memory":
        yield MemoryStore()
        return
    patient(monkeypatch)
    redis_server.clear()
    opened = RedisStore.of(redis_server.url)
    yield opened.namespaced(INSTANCE)
    await opened.close()


def patient(monkeypatch: pytest.MonkeyPatch, seconds: float = PATIENT_S) -> None:
    for limit in ("CONNECT_S", "ANSWER_S", "OPERATION_S"):
        monkeypatch.setattr(redis_module, limit, seconds)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter times, for tests in which they run out."""
    for module, name, seconds in (
        (owned, "CLAIM_S", 1.0),
        (remote, "CLAIM_S", 1.0),
        (owned, "RENEW_S", 0.1),
        (owned, "PARTS_S", 1.0),
        (theirs, "CARE_S", 0.1),
        (theirs, "LISTEN_S", 1.0),
        (theirs, "SILENT_S", 1.0),
        (owned, "CARE_S", 0.1),
    ):
        monkeypatch.setattr(module, name, seconds)


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server that a test may stop."""
    server = RedisServer()
    server.start()
    yield server
    server.stop()


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
