"""The sliding minute: what it lets pass, and when it says to come back."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from yumen import Exchange
from yumen.testing import UnitHost, chat, seen_by
from yumen_plugins.limits import Limits
from yumen_plugins.limits.rates import KEY, RESET_S, TENANT, WINDOW_S, Rates, Ruling

GAPS = st.lists(st.one_of(st.just(0.0), st.floats(0, 3), st.floats(0, 90)), max_size=80)
LIMITS = st.integers(1, 12)
SLICE_S = 10
ASKED = seen_by(Limits, chat("hello 你好"))


class Minute:
    """The rule of one key alone, as the plugin uses it."""

    def __init__(self, host: UnitHost, limit: int) -> None:
        self.rates = Rates(host.store, {KEY: limit})

    def ask(self, asked: Exchange = ASKED) -> tuple[Ruling, int]:
        """What one request is told, and how long to wait, 0 where it passes."""

        async def take() -> tuple[Ruling, int]:
            (ruling,) = await self.rates.take(asked, [KEY])
            if not ruling.over:
                return ruling, 0
            await self.rates.give_back(asked, [KEY])
            return ruling, await self.rates.wait_s(asked, KEY)

        return asyncio.run(take())

    def passes(self) -> bool:
        return self.ask()[1] == 0


@given(limit=LIMITS, gaps=GAPS)
@settings(max_examples=60)
def test_no_fifty_seconds_let_more_pass_and_no_minute_twice_as_much(limit: int, gaps: list[float]) -> None:
    """The documented error: at most the limit within any 50 seconds, less than twice within any 60."""
    host = UnitHost()
    minute = Minute(host, limit)
    admitted = []
    for gap in gaps:
        host.clock.move(gap)
        if minute.passes():
            admitted.append(host.now())
    for start in admitted:
        assert sum(start <= at < start + WINDOW_S - SLICE_S for at in admitted) <= limit
        inside = sum(start <= at < start + WINDOW_S for at in admitted)
        assert inside < 2 * limit or inside <= limit


@given(limit=LIMITS, gaps=GAPS)
@settings(max_examples=60)
def test_nobody_waits_more_than_a_slice_longer_than_need_be(limit: int, gaps: list[float]) -> None:
    """A request is refused only where the limit has passed within the last 70 seconds."""
    host = UnitHost()
    minute = Minute(host, limit)
    admitted: list[float] = []
    for gap in gaps:
        host.clock.move(gap)
        if minute.passes():
            admitted.append(host.now())
        else:
            assert sum(at > host.now() - WINDOW_S - SLICE_S for at in admitted) >= limit


@given(limit=LIMITS, gaps=GAPS)
@settings(max_examples=60)
def test_whoever_comes_back_when_told_passes_and_not_a_second_sooner(limit: int, gaps: list[float]) -> None:
    """`Retry-After` is neither too short nor longer than whole seconds make it."""
    host = UnitHost()
    minute = Minute(host, limit)
    for gap in gaps:
        host.clock.move(gap)
        wait_s = minute.ask()[1]
        if wait_s:
            assert 1 <= wait_s <= RESET_S
            host.clock.move(wait_s - 1.001)
            assert wait_s == 1 or not minute.passes()
            host.clock.move(1.001)
            assert minute.passes()


@given(limit=LIMITS, gaps=GAPS)
@settings(max_examples=60)
def test_remaining_is_what_passes_right_now(limit: int, gaps: list[float]) -> None:
    """As many more requests as the header says pass at once, and no further one."""
    host = UnitHost()
    minute = Minute(host, limit)
    ruling = minute.ask()[0]
    for gap in gaps:
        host.clock.move(gap)
        ruling = minute.ask()[0]
    for _ in range(ruling.remaining):
        assert minute.passes()
    assert not minute.passes()


def test_an_even_stream_just_below_the_limit_is_never_refused() -> None:
    """At a steady rate the estimate is right to within one request."""
    host = UnitHost()
    minute = Minute(host, 30)
    for _ in range(300):
        assert minute.passes()
        host.clock.move(60 / 29)


def test_a_burst_is_forgotten_when_its_slice_has_left_the_window() -> None:
    """Worked by hand: ten at 9.9 s lie in the slice that leaves the window from second 60 to 70, one each second."""
    host = UnitHost()
    minute = Minute(host, 10)
    host.clock.move(9.9)
    assert [minute.passes() for _ in range(11)] == [True] * 10 + [False]
    host.clock.move(50)
    assert minute.ask()[1] == 2
    host.clock.move(6.1)
    assert [minute.passes() for _ in range(7)] == [True] * 6 + [False]


def test_after_the_reset_the_whole_limit_is_free() -> None:
    """After that many seconds without requests nothing is counted any more, whenever the first one came."""
    for begin in (0.0, 5.0, 9.99):
        host = UnitHost()
        minute = Minute(host, 5)
        host.clock.move(begin)
        for _ in range(5):
            assert minute.passes()
        host.clock.move(RESET_S)
        assert minute.ask()[0] == Ruling(KEY, 5, over=False, remaining=4)


def test_a_refusal_does_not_count() -> None:
    """A client that keeps knocking is let in as soon as one that waits."""
    host = UnitHost()
    minute = Minute(host, 2)
    for _ in range(2):
        assert minute.passes()
    told = [minute.ask()[1] for _ in range(50)]
    assert set(told) == {told[0]}
    host.clock.move(told[0])
    assert minute.passes()


async def test_two_workers_never_let_more_pass_than_the_limit() -> None:
    """Plugins on one shared store count together, whatever the order of their operations."""
    host = UnitHost()
    workers = [Rates(host.store, {KEY: 7, TENANT: 100}) for _ in range(2)]
    rulings = await asyncio.gather(*(workers[number % 2].take(ASKED, [KEY, TENANT]) for number in range(20)))
    assert sum(not ruling.over for ruling, _ in rulings) == 7
    assert [tenant.remaining for _, tenant in rulings] == list(range(99, 79, -1))


def test_everyone_has_a_window_of_his_own() -> None:
    """One key's traffic does not slow another's, whatever its id is made of."""
    minute = Minute(UnitHost(), 1)
    other = seen_by(Limits, chat("hello").by("t", "a", "钥匙:2"))
    assert [minute.ask()[1] for _ in range(2)] == [0, 70]
    assert [minute.ask(other)[1] for _ in range(2)] == [0, 70]
