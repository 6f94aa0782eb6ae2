"""Two replicas asked beside each other, and streams, which are in flight after `generate` has returned."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.core.pool.replicas import (
    AGAIN,
    BROKEN,
    OK,
    Act,
    Scripted,
    failing,
    giving,
    hang,
    in_flight,
    outcome,
    request,
    running,
    sample,
    streams,
)

from yumen import EngineError
from yumen.testing import FakeClock


async def test_a_second_replica_is_asked_where_the_first_is_silent() -> None:
    """The first good reply is taken, the loser is cancelled, and both are counted."""
    ended: list[str] = []

    async def silent(_: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("loser")

    engines = [Scripted(silent), Scripted(silent), Scripted(silent)]
    async with running(engines, hedge_ms=5) as pool:
        task = asyncio.create_task(pool.generate(request()))
        async with asyncio.timeout(10):
            while not any(one.asked for one in engines):
                await asyncio.sleep(0)
        for one in engines:
            one.act = giving(OK)
        hedges = [sample("hedges", name) for name in "abc"]
        assert await task is OK
        assert ended == ["loser"]
        assert in_flight(pool) == [0, 0, 0]
        assert sum(one.asked for one in engines) == 2
        assert sum(sample("hedges", name) for name in "abc") == sum(hedges) + 1


async def test_hedges_keep_to_the_budget() -> None:
    """Asking twice costs twice: without budget nobody is asked beside the first."""
    engines = [Scripted(), Scripted()]

    async def slow(_: Any) -> Any:
        await asyncio.sleep(0.02)
        return OK

    engines[0].act = engines[1].act = slow
    async with running(engines, hedge_ms=1, retry_budget=0.0) as pool:
        assert await outcome(pool) is OK
    assert sum(one.asked for one in engines) == 1


async def test_a_failed_hedge_waits_for_the_first() -> None:
    """A second replica that fails does not take the first one's reply away, and where both fail the first one's is told."""

    async def late(_: Any) -> Any:
        await asyncio.sleep(0.03)
        return OK

    engines = [Scripted(late), Scripted(late)]
    for last in (OK, BROKEN):
        async with running(engines, hedge_ms=2, failures_max=100) as pool:
            for one in engines:
                one.asked, one.act = 0, late if last is OK else failing_later(BROKEN)
            task = asyncio.create_task(outcome(pool))
            async with asyncio.timeout(10):
                while not any(one.asked for one in engines):
                    await asyncio.sleep(0)
            for one in engines:
                if not one.asked:
                    one.act = failing(EngineError("the second"))
            assert await task is last
            assert sum(one.asked for one in engines) == 2


def failing_later(error: EngineError) -> Act:
    async def act(_: Any) -> Any:
        await asyncio.sleep(0.03)
        raise error

    return act


async def test_a_cancelled_race_leaves_nobody_running() -> None:
    """A caller who leaves ends both attempts."""
    before = asyncio.all_tasks()
    engines = [Scripted(hang), Scripted(hang)]
    async with running(engines, hedge_ms=1) as pool:
        task = asyncio.create_task(pool.generate(request()))
        async with asyncio.timeout(10):
            while sum(one.asked for one in engines) < 2:
                await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert in_flight(pool) == [0, 0]
        assert asyncio.all_tasks() == before


async def test_an_attempt_that_never_began_is_released() -> None:
    """A process that ends cancels every task, also those without a first step, which cannot clean up themselves."""
    engines = [Scripted(), Scripted()]
    before = asyncio.all_tasks()
    async with running(engines, hedge_ms=1000) as pool:
        asyncio.create_task(pool.generate(request()))  # noqa: RUF006 - it is found among all tasks
        await asyncio.sleep(0)
        assert sum(in_flight(pool)) == 1
        begun = asyncio.all_tasks() - before
        for task in begun:
            task.cancel()
        await asyncio.wait(begun)
        assert in_flight(pool) == [0, 0]
    assert sum(one.asked for one in engines) == 0


async def test_a_loser_whose_cancellation_is_lost_keeps_nobody_waiting() -> None:
    """The winner's reply goes out; the loser is counted as in flight until it ends, and closing the pool waits for it."""
    release = asyncio.Event()

    async def deaf(_: Any) -> Any:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()
        return OK

    engines = [Scripted(deaf), Scripted(deaf)]
    async with running(engines, hedge_ms=1) as pool:
        task = asyncio.create_task(pool.generate(request()))
        async with asyncio.timeout(10):
            while not any(one.asked for one in engines):
                await asyncio.sleep(0)
        for one in engines:
            one.act = giving(OK)
        assert await task is OK
        assert sum(in_flight(pool)) == 1
        release.set()


async def test_a_stream_is_in_flight_until_its_end() -> None:
    """A replica that streams is busy, although `generate` has returned."""
    async with running([Scripted(streams())]) as pool:
        stream: Any = await pool.generate(request(streamed=True))
        assert in_flight(pool) == [1]
        assert [one async for one in stream] == ["第0段 piece".encode(), "第1段 piece".encode()]
        assert in_flight(pool) == [0]


async def test_a_stream_that_breaks_is_not_tried_again() -> None:
    """After the first byte nobody else is asked, and the replica has failed."""

    async def breaking(_: Any) -> AsyncIterator[bytes]:
        async def broken() -> AsyncIterator[bytes]:
            yield b"one"
            raise AGAIN

        return broken()

    engines = [Scripted(breaking), Scripted(breaking)]
    async with running(engines, failures_max=1) as pool:
        stream: Any = await pool.generate(request(streamed=True))
        assert await anext(stream) == b"one"
        with pytest.raises(EngineError):
            await anext(stream)
        assert in_flight(pool) == [0, 0]
        assert [one.circuit.open_until is None for one in pool._members].count(False) == 1
    assert sum(one.asked for one in engines) == 1


async def test_the_first_event_of_a_trial_closes_the_circuit() -> None:
    """A stream may last for minutes, in which a replica that streams well is not kept half open."""
    clock, engine = FakeClock(), Scripted(failing(BROKEN))
    async with running([engine], clock, failures_max=1, open_ms=1000) as pool:
        await outcome(pool)
        clock.move(1)
        engine.act = streams(5)
        stream: Any = await pool.generate(request(streamed=True))
        assert isinstance(await outcome(pool), EngineError)
        await anext(stream)
        other: Any = await outcome(pool, request(streamed=True))
        await stream.aclose()
        await other.aclose()


async def test_a_stream_thrown_away_is_closed_and_released() -> None:
    """Nobody closed it: the replica's stream is closed all the same, and no longer counted."""
    closed = asyncio.Event()

    async def act(_: Any) -> AsyncIterator[bytes]:
        async def noted() -> AsyncIterator[bytes]:
            try:
                yield b"one"
                yield b"two"
            finally:
                closed.set()

        return noted()

    async with running([Scripted(act)]) as pool:
        stream: Any = await pool.generate(request(streamed=True))
        await anext(stream)
        del stream
        async with asyncio.timeout(10):
            await closed.wait()
            while in_flight(pool) != [0]:
                await asyncio.sleep(0)
