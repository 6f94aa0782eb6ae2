"""Whatever comes when: everybody gets exactly what one call of the engine gave, or an error, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lengths import times
from tests.plugins.cache.flights.engine import DIALECT, USAGE, Engine, One, made, nothing_left, settled

from yumen import Answer, EngineError, Events, Native
from yumen.kept import kept_of
from yumen.testing import chunk, completion

TURNS = 12
MANY = 12
FEW_BYTES = 2000


class Call(NamedTuple):
    """What the engine does when it is asked: after some turns `kind`, its items some turns apart."""

    kind: str
    before: int
    apart: int
    items: int
    breaks_at: int


class Guest(NamedTuple):
    """An exchange: when it comes, and after how many turns it is cancelled, once and again; -1 for never."""

    comes: int
    streamed: bool
    slow: int
    leaves: int
    again: int


calls = st.lists(
    st.builds(
        Call,
        kind=st.sampled_from(["plain", "plain", "stream", "stream", "stream", "long", "error", "status", "broken"]),
        before=st.integers(0, 4),
        apart=st.integers(0, 3),
        items=st.integers(0, 6),
        breaks_at=st.integers(0, 6),
    ),
    min_size=1,
    max_size=6,
)
guests = st.lists(
    st.builds(
        Guest,
        comes=st.integers(0, TURNS),
        streamed=st.booleans(),
        slow=st.integers(0, 3),
        leaves=st.one_of(st.just(-1), st.integers(0, TURNS)),
        again=st.one_of(st.just(-1), st.integers(0, 3)),
    ),
    min_size=1,
    max_size=MANY,
)


class Storm(Engine):
    """Says in everything which call it was."""

    def __init__(self, plan: list[Call]) -> None:
        super().__init__(self.next)
        self.plan = plan
        self.streams: list[list[bytes]] = []
        self.texts: set[str] = set()
        self.most = 0

    async def next(self, _: Engine) -> Answer | Native | Events:
        number = self.calls
        call = self.plan[(number - 1) % len(self.plan)]
        await settled(call.before)
        text = f"第{number}次 call"
        if call.kind == "error":
            raise EngineError(text)
        if call.kind == "status":
            return Native(503, b"{}")
        if call.kind == "plain":
            self.texts.add(text)
            reply = Native(200, completion(text))
            kept = kept_of(DIALECT, reply)
            assert kept is not None
            self.streams.append(list(kept.events))
            return reply
        parts = [f"{number}.{index} 字 " for index in range(call.items)]
        if call.kind == "long":
            parts += ["x" * FEW_BYTES]
        items = [*map(chunk, parts), chunk(finish="stop"), USAGE]
        self.streams.append(items)
        self.texts.add("".join(parts))
        return self.paced(items, call)

    async def paced(self, items: list[bytes], call: Call) -> AsyncIterator[bytes]:
        self.open += 1
        try:
            for index, item in enumerate(items):
                await settled(call.apart)
                if call.kind == "broken" and index == call.breaks_at:
                    raise EngineError("broke off")
                yield item
        finally:
            self.open -= 1


async def visit(guest: Guest, one: One, coming: asyncio.Task[One]) -> None:
    """Cancel an exchange when its client leaves."""
    for turns in (guest.leaves, guest.again):
        if turns < 0:
            return
        await settled(turns)
        coming.cancel()


def check(one: One, outcome: One | BaseException, engine: Storm) -> None:
    """What one exchange got is what one call gave: all of it, or the beginning where it ended with an error."""
    if isinstance(outcome, BaseException):
        assert isinstance(outcome, EngineError | asyncio.CancelledError), outcome
        assert one.reply is None
    if one.items:
        whole = isinstance(outcome, One)
        assert any(one.items == (items if whole else items[: len(one.items)]) for items in engine.streams)
    elif isinstance(outcome, One):
        assert isinstance(one.reply, Native)
        assert one.reply.status == 503 or one.text in engine.texts
        if one.reply.status == 503:
            assert one.flown is not None
            assert one.flown.led


async def storm(plan: list[Call], party: list[Guest]) -> None:
    engine = Storm(plan)
    flights = made(bytes_max=FEW_BYTES)
    ones = [One(engine, streamed=guest.streamed) for guest in party]

    async def come(guest: Guest, one: One) -> One:
        await settled(guest.comes)
        one.before = lambda: settled(guest.slow)
        return await one.run(flights)

    tasks = [asyncio.create_task(come(guest, one)) for guest, one in zip(party, ones, strict=True)]
    leaving = [asyncio.create_task(visit(*all_of)) for all_of in zip(party, ones, tasks, strict=True)]
    async with asyncio.timeout(60):
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*leaving)
    await nothing_left(flights, engine)
    for one, outcome in zip(ones, outcomes, strict=True):
        check(one, outcome, engine)
    assert engine.calls == sum(one.ask.asked for one in ones)


@given(calls, guests)
@settings(max_examples=times(200, 5000))
def test_any_storm(plan: list[Call], party: list[Guest]) -> None:
    """Every follower gets exactly the leader's sequence or an error; no task, call or iterator is left."""
    asyncio.run(storm(plan, party))


@given(
    st.sampled_from(["plain", "stream"]),
    st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=2, max_size=40),
    st.integers(0, 2),
    st.lists(st.integers(1, 39), max_size=10),
)
@settings(max_examples=times(100, 2000))
def test_calls_are_one_more_than_failures(
    kind: str, forms: list[tuple[bool, int]], failures: int, leaving: list[int]
) -> None:
    """Of any crowd that comes at once, whoever of it leaves, so many calls are made as fail, and one."""

    async def crowd() -> None:
        plan = [Call("error", 8, 0, 0, 0)] * failures + [Call(kind, 8, 2, 5, 0)]
        engine, flights = Storm(plan), made()
        ones = [One(engine, streamed=streamed) for streamed, _ in forms]
        for one, (_, slow) in zip(ones, forms, strict=True):
            one.before = lambda slow=slow: settled(slow)
        tasks = [asyncio.create_task(one.run(flights)) for one in ones]
        await settled(2)
        # The leaders are the first ones; of those that follow, any may go.
        for number in leaving:
            if failures < number < len(tasks):
                tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await nothing_left(flights, engine)
        if failures < 2:
            assert engine.calls <= 1 + failures

    asyncio.run(crowd())
