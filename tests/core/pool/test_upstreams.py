"""A pool of real connections to real servers, some of which die, hang or misbehave."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.core.pool.replicas import host, in_flight
from tests.engines.openai.asking import asked
from tests.upstream import Upstream

import yumen_engines.openai
from yumen import EngineError, Native
from yumen.deadline import Deadline
from yumen.pool import Pool, PoolConfig, Replica
from yumen_engines.openai import OpenAI, OpenAIConfig


@pytest.fixture(autouse=True)
def _closes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yumen_engines.openai, "CLOSE_GRACE_S", 0.002)


@pytest.fixture(scope="module")
def servers() -> Iterator[list[Upstream]]:
    """Three that live as long as this module; whoever kills one starts it again."""
    started = [Upstream() for _ in range(3)]
    for one in started:
        one.start()
    yield started
    for one in started:
        one.stop()


@pytest.fixture
def upstreams(servers: list[Upstream]) -> list[Upstream]:
    for one in servers:
        one.clear()
    return servers


async def pool_of(
    upstreams: list[Upstream], models: list[str], weights: list[float] | None = None, **pool: Any
) -> Pool:
    """A loaded pool; a replica's model says how its upstream behaves."""
    replicas = [
        Replica(f"r{number}", weight, OpenAI(OpenAIConfig(base_url=upstream.url, model=model, retries=0)))
        for number, (upstream, model, weight) in enumerate(
            zip(upstreams, models, weights or [1.0] * len(upstreams), strict=True)
        )
    ]
    made = Pool(replicas, PoolConfig(**pool), OpenAI.manifest, rng=random.Random(3))
    await made.load(host())
    return made


async def exchange(pool: Pool, *, streamed: bool = False, seconds: float = 20.0) -> int:
    """One exchange within its deadline, as the chain has it. Returns its status, 200 for a stream read to its end."""
    with Deadline(seconds):
        reply: Any = await pool.generate(asked("any", deadline=time.monotonic() + seconds, stream=streamed))
        if isinstance(reply, Native):
            return reply.status
        try:
            assert [event async for event in reply]
        finally:
            await reply.aclose()
        return 200


async def many(pool: Pool, count: int, at_a_time: int, **how: Any) -> list[int]:
    """The statuses of so many exchanges, of which every other one is streamed."""
    free = asyncio.Semaphore(at_a_time)

    async def one(number: int) -> int:
        async with free:
            return await exchange(pool, streamed=number % 2 == 1, **how)

    return await asyncio.gather(*map(one, range(count)))


async def test_one_that_dies_is_not_noticed_and_comes_back(upstreams: list[Upstream]) -> None:
    """While one of three servers is down every exchange is answered; once it is back it gets its share again."""
    pool = await pool_of(upstreams, ["echo"] * 3, failures_max=2, open_ms=50, slow_start_ms=0, check_ms=20)
    try:
        assert set(await many(pool, 60, 8)) == {200}
        assert all(one.requests for one in upstreams)
        port = upstreams[1].port
        await asyncio.to_thread(upstreams[1].stop)
        assert set(await many(pool, 120, 8)) == {200}
        assert await pool.health() == ""
        upstreams[1] = Upstream(port)
        upstreams[1].start()
        async with asyncio.timeout(30):
            while len(upstreams[1].requests) < 10:
                assert set(await many(pool, 10, 4)) == {200}
                await asyncio.sleep(0.02)
        assert in_flight(pool) == [0, 0, 0]
    finally:
        await pool.close()


