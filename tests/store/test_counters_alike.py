"""Counters in memory and in a real Redis server give the same readings, whatever happens in whatever order."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.redis_server import RedisServer

from yumen import Entry, Reading, Scope, Series
from yumen.store.counting import DISTINCT_MAX
from yumen.store.memory_counters import MemoryCounters
from yumen.store.redis import RedisStore
from yumen.store.redis_counters import RedisCounters

SCOPES = (
    Scope(
        "key",
        (
            Series("requests", windows_s=(1, 60, 600)),
            Series("tokens", windows_s=(7,)),
            Series("models", "distinct", (10, 60)),
            Series("rhythm", "usual", (30,)),
        ),
    ),
    Scope(
        "tenant", (Series("prompts", "recent", keep=3), Series("blocked", "until"), Series("n", windows_s=(86_400,)))
    ),
)
MEMBERS = st.sampled_from([0, 1, 7, 2**63, 2**64 - 1])
AMOUNTS = st.one_of(st.none(), st.integers(-20, 20), st.sampled_from([0.25, 1.5, -0.5, 1e6]))
WHO = st.sampled_from(["k1", "键", "a:b"])
ENTRIES = st.lists(
    st.one_of(
        st.builds(Entry, st.just(0), WHO, st.tuples(AMOUNTS, AMOUNTS, st.one_of(st.none(), MEMBERS), AMOUNTS)),
        st.builds(
            Entry,
            st.just(1),
            WHO,
            st.tuples(st.one_of(st.none(), MEMBERS), st.one_of(st.none(), st.sampled_from([0.0, 1.9e9])), AMOUNTS),
        ),
    ),
    max_size=4,
)
# The rest goes back: within a slice, and by more than that.
PAUSES = st.one_of(
    st.floats(0, 2),
    st.floats(0, 90),
    st.floats(0, 2e6),
    st.sampled_from([0.0, 1 / 6, 10.0, 604_800.0, -0.1, -5.0, -4000.0]),
)
STEPS = st.lists(st.tuples(PAUSES, ENTRIES), min_size=1, max_size=25)
NOW = 1_800_000_000.25


class Both:
    """The same counters twice, under one clock that the test holds."""

    def __init__(self, store: RedisStore, scopes: Sequence[Scope] = SCOPES) -> None:
        self.now = NOW
        self.memory = MemoryCounters(scopes, {}, lambda: self.now)
        self.redis = RedisCounters(store._link, "yumen:t:c:alike", scopes, lambda: self.now)

    async def count(self, entries: Sequence[Entry]) -> list[tuple[Reading, ...]]:
        """What both answer, after it was made sure that they answer alike."""
        mine, theirs = await self.memory.count(entries), await self.redis.count(entries)
        assert len(mine) == len(theirs) == len(entries)
        for here, there in zip(mine, theirs, strict=True):
            for one, other in zip(here, there, strict=True):
                assert one == pytest.approx(other, rel=1e-9, abs=1e-6)
        return theirs

    async def wait_s(self, scope: int, who: str, series: int, limit: float) -> int:
        """The same for the time until there is room."""
        mine = await self.memory.wait_s(scope, who, series, limit)
        assert await self.redis.wait_s(scope, who, series, limit) == mine
        return mine


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    """An empty server."""
    redis_server.clear()
    made = RedisStore.of(redis_server.url)
    yield made
    await made.close()


async def run(store: RedisStore, steps: list[tuple[float, list[Entry]]]) -> None:
    """Do the same to both."""
    both = Both(store)
    for pause, entries in steps:
        both.now += pause
        for reading in await both.count(entries):
            assert all(math.isfinite(number) and number >= -1e-6 for one in reading for number in one)
        await both.wait_s(0, "k1", 0, 3)
        await both.wait_s(1, "键", 2, 1)


def test_readings_are_the_same(redis_server: RedisServer) -> None:
    """One set of rules in two languages: no order of changes, pauses and clocks set back tells them apart."""
    with asyncio.Runner() as runner:
        store = RedisStore.of(redis_server.url)

        @given(steps=STEPS)
        @settings(max_examples=80)
        def alike(steps: list[tuple[float, list[Entry]]]) -> None:
            redis_server.clear()
            runner.run(run(store, steps))

        alike()
        runner.run(store.close())


async def test_more_members_than_are_known(store: RedisStore) -> None:
    """Both count up to the same ceiling, and forget the one that was seen longest ago."""
    both = Both(store, [Scope("key", (Series("ids", "distinct", (60, 3600)),))])
    for member in range(DISTINCT_MAX + 20):
        both.now += 0.5
        await both.count([Entry(0, "k", (member,))])
    assert await both.count([Entry(0, "k", (None,))]) == [((120, DISTINCT_MAX),)]
    assert await both.count([Entry(0, "k", (DISTINCT_MAX + 19,))]) == [((120, DISTINCT_MAX),)]
    assert await both.count([Entry(0, "k", (0,))]) == [((121, DISTINCT_MAX),)]


async def test_many_at_once(store: RedisStore) -> None:
    """Entries of one call are made in their order, also several for the same one."""
    both = Both(store)
    readings = await both.count([Entry(0, "k1", (1, 2, 3, 4))] * 3)
    assert [reading[0][0] for reading in readings] == [1, 2, 3]
    assert await both.count([]) == []
