"""Counters in a real Redis server: what stands there and for how long, one round trip, and a clock that goes back."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable

import pytest
import structlog
from redis import Redis
from structlog.testing import capture_logs
from tests.redis_server import RedisServer

from yumen import Entry, Scope, Series
from yumen.store import StoreError
from yumen.store.redis import RedisStore
from yumen.store.redis_counters import RedisCounters
from yumen.store.script import STRANGERS_MAX

NAN, INFINITE = (struct.pack("<d", float(one)) for one in ("nan", "inf"))
SCOPES = (
    Scope("key", (Series("n", windows_s=(60, 600)), Series("ids", "distinct", (60,)))),
    Scope("tenant", (Series("n", windows_s=(6,)), Series("r", "recent"))),
)
ENTRIES = [Entry(0, "k1", (1, 2**64 - 1)), Entry(1, "租户", (1, 7)), Entry(0, "k2", (None, None))]


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    """An instance's key space on an empty server."""
    redis_server.clear()
    made = RedisStore.of(redis_server.url)
    yield made.namespaced("limits")
    await made.close()


async def test_what_stands_in_the_server(store: RedisStore, redis_server: RedisServer) -> None:
    """A hash for each scope and id, which lives as long as its longest window needs; reading alone writes nothing."""
    counters = store.counters("requests", SCOPES)
    assert await counters.count(ENTRIES) == [((1.0, 1.0), (1,)), ((1.0,), ()), ((0.0, 0.0), (0,))]
    with redis_server.client() as client:
        key, tenant = b"yumen:limits:c:requests:key:k1", "yumen:limits:c:requests:tenant:租户".encode()
        assert set(client.scan_iter()) == {key, tenant}
        assert set(client.hkeys(key)) == {b"n:sum:60", b"n:sum:600", b"ids:distinct:60"}
        assert 690_000 < int(client.pttl(key)) <= 700_000
        assert 604_000_000 < int(client.pttl(tenant)) <= 604_800_000


async def test_one_round_trip(store: RedisStore, redis_server: RedisServer) -> None:
    """However many entries, the server is asked once; the clock is its own."""
    counters = store.counters("requests", SCOPES)
    await counters.count(ENTRIES)
    with redis_server.client() as client:
        before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        await counters.count(ENTRIES)
        assert client.info("commandstats")["cmdstat_evalsha"]["calls"] - before == 1


async def test_a_script_that_the_server_forgot_is_sent_again(store: RedisStore, redis_server: RedisServer) -> None:
    """A server that lost its scripts, or everything, goes on counting, from what it still has."""
    counters = store.counters("requests", SCOPES)
    await counters.count(ENTRIES)
    with redis_server.client() as client:
        client.script_flush()
    assert (await counters.count(ENTRIES))[0][0] == (2.0, 2.0)
    redis_server.clear()
    assert (await counters.count(ENTRIES))[0][0] == (1.0, 1.0)


async def test_workers_count_together(store: RedisStore, redis_server: RedisServer) -> None:
    """What two gateways count at the same time all counts, and each sees a sum of its own."""
    other = RedisStore.of(redis_server.url)
    both = [store.counters("requests", SCOPES), other.namespaced("limits").counters("requests", SCOPES)]
    readings = await asyncio.gather(*(both[number % 2].count(ENTRIES[:1]) for number in range(60)))
    assert sorted(reading[0][0][1] for reading in readings) == [float(number) for number in range(1, 61)]
    await other.close()