async def test_one_that_hangs_costs_its_deadline_and_no_more(upstreams: list[Upstream]) -> None:
    """Exchanges at a server that hangs end at their deadline, and after a few of them it is asked no more."""
    pool = await pool_of(upstreams[:2], ["hang", "echo"], failures_max=2, open_ms=3_600_000)
    try:
        first = await asyncio.gather(*(exchange(pool, seconds=0.6) for _ in range(16)), return_exceptions=True)
        hung = len(upstreams[0].requests)
        assert hung >= 2
        # The engine's own timer may be the quicker one.
        late = [one for one in first if isinstance(one, TimeoutError) or (isinstance(one, EngineError) and one.timeout)]
        assert len(late) == hung
        assert pool._members[0].circuit.open_until is not None
        assert in_flight(pool) == [0, 0]
        assert set(await many(pool, 40, 8)) == {200}
        assert len(upstreams[0].requests) == hung
    finally:
        await pool.close()


async def test_traffic_follows_the_weights(upstreams: list[Upstream], monkeypatch: pytest.MonkeyPatch) -> None:
    """A server with three times the weight gets about three times the exchanges."""
    pool = await pool_of(upstreams[:2], ["slow-5", "slow-5"], weights=[3.0, 1.0])
    # By a clock that stands neither server is slower: a machine that stalls for a moment would shift the traffic, rightly.
    stands = time.monotonic()
    monkeypatch.setattr(pool, "_clock", lambda: stands)
    try:
        assert set(await many(pool, 400, 16)) == {200}
        assert len(upstreams[0].requests) / 400 == pytest.approx(0.75, abs=0.1)
    finally:
        await pool.close()


@pytest.mark.parametrize("wrong", ["reset", "status-503", "status-502+html", "status-504"])
async def test_what_goes_wrong_before_a_reply_goes_elsewhere(upstreams: list[Upstream], wrong: str) -> None:
    """Streamed or not, an exchange finds the server that answers, whatever the other one does before its reply."""
    pool = await pool_of(upstreams[:2], [wrong, "echo"], failures_max=1000)
    try:
        assert set(await many(pool, 20, 4)) == {200}
        assert upstreams[0].requests
    finally:
        await pool.close()


async def test_what_goes_wrong_in_a_stream_is_the_callers(upstreams: list[Upstream]) -> None:
    """A stream that has begun is never asked for again: the caller has its first half already."""
    pool = await pool_of(upstreams[:2], ["reset-2", "reset-2"], attempts=8)
    try:
        with pytest.raises(EngineError, match="connection broke"):
            await exchange(pool, streamed=True)
        assert sum(len(one.requests) for one in upstreams) == 1
        assert in_flight(pool) == [0, 0]
    finally:
        await pool.close()


async def test_bad_credentials_of_all_end_in_an_error_at_once(upstreams: list[Upstream]) -> None:
    """Servers that refuse the gateway's own key are not asked again and again for every exchange."""
    pool = await pool_of(upstreams[:2], ["status-401", "status-401"], failures_max=3)
    try:
        for _ in range(40):
            with pytest.raises(EngineError):
                await exchange(pool)
        assert sum(len(one.requests) for one in upstreams) == 6
    finally:
        await pool.close()


async def test_a_slow_server_loses_against_a_hedge(upstreams: list[Upstream]) -> None:
    """The second server's reply is taken where the first is silent, and nothing is counted of the first any more."""
    pool = await pool_of(upstreams[:2], ["hang", "echo"], hedge_ms=30, retry_budget=1.0)
    try:
        for _ in range(12):
            assert await exchange(pool) == 200
        assert upstreams[0].requests
        assert in_flight(pool) == [0, 0]
    finally:
        await pool.close()


async def test_who_answers_with_a_web_page_is_left_alone(upstreams: list[Upstream]) -> None:
    """A page of some proxy comes quickly and with status 200, and would otherwise draw most exchanges to itself."""
    pool = await pool_of(upstreams, ["status-200+html", "echo", "echo"], failures_max=2, open_ms=60_000, check_ms=0)
    try:
        refused = 0
        for _ in range(40):
            try:
                assert await exchange(pool) == 200
            except EngineError as error:
                assert "no JSON object" in str(error)
                refused += 1
        assert refused == len(upstreams[0].requests) == 2
    finally:
        await pool.close()
    assert in_flight(pool) == [0, 0, 0]
