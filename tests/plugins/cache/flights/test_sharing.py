"""Of equal requests at the same time one asks the engine, and everybody gets what it is given."""

from __future__ import annotations

import asyncio

import pytest
from tests.plugins.cache.flights.engine import (
    EVENTS,
    GO,
    PLAIN,
    TEXT,
    Engine,
    One,
    begun,
    fails,
    gives,
    made,
    many,
    nothing_left,
    streams,
    until,
)

from yumen import Answer, Delta, EngineError, Native, Usage
from yumen.testing import chunk, completion

THOUSAND = 1000
PAUSING = streams(*EVENTS[:3], GO, *EVENTS[3:])


def shared(ones: list[One]) -> list[One]:
    """Those who got what another one's engine gave."""
    return [one for one in ones if one.flown is not None and not one.flown.led]


async def test_a_thousand_plain_requests_make_one_call() -> None:
    """However many ask the same at once, the engine is asked once; the leader's headers are nobody else's."""
    engine, flights = Engine(gives()), made()
    ones = many(engine, THOUSAND)
    tasks = await begun(flights, *ones)
    engine.go.set()
    await asyncio.gather(*tasks)
    assert engine.calls == 1
    assert len(shared(ones)) == THOUSAND - 1
    assert {one.text for one in ones} == {TEXT}
    assert ones[0].reply is PLAIN
    assert all(one.reply == Native(200, PLAIN.body) for one in shared(ones))
    await nothing_left(flights, engine)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_thousand_mixed_requests_make_one_call(streamed: bool) -> None:
    """A plain reply serves those who want a stream, and a stream with its usage those who want a plain reply."""
    engine, flights = Engine(PAUSING if streamed else gives()), made()
    ones = [One(engine, streamed=(number % 2 == 0) == streamed) for number in range(THOUSAND)]
    tasks = await begun(flights, *ones)
    engine.go.set()
    await asyncio.gather(*tasks)
    assert engine.calls == 1
    assert {one.text for one in ones} == {TEXT}
    assert all(one.reply is not None for one in ones if not one.streamed)
    assert all(one.items == EVENTS for one in ones if one.streamed) is streamed
    await nothing_left(flights, engine)


async def test_followers_stream_along() -> None:
    """A follower has every item as soon as the leader has, and one who comes in the middle has them from the first on."""
    engine, flights = Engine(PAUSING), made()
    leader, early, late = many(engine, 3, streamed=True)
    tasks = await begun(flights, leader, early)
    assert leader.items == early.items == EVENTS[:3]
    tasks += await begun(flights, late)
    assert late.items == EVENTS[:3]
    engine.go.set()
    await asyncio.gather(*tasks)
    assert leader.items == early.items == late.items == EVENTS
    assert engine.calls == 1
    await nothing_left(flights, engine)


async def test_deltas_and_answers_of_neutral_engines() -> None:
    """What an engine says without a wire format is shared the same way."""
    deltas = [Delta("你"), Delta("好"), Delta(finish_reason="stop", usage=Usage(1, 2))]
    for plan, streamed in ((streams(GO, *deltas), True), (gives(Answer(["你好"], usage=Usage(1, 2))), False)):
        engine, flights = Engine(plan), made()
        ones = [One(engine, streamed=streamed), One(engine, streamed=True), One(engine)]
        tasks = await begun(flights, *ones)
        engine.go.set()
        await asyncio.gather(*tasks)
        assert engine.calls == 1
        assert ones[2].reply == Answer(["你好"], usage=Usage(1, 2))
        told = "".join(item.text for item in ones[1].items if isinstance(item, Delta))
        assert told == "你好"
        await nothing_left(flights, engine)


