"""The sliding window: what it lets pass, and when it says to come back."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plugins.limits.asked import MINUTE, HeldHost

from yumen_plugins.limits.window import WINDOW_S, Ruling, Window, wait_s

GAPS = st.lists(st.one_of(st.just(0.0), st.floats(0, 3), st.floats(0, 90)), max_size=80)
LIMITS = st.integers(1, 12)


def window(host: HeldHost, limit: int) -> Window:
    return Window(host.store, "rule", limit)


def passes(host: HeldHost, tested: Window) -> Ruling:
    return asyncio.run(tested.take("k", host.time))


@given(limit=LIMITS, gaps=GAPS)
@settings(max_examples=60, deadline=None)
def test_no_minute_of_the_clock_lets_more_pass_and_no_minute_at_all_twice_as_much(
    limit: int, gaps: list[float]
) -> None:
    """The documented error: at most the limit within a minute of the clock, less than twice within any 60 seconds."""
    host = HeldHost()
    tested = window(host, limit)
    admitted = []
    for gap in gaps:
        host.time += gap
        if not passes(host, tested).retry_after_s:
            admitted.append(host.time)
    for start in admitted:
        inside = [at for at in admitted if start <= at < start + WINDOW_S]
        assert len(inside) < 2 * limit or len(inside) <= limit
        minute = start // WINDOW_S
        assert sum(at // WINDOW_S == minute for at in admitted) <= limit


@given(limit=LIMITS, gaps=GAPS)
@settings(max_examples=60, deadline=None)
def test_whoever_comes_back_when_told_passes_and_not_a_second_sooner(limit: int, gaps: list[float]) -> None:
    """`Retry-After` is neither too short nor longer than whole seconds make it."""
    host = HeldHost()
    tested = window(host, limit)
    for gap in gaps:
        host.time += gap
        ruling = passes(host, tested)
        if ruling.retry_after_s:
            assert 1 <= ruling.retry_after_s <= 2 * WINDOW_S
            host.time += ruling.retry_after_s - 1.001
            assert ruling.retry_after_s == 1 or passes(host, tested).retry_after_s
            host.time += 1.001
            assert not passes(host, tested).retry_after_s


@given(limit=LIMITS, gaps=GAPS)
@settings(max_examples=60, deadline=None)
def test_remaining_is_what_passes_right_now(limit: int, gaps: list[float]) -> None:
    """As many more requests as the header says pass at once, and no further one."""
    host = HeldHost()
    tested = window(host, limit)
    ruling = passes(host, tested)
    for gap in gaps:
        host.time += gap
        ruling = passes(host, tested)
    for _ in range(ruling.remaining):
        assert not passes(host, tested).retry_after_s
    assert passes(host, tested).retry_after_s


def test_an_even_stream_just_below_the_limit_is_never_refused() -> None:
    """At a steady rate the estimate is right to within one request."""
    host = HeldHost()
    tested = window(host, 30)
    for _ in range(300):
        assert not passes(host, tested).retry_after_s
        host.time += 60 / 29


def test_a_burst_is_not_forgotten_at_the_turn_of_the_minute() -> None:
    """Right after the minute has turned, the burst before it still counts."""
    host = HeldHost()
    tested = window(host, 10)
    host.time += 59.9
    assert [bool(passes(host, tested).retry_after_s) for _ in range(11)] == [False] * 10 + [True]
    host.time += 0.2
    assert passes(host, tested).retry_after_s == 6


def test_reset_is_when_the_window_is_empty_again() -> None:
    """After that many seconds without requests the whole limit is free."""
    host = HeldHost()
    tested = window(host, 5)
    host.time += 12.5
    ruling = passes(host, tested)
    assert ruling == Ruling(5, 4, 108)
    host.time += ruling.reset_s
    assert passes(host, tested).remaining == 4


async def test_a_refusal_does_not_count() -> None:
    """A client that keeps knocking is let in as soon as one that waits."""
    host = HeldHost()
    tested = window(host, 2)
    for _ in range(2):
        await tested.take("k", host.time)
    told = [(await tested.take("k", host.time)).retry_after_s for _ in range(50)]
    assert set(told) == {told[0]}
    host.time += told[0]
    assert not (await tested.take("k", host.time)).retry_after_s


async def test_two_workers_never_let_more_pass_than_the_limit() -> None:
    """Windows on one shared store count together, whatever the order of their operations."""
    host = HeldHost()
    workers = [window(host, 7) for _ in range(2)]
    rulings = await asyncio.gather(*(workers[n % 2].take("k", host.time) for n in range(20)))
    assert sum(not ruling.retry_after_s for ruling in rulings) == 7


async def test_everyone_has_a_window_of_his_own() -> None:
    """One key's traffic does not slow another's."""
    host = HeldHost()
    tested = window(host, 1)
    assert not (await tested.take("k1", host.time)).retry_after_s
    assert not (await tested.take("k2", host.time)).retry_after_s
    assert (await tested.take("k1", host.time)).retry_after_s


def test_wait_of_a_used_up_minute() -> None:
    """Worked by hand: limit 1, used at the very start, is free when the next minute ends at the latest."""
    assert wait_s(1, 0, 1, 0.0) == 120
    assert wait_s(2, 0, 2, 30.0) == 60
    assert wait_s(10, 10, 0, 0.0) == 6
    assert MINUTE % WINDOW_S == 0
