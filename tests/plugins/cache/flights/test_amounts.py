"""Nothing grows without end, and who is slow is slow alone."""

from __future__ import annotations

import asyncio

import pytest
from tests.plugins.cache.flights.engine import (
    EVENTS,
    GO,
    TEXT,
    Engine,
    One,
    begun,
    fails,
    gives,
    made,
    many,
    nothing_left,
    settled,
    streams,
    the_flight,
    waits,
)

from yumen import EngineError
from yumen.testing import CapturedMetrics
from yumen_plugins.cache.flights.buffer import AHEAD_BYTES, BEHIND_BYTES, size_of

ITEM = b"x" * 1024
# More than any reader may be behind, and than is read ahead.
LONG = [ITEM] * (3 * BEHIND_BYTES // len(ITEM))
SHORT_MAX = 4096


async def test_a_plain_reply_that_is_too_long_is_not_recorded() -> None:
    """Followers who wait for it as it is have it all the same: it is one object for everybody."""
    engine, flights = Engine(gives()), made(bytes_max=10)
    tasks = await begun(flights, *(ones := many(engine, 3)))
    engine.go.set()
    await asyncio.gather(*tasks)
    assert engine.calls == 1
    assert {one.text for one in ones} == {TEXT}
    assert ones[0].flown is not None
    assert ones[0].flown.recording.given is None
    await nothing_left(flights, engine)


async def test_a_stream_that_is_too_long() -> None:
    """It goes on for those who have it from the beginning, in bounded memory; nobody joins, and nothing is recorded."""
    engine, flights = Engine(streams(*LONG[:2], GO, *LONG[2:]), gives()), made(bytes_max=SHORT_MAX)
    leader, follower, plain = One(engine, streamed=True), One(engine, streamed=True), One(engine)
    tasks = await begun(flights, leader, follower, plain)
    flight = the_flight(flights)
    most = 0

    async def look() -> None:
        nonlocal most
        most = max(most, sum(map(size_of, flight.buffer.items)))
        await asyncio.sleep(0)

    leader.before = look
    engine.go.set()
    await asyncio.gather(*tasks)
    assert leader.items == follower.items == LONG
    assert plain.text == TEXT
    assert engine.calls == 2
    assert BEHIND_BYTES < most <= BEHIND_BYTES + AHEAD_BYTES + len(ITEM)
    assert leader.flown is not None
    assert leader.flown.recording.given is None
    await nothing_left(flights, engine)


async def test_a_long_reply_is_no_newcomers() -> None:
    """What is not there from the beginning any more cannot be given from the middle."""
    engine, flights = Engine(streams(*LONG[:10], GO, EVENTS[0])), made(bytes_max=SHORT_MAX)
    tasks = await begun(flights, One(engine, streamed=True))
    tasks += await begun(flights, One(engine, streamed=True))
    assert engine.calls == 2
    engine.go.set()
    await asyncio.gather(*tasks)
    await nothing_left(flights, engine)


async def test_a_stream_is_not_read_ahead_of_everybody() -> None:
    """An engine goes no faster than the fastest client, but for a little."""
    engine, flights = Engine(streams(*LONG)), made(bytes_max=1 << 30)
    gate, wait = waits()
    leader, follower = many(engine, 2, streamed=True)
    leader.before = follower.before = wait  # type: ignore[assignment]
    tasks = await begun(flights, leader, follower)
    await settled(100)
    assert engine.pulled * len(ITEM) <= AHEAD_BYTES + 2 * len(ITEM)
    gate.set()
    await asyncio.gather(*tasks)
    assert leader.items == follower.items == LONG
    await nothing_left(flights, engine)


@pytest.mark.parametrize("slow_leads", [False, True])
async def test_a_slow_reader_slows_nobody(slow_leads: bool) -> None:
    """Whoever is slow, leader or follower, the other ones have all of a reply that can be remembered."""
    engine, flights = Engine(streams(*LONG)), made(bytes_max=1 << 20)
    gate, wait = waits()
    ones = many(engine, 3, streamed=True)
    slow = ones[0 if slow_leads else 1]
    slow.before = wait  # type: ignore[assignment]
    tasks = await begun(flights, *ones)
    fast = [task for task, one in zip(tasks, ones, strict=True) if one is not slow]
    await asyncio.gather(*fast)
    assert slow.items == []
    gate.set()
    await asyncio.gather(*tasks)
    assert all(one.items == LONG for one in ones)
    assert engine.calls == 1
    await nothing_left(flights, engine)


async def test_a_slow_leader_and_one_who_waits_for_the_whole() -> None:
    """Who wants the reply in another form needs nobody to read it."""
    events = [*EVENTS[:1], *([EVENTS[1]] * 2000), *EVENTS[-2:]]
    engine, flights = Engine(streams(*events)), made()
    gate, wait = waits()
    leader, plain = One(engine, streamed=True), One(engine)
    leader.before = wait  # type: ignore[assignment]
    task, other = await begun(flights, leader, plain)
    await other
    assert len(plain.text) == 2001
    gate.set()
    await task
    assert leader.items == events
    await nothing_left(flights, engine)


async def test_a_slow_follower_of_a_long_reply_is_cut_off() -> None:
    """Beyond what may be remembered a follower has to keep up; his stream ends with an error, and nobody else's."""
    engine, flights = Engine(streams(*LONG)), made(bytes_max=SHORT_MAX)
    gate, wait = waits()
    leader, slow = many(engine, 2, streamed=True)
    slow.before = wait  # type: ignore[assignment]
    task, other = await begun(flights, leader, slow)
    await task
    assert leader.items == LONG
    gate.set()
    with pytest.raises(EngineError, match="too slowly"):
        await other
    assert slow.items == LONG[:1]
    await nothing_left(flights, engine)


async def test_a_slow_leader_of_a_long_reply_is_waited_for() -> None:
    """The exchange whose call it is gets its reply as it would alone: the call waits for it rather than cut it off."""
    engine, flights = Engine(streams(*LONG)), made(bytes_max=SHORT_MAX)
    gate, wait = waits()
    leader, fast = many(engine, 2, streamed=True)
    leader.before = wait  # type: ignore[assignment]
    tasks = await begun(flights, leader, fast)
    await settled(2000)
    assert len(fast.items) * len(ITEM) <= BEHIND_BYTES + 2 * len(ITEM)
    gate.set()
    await asyncio.gather(*tasks)
    assert leader.items == fast.items == LONG
    await nothing_left(flights, engine)


async def test_a_slow_leader_of_a_long_reply_who_leaves() -> None:
    """Once it has gone, nobody waits for it any more."""
    engine, flights = Engine(streams(*LONG)), made(bytes_max=SHORT_MAX)
    _, wait = waits()
    leader, fast = many(engine, 2, streamed=True)
    leader.before = wait  # type: ignore[assignment]
    task, other = await begun(flights, leader, fast)
    await settled(2000)
    task.cancel()
    await other
    assert fast.items == LONG
    with pytest.raises(asyncio.CancelledError):
        await task
    await nothing_left(flights, engine)


async def test_a_flight_counts_what_it_does() -> None:
    """Operators see how many flights came to nothing, and how many exchanges were one too many."""
    measured = CapturedMetrics()
    engine, flights = Engine(fails(), gives()), made(followers_max=1, measured=measured)
    tasks = [task for one in many(engine, 3) for task in await begun(flights, one)]
    engine.go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert measured.total("flights_full") == 1
    assert measured.total("flights_failed") == 1
    await nothing_left(flights, engine)
