"""Who leaves takes nothing away from those who stay, and who stays last leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc

import pytest
from tests.plugins.cache.flights.engine import (
    EVENTS,
    GO,
    KEY,
    SPACE,
    TEXT,
    Engine,
    One,
    begun,
    gives,
    made,
    many,
    nothing_left,
    settled,
    streams,
    until,
)

from yumen import EngineError
from yumen_plugins.cache.flights import Given
from yumen_plugins.cache.flights.reader import Reader

PAUSING = streams(*EVENTS[:3], GO, *EVENTS[3:])


async def closed(given: Given) -> None:
    """Close what an exchange was given, as the core does."""
    assert isinstance(given, Reader)
    await given.aclose()


def plan_of(streamed: bool) -> Engine:
    return Engine(PAUSING if streamed else gives())


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_leader_that_leaves_alone_ends_its_call(streamed: bool) -> None:
    """Without followers nothing goes on when the client has left: the engine is cancelled and its iterator closed."""
    engine, flights = plan_of(streamed), made()
    (task,) = await begun(flights, One(engine, streamed=streamed))
    assert engine.running + engine.open == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (engine.running, engine.open) == (0, 0)
    await nothing_left(flights, engine)


async def test_a_leader_that_leaves_at_once_makes_no_call() -> None:
    """A task that is cancelled before it has begun leaves nothing behind either."""
    engine, flights = Engine(gives()), made()
    for turns in range(4):
        task = asyncio.create_task(One(engine).run(flights))
        await settled(turns)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await nothing_left(flights, engine)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_leader_that_leaves_followers_waits_for_its_call(streamed: bool) -> None:
    """The call goes on for those who wait; the leader's exchange lasts as long, and its cancellation is raised on."""
    engine, flights = plan_of(streamed), made()
    ones = [One(engine, streamed=streamed), One(engine, streamed=streamed), One(engine, streamed=not streamed)]
    leader, *followers = await begun(flights, *ones)
    leader.cancel()
    await settled()
    assert not leader.done()
    late = await begun(flights, late_one := One(engine, streamed=streamed))
    engine.go.set()
    await asyncio.gather(*followers, *late)
    assert {one.text for one in (*ones[1:], late_one)} == {TEXT}
    with pytest.raises(asyncio.CancelledError):
        await leader
    assert engine.calls == 1
    await nothing_left(flights, engine)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_call_ends_with_its_last_follower(streamed: bool) -> None:
    """Once its leader and every follower have gone, nobody pays for the rest."""
    engine, flights = plan_of(streamed), made()
    leader, first, second = await begun(flights, *many(engine, 3, streamed=streamed))
    leader.cancel()
    first.cancel()
    await settled()
    assert engine.running + engine.open == 1
    assert not leader.done()
    second.cancel()
    results = await asyncio.gather(leader, first, second, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert engine.calls == 1
    await nothing_left(flights, engine)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_second_cancellation_ends_the_call(streamed: bool) -> None:
    """A server that shuts down does not wait for followers, who ask anew where they were given nothing yet."""
    engine = Engine(PAUSING if streamed else gives(), gives())
    flights = made()
    leader, plain = await begun(flights, One(engine, streamed=streamed), one := One(engine))
    leader.cancel()
    await settled()
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    engine.go.set()
    await plain
    assert one.text == TEXT
    assert engine.calls == 2
    await nothing_left(flights, engine)


async def test_a_leader_whose_own_chain_fails_does_not_wait() -> None:
    """A client that is still there gets its error at once; the call is the followers' from then on."""
    engine, flights = Engine(PAUSING), made()
    leader, follower = many(engine, 2, streamed=True)
    flown = await flights.fly(SPACE, KEY, leader.ask, leader)
    (task,) = await begun(flights, follower)
    async with asyncio.timeout(10):
        await closed(flown.given)
    assert not task.done()
    engine.go.set()
    await task
    assert follower.items == EVENTS
    assert engine.calls == 1
    await nothing_left(flights, engine)


async def test_a_leader_whose_own_chain_fails_alone_ends_its_call() -> None:
    """Closing the iterator closes the engine's where nobody follows; closing it again does nothing."""
    engine, flights = Engine(PAUSING), made()
    one = One(engine, streamed=True)
    flown = await flights.fly(SPACE, KEY, one.ask, one)
    await closed(flown.given)
    await closed(flown.given)
    assert engine.open == 0
    await one.read(flown.given)
    assert one.items == []
    await nothing_left(flights, engine)


@pytest.mark.parametrize("leads", [True, False])
async def test_an_iterator_that_nobody_closes(leads: bool) -> None:
    """An exchange that fails before its first item closes nothing; what it was given does so when it is forgotten."""
    engine, flights = Engine(PAUSING), made()
    leader, follower = many(engine, 2, streamed=True)
    kept = await flights.fly(SPACE, KEY, leader.ask, leader)
    lost = await flights.fly(SPACE, KEY, follower.ask, follower)
    if leads:
        kept, lost = lost, kept
    lost.recording.landed()
    del lost
    gc.collect()
    await settled()
    assert engine.open == 1
    await closed(kept.given)
    kept.recording.landed()
    await until(lambda: engine.open == 0)
    await nothing_left(flights, engine)


async def test_a_recording_that_nobody_lands() -> None:
    """An exchange that is lost on the way keeps no flight in the map."""
    engine, flights = Engine(gives()), made()
    engine.go.set()
    one = One(engine)
    flown = await flights.fly(SPACE, KEY, one.ask, one)
    assert flights._flights
    del flown
    gc.collect()
    await nothing_left(flights, engine)


async def test_stop() -> None:
    """A plugin that stops leaves no call and no task; whoever still waits is told, or asks by himself."""
    engine, flights = Engine(PAUSING, gives()), made()
    leader, follower, plain = await begun(
        flights, One(engine, streamed=True), One(engine, streamed=True), one := One(engine)
    )
    await flights.stop()
    assert engine.open == 0
    for task in (leader, follower):
        with pytest.raises(EngineError):
            await task
    engine.go.set()
    await plain
    assert one.text == TEXT
    await One(engine).run(flights)
    assert engine.calls == 3
    await nothing_left(flights, engine)


async def test_stop_after_a_call() -> None:
    """What has not landed yet is let go of too."""
    engine, flights = Engine(gives()), made()
    engine.go.set()
    one = One(engine)
    flown = await flights.fly(SPACE, KEY, one.ask, one)
    await flights.stop()
    assert not flights._flights
    flown.recording.landed()


async def test_stop_while_a_plain_call_is_under_way() -> None:
    """Its leader hears that the call broke off, and not that he was cancelled himself."""
    engine, flights = Engine(gives()), made()
    (leader,) = await begun(flights, One(engine))
    await flights.stop()
    with pytest.raises(EngineError, match="broke off"):
        await leader
    await nothing_left(flights, engine)
