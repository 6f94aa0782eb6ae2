"""Who is asked and who is left alone: circuits, health checks, overload, ejection, stickiness."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.core.pool.replicas import (
    AGAIN,
    BROKEN,
    OK,
    Scripted,
    failing,
    giving,
    hang,
    in_flight,
    outcome,
    request,
    running,
    sample,
)

from yumen import EngineError, EngineRequest, Native
from yumen.deadline import Deadline
from yumen.engine import RequestRefused
from yumen.pool import Pool, checks
from yumen.testing import FakeClock


async def test_a_replica_that_fails_is_left_alone_and_tried_again() -> None:
    """A circuit opens, its replica gets nothing, one exchange tries it later, and it is back."""
    clock, engines = FakeClock(), [Scripted(failing(AGAIN)), Scripted()]
    async with running(engines, clock, failures_max=3, open_ms=1000, slow_start_ms=0) as pool:
        before = sample("circuit_opens", "a")
        for _ in range(200):
            assert await outcome(pool) is OK
            # Failures make it look slow, so that it is asked less and less; what it is to be seen is that three are enough.
            clock.move(0.5 if engines[0].asked < 3 else 0.0)
        assert sample("circuit_opens", "a") == before + 1
        assert engines[0].asked == 3
        for _ in range(20):
            assert await outcome(pool) is OK
        assert engines[0].asked == 3
        assert await pool.health() == ""
        clock.move(1)
        assert await outcome(pool) is OK
        assert engines[0].asked == 4
        engines[0].act = giving(OK)
        clock.move(2)
        for _ in range(40):
            assert await outcome(pool) is OK
        assert engines[0].asked > 10


async def test_when_all_are_out_nobody_is_asked() -> None:
    """The caller is told at once when to come back, instead of hammering what is down."""
    clock, engines = FakeClock(), [Scripted(failing(BROKEN)), Scripted(failing(BROKEN))]
    async with running(engines, clock, failures_max=1, open_ms=5000) as pool:
        assert [await outcome(pool) for _ in range(2)] == [BROKEN, BROKEN]
        error = await outcome(pool)
        assert isinstance(error, EngineError)
        assert (error.again, error.retry_after_s, error.timeout) == (True, 5.0, False)
        assert await pool.health() == "a: it failed again and again; b: it failed again and again"
    assert [one.asked for one in engines] == [1, 1]


async def test_what_tells_nothing_against_an_engine_opens_no_circuit() -> None:
    """A model that is not ready, and a caller's own short timeout, take nothing from anybody else."""
    engine = Scripted(failing(EngineError("not ready", again=True, well=True)))
    async with running([engine], FakeClock(), failures_max=2) as pool:
        for _ in range(6):
            assert isinstance(await outcome(pool), EngineError)
        engine.act = giving(OK)
        assert await outcome(pool) is OK


async def test_bad_requests_open_no_circuit() -> None:
    """A caller who sends nonsense for ever takes no replica from the others, nor keeps one half open."""
    clock, engine = FakeClock(), Scripted(failing(BROKEN))
    async with running([engine], clock, failures_max=2, open_ms=1000) as pool:
        await outcome(pool)
        engine.act = failing(RequestRefused("bad"))
        for _ in range(20):
            assert isinstance(await outcome(pool), RequestRefused)
        engine.act = failing(BROKEN)
        await outcome(pool)
        assert isinstance(await outcome(pool), EngineError)
        clock.move(1)
        engine.act = failing(RequestRefused("bad"))
        for _ in range(3):
            assert isinstance(await outcome(pool), RequestRefused)
        engine.act = giving(OK)
        assert await outcome(pool) is OK


@pytest.mark.parametrize(("status", "after"), [(429, "30"), (503, "30"), (503, "999999")])
async def test_a_replica_that_says_when_is_avoided_until_then(status: int, after: str) -> None:
    """`Retry-After` of a replica is kept, up to a minute, and is no fault of its own."""
    clock = FakeClock()
    engines = [Scripted(giving(Native(status, b"{}", {"Retry-After": after}))), Scripted()]
    async with running(engines, clock, failures_max=1) as pool:
        for _ in range(20):
            assert await outcome(pool) is OK
        assert engines[0].asked == 1
        engines[1].act = engines[0].act
        assert await outcome(pool)
        refused = await outcome(pool)
        assert isinstance(refused, EngineError)
        assert refused.retry_after_s == min(float(after), 60.0)
        engines[0].act = engines[1].act = giving(OK)
        clock.move(60)
        for _ in range(20):
            assert await outcome(pool) is OK
        assert min(one.asked for one in engines) > 1


