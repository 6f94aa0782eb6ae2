"""Limits whose counters stand in a real Redis server, which several workers share."""

from __future__ import annotations

import asyncio

import pytest
from tests.plugins.limits.asked import Asked, HeldHost, ask, end, started
from tests.redis_server import RedisServer

from yumen.store import StoreError
from yumen.store.redis import RedisStore


def worker(server: RedisServer) -> tuple[HeldHost, RedisStore]:
    """The host of one of several workers, and its own way to the server."""
    host, store = HeldHost(workers=2), RedisStore.of(server.url)
    host.store = store.namespaced("limits")
    return host, store


async def test_workers_count_together(redis_server: RedisServer) -> None:
    """With Redis several workers start, and however their requests mix exactly the limit passes."""
    redis_server.clear()
    (first, one), (second, other) = worker(redis_server), worker(redis_server)
    plugins = [await started(first, requests_per_minute=10), await started(second, requests_per_minute=10)]
    decisions = await asyncio.gather(*(ask(plugins[number % 2], Asked()) for number in range(30)))
    assert sum(decision is None for decision in decisions) == 10
    await one.close()
    await other.close()


async def test_workers_share_slots(redis_server: RedisServer) -> None:
    """A slot that one worker took is taken for the other, until it is given back."""
    redis_server.clear()
    (first, one), (second, other) = worker(redis_server), worker(redis_server)
    mine, yours = await started(first, concurrent=1), await started(second, concurrent=1)
    asked = Asked()
    assert await ask(mine, asked) is None
    assert await ask(yours, Asked()) is not None
    await end(mine, asked)
    assert await ask(yours, Asked()) is None
    await one.close()
    await other.close()


async def test_a_lost_store_is_a_fault() -> None:
    """Where the counters cannot be asked the hook fails, so that `on_error` decides; by default nothing passes."""
    server = RedisServer()
    server.start()
    host, store = worker(server)
    plugin = await started(host, requests_per_minute=10)
    assert await ask(plugin, Asked()) is None
    server.stop()
    with pytest.raises(StoreError):
        await ask(plugin, Asked())
    await store.close()