async def test_a_stream_without_the_usage_serves_nobody_who_is_owed_it() -> None:
    """Who asks for the usage, or for a plain reply, does not follow a stream that lacks it; who does not, follows either."""
    engine, flights = Engine(streams(GO, *EVENTS[:-1]), streams(GO, *EVENTS)), made()
    lacks, owed, plain, either = (
        One(engine, streamed=True, wants_usage=False),
        One(engine, streamed=True),
        One(engine),
        One(engine, streamed=True, wants_usage=False),
    )
    tasks = await begun(flights, lacks, owed, plain, either)
    engine.go.set()
    await asyncio.gather(*tasks)
    assert engine.calls == 2
    assert lacks.items == EVENTS[:-1]
    assert owed.items == EVENTS
    assert plain.text == TEXT
    assert either.items in (EVENTS, EVENTS[:-1])
    await nothing_left(flights, engine)


async def test_other_keys_are_other_calls() -> None:
    """Requests that are not equal never share a call."""
    engine, flights = Engine(gives()), made()
    one, other = many(engine, 2)
    tasks = [asyncio.create_task(one.run(flights, b"a")), asyncio.create_task(other.run(flights, b"b"))]
    engine.go.set()
    await asyncio.gather(*tasks)
    assert engine.calls == 2
    await nothing_left(flights, engine)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_leader_that_fails_hands_over(streamed: bool) -> None:
    """Where a call fails before anything came of it, one of those who wait makes the next one, and only its leader errs."""
    engine, flights = Engine(fails(EngineError("busy")), streams(*EVENTS) if streamed else gives()), made()
    ones = many(engine, 50, streamed=streamed)
    tasks = await begun(flights, *ones)
    engine.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert engine.calls == 2
    assert isinstance(results[0], EngineError)
    assert str(results[0]) == "busy"
    assert {one.text for one in ones[1:]} == {TEXT}
    await nothing_left(flights, engine)


async def test_what_the_leader_raises_is_raised_on_as_it_is() -> None:
    """The core knows by the very exception what its own `ask` has raised."""
    error = ValueError("of the core")
    engine, flights = Engine(fails(error)), made()
    engine.go.set()
    with pytest.raises(ValueError, match="of the core") as raised:
        await One(engine).run(flights)
    assert raised.value is error
    await nothing_left(flights, engine)


async def test_after_two_failures_everybody_asks_by_himself() -> None:
    """An engine that fails does not make a thousand callers stand in a queue: those who have waited twice go at once."""
    gate = asyncio.Event()

    async def waits(engine: Engine) -> Native:
        await gate.wait()
        return PLAIN

    engine, flights = Engine(fails(), fails(), waits), made()
    ones = many(engine, 20)
    tasks = await begun(flights, *ones)
    engine.go.set()
    await until(lambda: engine.running == 18)
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, EngineError) for result in results].count(True) == 2
    assert engine.calls == 20
    await nothing_left(flights, engine)


@pytest.mark.parametrize("status", [400, 429, 500])
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_error_of_the_engine_is_its_callers_own(status: int, streamed: bool) -> None:
    """An error status is never given to another exchange: it may be about the caller."""
    engine, flights = Engine(gives(Native(status, b'{"error":{}}')), gives()), made()
    ones = many(engine, 10, streamed=streamed)
    tasks = await begun(flights, *ones)
    engine.go.set()
    await asyncio.gather(*tasks)
    assert engine.calls == 2
    assert isinstance(ones[0].reply, Native)
    assert ones[0].reply.status == status
    assert {one.text for one in ones[1:]} == {TEXT}
    await nothing_left(flights, engine)


async def test_what_a_plugin_of_the_leader_answers_is_its_own() -> None:
    """A plugin that answers right before the engine speaks to one caller, so nobody else is told."""
    engine, flights = Engine(gives(Answer(["you have no budget left"])), gives()), made()
    ones = many(engine, 5)
    ones[0].engine_version = ""
    tasks = await begun(flights, *ones)
    engine.go.set()
    await asyncio.gather(*tasks)
    assert engine.calls == 2
    assert ones[0].flown is not None
    assert ones[0].flown.recording.given is None
    assert {one.text for one in ones[1:]} == {TEXT}
    await nothing_left(flights, engine)