async def test_a_replica_that_says_it_is_ill_is_left_alone() -> None:
    """The health check keeps exchanges away before any of them fails, and `/readyz` gets its words where nobody is left."""
    engines = [Scripted(), Scripted()]
    async with running(engines, check_ms=5, open_ms=3_600_000) as pool:
        engines[0].ill = "no GPU"
        async with asyncio.timeout(10):
            while not pool._members[0].ill:
                await asyncio.sleep(0.002)
        for _ in range(10):
            assert await outcome(pool) is OK
        assert engines[0].asked == 0
        assert await pool.health() == ""
        engines[1].ill = "模型未加载 not loaded"
        async with asyncio.timeout(10):
            while not await pool.health():
                await asyncio.sleep(0.002)
        assert await pool.health() == "a: no GPU; b: 模型未加载 not loaded"


async def test_a_check_has_its_time_however_often_there_is_one() -> None:
    """A server that is far away is not ill because it takes longer to say that it is well than lies between two checks."""
    answered = asyncio.Event()

    class Slow(Scripted):
        async def health(self) -> str:
            await asyncio.sleep(0.05)
            answered.set()
            return ""

    async with running([Slow()], check_ms=5) as pool, asyncio.timeout(10):
        await answered.wait()
        assert pool._members[0].ill == ""


async def test_a_health_check_that_hangs_or_raises_is_an_illness(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that does not end, raises or cancels itself says as much as one that says so, and ends no checking."""
    monkeypatch.setattr(checks, "CHECK_S_MIN", 0.005)

    class Raises(Scripted):
        async def health(self) -> str:
            raise ValueError("secret")

    class Hangs(Scripted):
        async def health(self) -> str:
            await asyncio.Event().wait()
            return ""

    class Cancels(Scripted):
        async def health(self) -> str:
            raise asyncio.CancelledError

    async with running([Raises(), Hangs(), Cancels()], check_ms=5) as pool:
        async with asyncio.timeout(10):
            while not await pool.health():
                await asyncio.sleep(0.002)
        told = await pool.health()
    assert "secret" not in told
    assert "raised ValueError" in told
    assert "in time" in told
    assert "cancelled itself" in told


async def test_a_replica_that_hangs_until_the_deadline_has_failed() -> None:
    """The chain cancels at the deadline: that is the replica's fault, where callers who leave earlier blame nobody."""
    clock, engine = FakeClock(), Scripted(hang)
    async with running([engine], clock, failures_max=2) as pool:
        for _ in range(5):
            await _given_up(pool, request(deadline=clock.monotonic() + 100))
        assert await pool.health() == ""
        for _ in range(2):
            task = asyncio.create_task(pool.generate(request(deadline=clock.monotonic() + 1)))
            await asyncio.sleep(0)
            clock.move(1)
            task.cancel()
            await asyncio.wait([task])
        assert "failed again" in await pool.health()


async def _given_up(pool: Pool, asked: EngineRequest) -> None:
    with pytest.raises(TimeoutError), Deadline(0.002):
        await pool.generate(asked)


async def test_a_full_replica_gets_no_more() -> None:
    """`in_flight_max` bounds what one replica has at a time, and what is over is refused at once."""
    engines = [Scripted(hang), Scripted(hang)]
    async with running(engines, in_flight_max=2) as pool:
        tasks = [asyncio.create_task(pool.generate(request())) for _ in range(4)]
        await asyncio.sleep(0)
        assert in_flight(pool) == [2, 2]
        error = await outcome(pool)
        assert isinstance(error, EngineError)
        assert error.retry_after_s == 1.0
        assert "as many exchanges" in await pool.health()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert await pool.health() == ""


async def test_a_slow_replica_is_ejected_and_counted() -> None:
    """Who takes far longer than the others gets nothing for a while."""
    clock = FakeClock()

    async def slow(_: Any) -> Any:
        clock.move(3)
        return OK

    engines = [Scripted(slow), Scripted(), Scripted()]
    async with running(engines, clock, balance="sticky") as pool:
        before = sample("ejections", "a")
        for number in range(60):
            await outcome(pool, request(tenant=f"租户{number}"))
        asked = engines[0].asked
        assert sample("ejections", "a") == before + 1
        for number in range(60):
            await outcome(pool, request(tenant=f"租户{number}"))
        assert engines[0].asked == asked


async def test_callers_stay_where_they_were() -> None:
    """By session, or else by tenant, exchanges come to the same replica; without either they are spread."""
    engines = [Scripted(), Scripted(), Scripted()]
    async with running(engines, balance="sticky") as pool:
        for asked in (request(affinity="会话-1", tenant="t"), request(tenant="acme")):
            before = [one.asked for one in engines]
            for _ in range(6):
                await pool.generate(asked)
            assert sorted(one.asked - was for one, was in zip(engines, before, strict=True)) == [0, 0, 6]
        before = [one.asked for one in engines]
        for _ in range(60):
            await pool.generate(request())
        assert min(one.asked - was for one, was in zip(engines, before, strict=True)) > 5
