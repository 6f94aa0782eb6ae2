"""Nothing waits for ever, and how many may wait is bounded."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator

import pytest
from tests.plugins.cache.flights.engine import (
    EVENTS,
    GO,
    KEY,
    LONG_S,
    PLAIN,
    SPACE,
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
    until,
)

from yumen import EngineError, Native
from yumen_plugins.cache import flights as flights_module
from yumen_plugins.cache.flights import flight as flight_module
from yumen_plugins.cache.flights import reader as reader_module

# How many.


async def test_followers_max() -> None:
    """Whoever is one too many has a call of his own, and nobody waits for it."""
    engine, flights = Engine(gives()), made(followers_max=3)
    ones = many(engine, 6)
    tasks = await begun(flights, *ones)
    assert engine.calls == 3
    engine.go.set()
    await asyncio.gather(*tasks)
    assert [one.flown.led for one in ones if one.flown] == [True, False, False, False, True, True]
    await nothing_left(flights, engine)


async def test_no_followers_at_all() -> None:
    """Where nobody may wait, everybody asks."""
    engine, flights = Engine(gives()), made(followers_max=0)
    tasks = await begun(flights, *many(engine, 3))
    engine.go.set()
    await asyncio.gather(*tasks)
    assert engine.calls == 3
    await nothing_left(flights, engine)


async def test_flights_max(monkeypatch: pytest.MonkeyPatch) -> None:
    """The map of calls under way is bounded: further ones are made, and shared with nobody."""
    monkeypatch.setattr(flights_module, "FLIGHTS_MAX", 2)
    engine, flights = Engine(gives()), made()
    ones = many(engine, 6)
    tasks = [asyncio.create_task(one.run(flights, b"%d" % (number // 2))) for number, one in enumerate(ones)]
    await settled()
    assert len(flights._flights) == 2
    engine.go.set()
    await asyncio.gather(*tasks)
    assert engine.calls == 4
    await nothing_left(flights, engine)


# How long.


@pytest.mark.parametrize("streamed", [False, True])
async def test_nobody_waits_longer_than_wait_s(streamed: bool) -> None:
    """A follower to whom nothing was given asks himself when the leader is silent; the others follow him."""

    async def hangs(engine: Engine) -> Native:
        await asyncio.Event().wait()
        raise AssertionError

    engine, flights = Engine(hangs, streams(GO, *EVENTS) if streamed else gives()), made(wait_s=1.0)
    ones = many(engine, 20, streamed=streamed)
    leader, *followers = await begun(flights, *ones)
    await until(lambda: sorted(flight.followers for flight in flights._tasks.values()) == [0, 18])
    # The wait that this is about is over: on a machine that stalls now, nobody is to give the second call up.
    flights._wait_s = LONG_S
    engine.go.set()
    async with asyncio.timeout(20):
        await asyncio.gather(*followers)
    assert {one.text for one in ones[1:]} == {TEXT}
    assert engine.calls == 2
    assert not leader.done()
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    await nothing_left(flights, engine)


async def test_a_stream_that_falls_silent_ends_for_its_followers() -> None:
    """Who has some of it cannot ask anew: his stream ends with an error that says it was late."""
    engine, flights = Engine(streams(*EVENTS[:3], GO, *EVENTS[3:])), made(wait_s=0.05)
    leader, follower = await begun(flights, one := One(engine, streamed=True), other := One(engine, streamed=True))
    with pytest.raises(EngineError, match="silent") as raised:
        await follower
    assert raised.value.timeout
    assert other.items == EVENTS[:3]
    engine.go.set()
    await leader
    assert one.items == EVENTS
    await nothing_left(flights, engine)


class Clock:
    """A clock that a test sets forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


