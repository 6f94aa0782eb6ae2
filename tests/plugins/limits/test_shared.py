"""Limits whose counters stand in a real Redis server, which several workers share."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.redis_server import RedisServer

from yumen.testing import Harness, Used, chat
from yumen_plugins.limits import Limits

ASKED = chat("hello 你好")


def worker(server: RedisServer, **config: Any) -> Harness:
    """One of several workers, on its own way to the server."""
    limited = Used(Limits, {"requests_per_minute": 0, **config})
    return Harness.of_chain(limited, workers=2, redis=server.url)


async def test_workers_count_together(redis_server: RedisServer) -> None:
    """With Redis several workers start, and however their requests mix exactly the limit passes."""
    redis_server.clear()
    async with worker(redis_server, requests_per_minute=10) as first, first.another_worker() as second:
        workers = [first, second]
        outcomes = await asyncio.gather(*(workers[number % 2].ask(ASKED) for number in range(30)))
    assert sum(outcome.status == 200 for outcome in outcomes) == 10
    assert {outcome.code for outcome in outcomes} == {"", "rate_limited"}


async def test_workers_share_slots(redis_server: RedisServer) -> None:
    """A slot that one worker took is taken for the other, until it is given back."""
    redis_server.clear()
    async with worker(redis_server, concurrent=1) as mine, mine.another_worker() as yours:
        async with mine.under_way(ASKED):
            (await yours.ask(ASKED)).assert_blocked(by="concurrent", code="rate_limited")
        (await yours.ask(ASKED)).assert_answered()


async def test_a_lost_store_is_a_fault() -> None:
    """Where the counters cannot be asked the hook fails, so that `on_error` decides; by default nothing passes."""
    server = RedisServer()
    server.start()
    async with worker(server, requests_per_minute=10) as harness:
        (await harness.ask(ASKED)).assert_answered()
        server.stop()
        outcome = await harness.ask(ASKED)
    outcome.assert_failed("plugin_fault")
    outcome.assert_engine_not_asked()
    assert "StoreError" in outcome.fault