async def test_a_stream_that_breaks_breaks_for_those_who_have_some_of_it() -> None:
    """Who was given items gets the same error as the leader; who was given nothing asks anew."""
    error = EngineError("fell silent", timeout=True)
    engine, flights = Engine(streams(*EVENTS[:3], GO, error), gives()), made()
    leader, follower, plain = One(engine, streamed=True), One(engine, streamed=True), One(engine)
    tasks = await begun(flights, leader, follower, plain)
    engine.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[0] is error
    assert isinstance(results[1], EngineError)
    assert results[1] is not error
    assert (str(results[1]), results[1].timeout) == ("fell silent", True)
    assert leader.items == follower.items == EVENTS[:3]
    assert plain.text == TEXT
    assert engine.calls == 2
    await nothing_left(flights, engine)


async def test_a_stream_that_breaks_before_its_first_item_hands_over() -> None:
    """A stream that was begun and gave nothing is no reply."""
    for first in ((GO, EngineError("reset")), (GO,)):
        engine, flights = Engine(streams(*first), streams(*EVENTS)), made()
        leader, follower = many(engine, 2, streamed=True)
        tasks = await begun(flights, leader, follower)
        engine.go.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert leader.items == []
        assert follower.items == EVENTS
        assert engine.calls == 2
        await nothing_left(flights, engine)


async def test_an_error_that_is_no_engines_own_shows_followers_its_kind_only() -> None:
    """Somebody else's exception may repeat a payload, so only its kind is passed on."""
    engine, flights = Engine(streams(EVENTS[0], GO, ValueError("身份证 11010519491231002X"))), made()
    tasks = await begun(flights, *many(engine, 2, streamed=True))
    engine.go.set()
    leader, follower = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(leader, ValueError)
    assert isinstance(follower, EngineError)
    assert "1101" not in str(follower)
    assert "ValueError" in str(follower)
    await nothing_left(flights, engine)


async def test_a_reply_that_may_not_be_given_again_is_not_put_in_another_form() -> None:
    """A reply that was cut short is shared by those who waited for it as it is; who needs another form asks himself."""
    cut = Native(200, completion("ab").replace(b'"stop"', b'"length"'))
    engine, flights = Engine(gives(cut), streams(*EVENTS)), made()
    ones = [One(engine), One(engine), One(engine, streamed=True), One(engine, streamed=True)]
    tasks = await begun(flights, *ones)
    engine.go.set()
    await asyncio.gather(*tasks)
    assert engine.calls == 2
    assert isinstance(ones[1].reply, Native)
    assert ones[1].reply.body == cut.body
    assert ones[2].items == ones[3].items == EVENTS
    await nothing_left(flights, engine)


async def test_recordings() -> None:
    """The leader has all that the engine gave once it is whole, and nothing of what broke off."""
    engine, flights = Engine(PAUSING), made()
    one = One(engine, streamed=True)
    (task,) = await begun(flights, one)
    assert one.flown is not None
    early = one.flown.recording.given
    engine.go.set()
    await task
    assert (early, one.flown.recording.given) == (None, EVENTS)

    engine = Engine(streams(chunk("半"), EngineError("reset")))
    broken = One(engine, streamed=True)
    with pytest.raises(EngineError):
        await broken.run(flights)
    assert broken.flown is not None
    assert broken.flown.recording.given is None
    await nothing_left(flights, engine)


@pytest.mark.parametrize("streamed", [False, True])
async def test_alone(streamed: bool) -> None:
    """Who must not share a call has one of his own, with its recording."""
    engine, flights = Engine(streams(*EVENTS) if streamed else gives()), made()
    engine.go.set()
    for _ in range(2):
        one = One(engine, streamed=streamed)
        flown = await flights.alone("space", b"key", one.ask, one)
        assert flown.led
        assert flown.recording.given == (None if streamed else PLAIN)
        await one.read(flown.given)
        assert flown.recording.given == (EVENTS if streamed else PLAIN)
        flown.recording.landed()
    assert engine.calls == 2
    await nothing_left(flights, engine)