async def test_a_sign_of_life_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited for is the next item, not the end: a long reply that keeps coming is followed to its end.

    Nor is the silence before he came a follower's.
    """
    clock = Clock()
    for module in (flights_module, flight_module, reader_module):
        monkeypatch.setattr(module, "time", clock)
    gates = [asyncio.Event() for _ in EVENTS]

    async def trickles(engine: Engine) -> AsyncIterator[bytes]:
        async def events() -> AsyncIterator[bytes]:
            for gate, item in zip(gates, EVENTS, strict=True):
                await gate.wait()
                yield item

        return events()

    engine, flights = Engine(trickles), made(wait_s=100.0)
    ones = [One(engine, streamed=True), One(engine, streamed=True), One(engine)]
    tasks = await begun(flights, *ones)
    the_flight(flights).open_until = math.inf
    for gate in gates[:-1]:
        clock.ahead += 60.0
        gate.set()
        await settled()
    clock.ahead += 99.0
    tasks += await begun(flights, late := One(engine, streamed=True))
    clock.ahead += 60.0
    gates[-1].set()
    await asyncio.gather(*tasks)
    assert ones[0].items == ones[1].items == late.items == EVENTS
    assert ones[2].text == TEXT
    assert engine.calls == 1
    await nothing_left(flights, engine)


async def test_nobody_waits_longer_than_his_own_time() -> None:
    """An exchange whose time for the engine is over is told so, however long others may still wait."""
    engine, flights = Engine(gives()), made()
    leader, follower = await begun(flights, One(engine), One(engine, left_s=0.05))
    with pytest.raises(EngineError) as raised:
        await follower
    assert raised.value.timeout
    engine.go.set()
    await leader
    assert engine.calls == 1
    await nothing_left(flights, engine)


async def test_a_stream_that_has_begun_outlasts_the_time_for_its_beginning() -> None:
    """The route's timeout is for the engine to begin; a follower of a stream that has begun has it as the leader does."""
    engine, flights = Engine(streams(GO, *EVENTS)), made()
    leader, follower = await begun(
        flights, One(engine, streamed=True), other := One(engine, streamed=True, left_s=0.05)
    )
    await until(lambda: other.flown is not None)
    engine.go.set()
    await asyncio.gather(leader, follower)
    assert other.items == EVENTS
    assert engine.calls == 1
    await nothing_left(flights, engine)


async def test_a_flight_does_not_go_on_for_ever() -> None:
    """Followers who come and come keep no call alive: after its leader's time nobody joins."""
    engine, flights = Engine(streams(EVENTS[0], GO, *EVENTS[1:])), made()
    tasks = await begun(flights, One(engine, streamed=True, left_s=0.05))
    await until(lambda: not the_flight(flights).joinable)
    tasks += await begun(flights, One(engine, streamed=True))
    assert engine.calls == 2
    engine.go.set()
    await asyncio.gather(*tasks)
    await nothing_left(flights, engine)


async def test_what_is_kept_by_then_is_found() -> None:
    """Who has waited in vain looks once more before the engine is asked: somebody else's reply may be kept by then."""
    engine, flights = Engine(fails()), made()
    looked = 0

    async def find() -> Native:
        nonlocal looked
        looked += 1
        return PLAIN

    leader, *others = many(engine, 3)
    tasks = await begun(flights, leader)
    waiting = [asyncio.create_task(flights.fly(SPACE, KEY, one.ask, one, find)) for one in others]
    await settled()
    assert not looked
    engine.go.set()
    assert [(await task).given for task in waiting] == [PLAIN, PLAIN]
    assert (engine.calls, looked) == (1, 2)
    with pytest.raises(EngineError):
        await tasks[0]
    await nothing_left(flights, engine)


# Late joiners.


@pytest.mark.parametrize("streamed", [False, True])
async def test_late_joiners_have_the_whole_until_it_has_landed(streamed: bool) -> None:
    """Between the end of a call and the moment its reply is kept elsewhere nobody asks the engine again."""
    engine, flights = Engine(streams(*EVENTS) if streamed else gives()), made()
    engine.go.set()
    leader = One(engine, streamed=streamed)
    flown = await flights.fly(SPACE, KEY, leader.ask, leader)
    await leader.read(flown.given)
    late = [One(engine, streamed=True), One(engine)]
    for one in late:
        await one.run(flights)
    assert {one.text for one in late} == {TEXT}
    assert engine.calls == 1
    flown.recording.landed()
    await One(engine, streamed=streamed).run(flights)
    assert engine.calls == 2
    await nothing_left(flights, engine)


async def test_late_joiners_are_given_nothing_that_may_not_be_given_again() -> None:
    """Who comes after the end has what a cache would give him, which is no reply that was cut short."""
    cut = Native(200, PLAIN.body.replace(b'"stop"', b'"length"'))
    engine, flights = Engine(gives(cut)), made()
    engine.go.set()
    leader, late = many(engine, 2)
    flown = await flights.fly(SPACE, KEY, leader.ask, leader)
    await late.run(flights)
    assert engine.calls == 2
    flown.recording.landed()
    await nothing_left(flights, engine)


async def test_landing_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leader that takes its time to keep the reply has others ask anew after a while, and no stale reply given."""
    monkeypatch.setattr(flights_module, "LAND_S", 0.05)
    engine, flights = Engine(gives()), made()
    engine.go.set()
    leader = One(engine)
    flown = await flights.fly(SPACE, KEY, leader.ask, leader)
    await until(lambda: all(not flight.joinable for flight in flights._flights.values()))
    await One(engine).run(flights)
    assert engine.calls == 2
    flown.recording.landed()
    await nothing_left(flights, engine)