async def test_a_clock_that_goes_back_is_told_and_counts_nothing_twice(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within a slice it stands still; further back all begins anew, and the log says so once a minute."""
    # One that has logged before keeps the configuration that it had then.
    monkeypatch.setattr("yumen.store.redis_counters.log", structlog.get_logger())
    now = [1_800_000_000.0]
    counters = RedisCounters(store._link, "yumen:t", SCOPES, lambda: now[0])
    await counters.count(ENTRIES)
    with capture_logs() as logs:
        now[0] -= 0.5
        assert (await counters.count(ENTRIES))[0] == ((2.0, 2.0), (1,))
        now[0] -= 5000
        assert (await counters.count(ENTRIES))[0] == ((1.0, 1.0), (1,))
        now[0] -= 5000
        assert (await counters.count(ENTRIES))[0] == ((1.0, 1.0), (1,))
    assert [one["event"] for one in logs] == ["store_clock_went_back"]
    assert "k1" not in str(logs)


async def test_fields_of_policies_long_gone_go(store: RedisStore, redis_server: RedisServer) -> None:
    """Whoever changes windows again and again does not fill the server, and what is in use stays."""
    for window in range(1, STRANGERS_MAX + 5):
        counters = store.counters(
            "c", [Scope("key", (Series("keep", windows_s=(60,)), Series("n", windows_s=(window,))))]
        )
        ((kept, _),) = await counters.count([Entry(0, "k", (1, 1))])
        assert kept == (float(window),)
    with redis_server.client() as client:
        assert int(client.hlen("yumen:limits:c:c:key:k")) <= STRANGERS_MAX + 2


async def test_a_lost_server_is_an_error_without_keys() -> None:
    """Whoever counts learns that it could not be done, and nothing about whom."""
    server = RedisServer()
    server.start()
    store = RedisStore.of(server.url)
    counters = store.counters("c", SCOPES)
    await counters.count(ENTRIES)
    server.stop()
    with pytest.raises(StoreError) as failed:
        await counters.count(ENTRIES)
    assert "k1" not in str(failed.value)
    with pytest.raises(StoreError):
        await counters.wait_s(0, "k1", 0, 5)
    await store.close()


ODD: dict[str, Callable[[Redis, bytes], object]] = {
    "a text": lambda client, key: client.set(key, "没有计数"),
    "a list": lambda client, key: client.rpush(key, b"\xff"),
    "short fields": lambda client, key: client.hset(key, mapping=dict.fromkeys(client.hkeys(key), b"\1")),
    "long fields": lambda client, key: client.hset(key, mapping=dict.fromkeys(client.hkeys(key), bytes(1 << 20))),
    "no numbers": lambda client, key: client.hset(key, mapping=dict.fromkeys(client.hkeys(key), NAN * 8)),
    "no end": lambda client, key: client.hset(key, mapping=dict.fromkeys(client.hkeys(key), INFINITE * 8)),
    "other fields": lambda client, key: client.hset(key, mapping=dict.fromkeys(map(str, range(20_000)), "")),
}


@pytest.mark.parametrize("odd", ODD)
async def test_what_is_none_of_ours_begins_anew(store: RedisStore, redis_server: RedisServer, odd: str) -> None:
    """Somebody who writes to the server can make counters forget, and not have every exchange of a key fail from then on."""
    every = Series("u", "usual", (60,)), Series("m", "until"), Series("r", "recent")
    counters = store.counters("requests", (Scope("key", (*SCOPES[0].series, *every)),))
    entry = Entry(0, "k1", (1, 7, 1, 5.0, 9))
    fresh = await counters.count([entry])
    again = await counters.count([entry])
    assert again != fresh
    with redis_server.client() as client:
        (key,) = client.scan_iter()
        if odd in ("a text", "a list"):
            client.delete(key)
        ODD[odd](client, key)
    with capture_logs() as logs:
        (found,) = await counters.count([entry])
    assert await counters.wait_s(0, "k1", 0, 1) > 1
    (later,) = await counters.count([entry])
    kept = odd == "other fields"
    assert found[0] == ((3.0, 3.0) if kept else fresh[0][0])
    assert later[0] == ((4.0, 4.0) if kept else again[0][0])
    assert [one["event"] for one in logs] == ([] if kept else ["store_counters_odd"])


async def test_waiting_for_what_is_none_of_ours(store: RedisStore, redis_server: RedisServer) -> None:
    """What cannot be a ring says nothing of how long to wait."""
    counters = store.counters("requests", SCOPES)
    await counters.count(ENTRIES)
    with redis_server.client() as client:
        client.hset("yumen:limits:c:requests:key:k1", "n:sum:60", b"1")
    assert await counters.wait_s(0, "k1", 0, 1) == 1
