"""Counters in memory: how exact they are, whom they remember, and that a reload keeps what did not change."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yumen import Counters, Entry, Scope, Series
from yumen.store.counting import ALPHA, RING, SLICES
from yumen.store.memory import MemoryStore

WINDOW_S = 60
ROWS = 200_000
# What a key of one window may cost in all, in bytes: a million of them stay below 350 MB.
KEY_BYTES_MAX = 350
MEASURE = f"""
import asyncio, pathlib
from yumen import Entry, Scope, Series
from yumen.store.memory import MemoryStore

def resident():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096

async def fill():
    scope = Scope("key", (Series("requests", windows_s=(60,)),), keys_max={ROWS})
    counters = MemoryStore().counters("c", [scope])
    before = resident()
    for number in range({ROWS}):
        await counters.count([Entry(0, f"key-{{number:016x}}", (1,))])
    print((resident() - before) // {ROWS})

asyncio.run(fill())
"""


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


def one(*series: Series, keys_max: int = 100) -> Scope:
    return Scope("key", series, keys_max)


async def read(counters: Counters, *changes: float | None, who: str = "k") -> tuple[tuple[float, ...], ...]:
    """One entry for one key."""
    return (await counters.count([Entry(0, who, changes)]))[0]


@given(st.lists(st.tuples(st.one_of(st.floats(0, 2), st.floats(0, 30)), st.integers(1, 5)), max_size=60))
@settings(max_examples=100)
def test_a_sum_lies_between_the_five_sixths_and_the_seven_sixths_of_its_window(gaps: list[tuple[float, int]]) -> None:
    """The documented error: all that came in 5/6 of the window counts, nothing older than 7/6 does."""
    clock, came = Clock(), list[tuple[float, int]]()
    counters = MemoryStore(clock).counters("c", [one(Series("n", windows_s=(WINDOW_S,)))])
    for gap, amount in gaps:
        clock.time += gap
        came.append((clock.time, amount))
        ((held,),) = asyncio.run(read(counters, amount))
        least, most = (
            sum(many for at, many in came if at > clock.time - WINDOW_S * share / SLICES)
            for share in (SLICES - 1, RING)
        )
        assert least - 1e-6 <= held <= most + 1e-6


async def test_a_sum_by_hand() -> None:
    """What stands in the oldest slice fades while the newest grows, and is gone when that one is full."""
    clock = Clock()
    clock.time = 6000.0
    counters = MemoryStore(clock).counters("c", [one(Series("n", windows_s=(WINDOW_S, 600)))])
    assert await read(counters, 8) == ((8, 8),)
    clock.time += 59.9
    assert await read(counters, None) == ((8, 8),)
    clock.time = 6062.5
    assert await read(counters, 1) == ((7, 9),)
    clock.time = 6070.0
    assert await read(counters, None) == ((1, 9),)


async def test_what_is_given_back_is_taken_from_the_newest_and_never_below_nothing() -> None:
    """A refusal that crosses the turn of a slice is given back all the same; more than there is leaves nothing owed."""
    clock = Clock()
    clock.time = 6009.0
    counters = MemoryStore(clock).counters("c", [one(Series("n", windows_s=(WINDOW_S,)))])
    await read(counters, 2)
    clock.time = 6010.5
    assert await read(counters, -1) == ((1,),)
    assert await read(counters, -9) == ((0,),)
    assert await read(counters, 1) == ((1,),)


async def test_distinct_counts_members_and_not_how_often_they_come() -> None:
    """Each member counts once in each window, from when it was seen last, to the instant."""
    clock = Clock()
    counters = MemoryStore(clock).counters("c", [one(Series("ids", "distinct", (10, 60)))])
    assert await read(counters, None) == ((0, 0),)
    assert [(await read(counters, member))[0] for member in (5, 2**64 - 1, 5)] == [(1, 1), (2, 2), (2, 2)]
    clock.time += 9
    assert await read(counters, 5) == ((2, 2),)
    clock.time += 1
    assert await read(counters, None) == ((1, 2),)
    clock.time += 50
    assert await read(counters, None) == ((0, 1),)


def slow_usual(slots: list[int]) -> tuple[float, float]:
    """Mean and variance of complete slots, one after the other, as the formula is printed."""
    mean, variance = float(slots[0]), 0.0
    for amount in slots[1:]:
        off = amount - mean
        mean += ALPHA * off
        variance = (1 - ALPHA) * (variance + ALPHA * off * off)
    return mean, variance


@given(st.lists(st.one_of(st.just(0), st.integers(1, 50)), min_size=2, max_size=60).filter(lambda slots: slots[0] > 0))
def test_what_is_usual_counts_empty_slots_without_looking_at_each(slots: list[int]) -> None:
    """The closed form for slots of nothing gives what going through them one by one does."""
    clock = Clock()
    clock.time = 30_000.0
    counters = MemoryStore(clock).counters("c", [one(Series("n", "usual", (30,)))])
    for amount in slots:
        if amount:
            reading = asyncio.run(read(counters, amount))
            assert reading[0][0] == amount
        clock.time += 30
    ((current, mean, deviation, complete),) = asyncio.run(read(counters, None))
    assert (current, complete) == (0, len(slots))
    slow_mean, slow_variance = slow_usual(slots)
    assert mean == pytest.approx(slow_mean)
    assert deviation**2 == pytest.approx(slow_variance, abs=1e-9)


async def test_after_a_very_long_gap_nothing_is_usual() -> None:
    """What was usual long ago is forgotten, at once."""
    clock = Clock()
    counters = MemoryStore(clock).counters("c", [one(Series("n", "usual", (1,)))])
    await read(counters, 7)
    clock.time += 1e9
    assert await read(counters, 1) == ((1, 0, 0, 0),)


async def test_recent_and_until() -> None:
    """The newest few come back before the next one is kept; a moment stays until another takes its place."""
    clock = Clock()
    counters = MemoryStore(clock).counters("c", [one(Series("r", "recent", keep=2), Series("u", "until"))])
    assert await read(counters, 1, None) == ((), (0.0,))
    assert await read(counters, 2, 1.9e9) == ((1,), (1.9e9,))
    assert await read(counters, 3, None) == ((1, 2), (1.9e9,))
    assert await read(counters, None, 1.8e9) == ((2, 3), (1.8e9,))
    assert await read(counters, None, 0) == ((2, 3), (0.0,))
    await read(counters, None, 5.0)
    clock.time += 7 * 86_400 + 1
    assert await read(counters, None, None) == ((), (0.0,))


async def test_the_least_recently_used_go_and_leave_nothing_behind() -> None:
    """A scope is bounded; whoever takes the place of another begins with nothing of every kind."""
    series = (
        Series("n", windows_s=(60,)),
        Series("d", "distinct", (60,)),
        Series("usual", "usual", (60,)),
        Series("r", "recent"),
        Series("until", "until"),
    )
    counters = MemoryStore(Clock()).counters("c", [one(*series, keys_max=2)])
    first = await read(counters, 1, 1, 1, 1, 1, who="钥匙")
    await read(counters, 1, 1, 1, 1, 1, who="b")
    await read(counters, *[None] * 5, who="钥匙")
    assert await read(counters, 1, 1, 1, 1, 1, who="c") == first
    assert (await read(counters, *[None] * 5, who="钥匙"))[0] == (1,)
    assert (await read(counters, *[None] * 5, who="b"))[0] == (0,)


async def test_a_reload_keeps_what_did_not_change() -> None:
    """The same name leads to the same counts; what is new or has another window begins anew, and all else goes on."""
    store = MemoryStore(Clock())
    before = store.counters("c", [one(Series("n", windows_s=(60, 600)), Series("ids", "distinct", (60,)))])
    await read(before, 3, 77)
    again = store.counters("c", [one(Series("n", windows_s=(60, 600)), Series("ids", "distinct", (60,)))])
    assert await read(again, 1, 77) == ((4, 4), (1,))
    del before, again
    changed = store.counters("c", [one(Series("new", "until"), Series("n", windows_s=(600, 30)))])
    assert await read(changed, None, 1) == ((0.0,), (5, 1))
    assert await read(store.counters("other", [one(Series("n", windows_s=(600,)))]), 1) == ((1,),)


async def test_clearing_forgets_counters() -> None:
    """A policy test that begins anew counts from nothing, with the counters that plugins hold."""
    store = MemoryStore(Clock())
    counters = store.namespaced("limits").counters("c", [one(Series("n", windows_s=(60,)), Series("r", "recent"))])
    await read(counters, 3, 1)
    store.clear()
    assert await read(counters, 1, 2) == ((1,), ())


@pytest.mark.parametrize(
    ("scopes", "what"),
    [
        ([], "at least one scope"),
        ([one(Series("n", windows_s=(60,)))] * 2, "name of its own"),
        ([one()], "1 to 64 series"),
        ([one(Series("n", windows_s=(60,)), Series("n", windows_s=(6,)))], "name of its own"),
        ([one(Series("n", windows_s=(60,)), keys_max=0)], "keys_max"),
        ([one(Series("n"))], "a window is needed"),
        ([one(Series("n", windows_s=(0,)))], "86400 seconds"),
        ([one(Series("n", "distinct", (86_401,)))], "86400 seconds"),
        ([one(Series("n", "usual", (1, 2)))], "exactly one"),
        ([one(Series("n", "until", (1,)))], "no window"),
        ([one(Series("n", "recent", keep=65))], "1 to 64"),
    ],
)
def test_what_cannot_be_counted_is_refused(scopes: list[Scope], what: str) -> None:
    """A slip in a definition is an error when the counters are made, not a wrong count later."""
    with pytest.raises(ValueError, match=what):
        MemoryStore().counters("c", scopes)


async def test_an_entry_has_a_change_for_each_series() -> None:
    """A change too few would be taken for another's."""
    counters = MemoryStore().counters("c", [one(Series("n", windows_s=(60,)), Series("u", "until"))])
    with pytest.raises(ValueError, match="one change for each series"):
        await read(counters, 1)
    with pytest.raises(ValueError, match="only a sum"):
        await counters.wait_s(0, "k", 1, 5)


def test_a_million_keys_fit() -> None:
    """What one key costs is bounded: measured as the memory of a process that has counted very many."""
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, timeout=120, check=True)
    assert 0 < int(done.stdout) <= KEY_BYTES_MAX
