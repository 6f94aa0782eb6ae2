"""The store in Redis, on a real server: what it keeps, how long, and what happens when the server does not answer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import structlog
from structlog.testing import capture_logs
from tests.redis_server import RedisServer

from yumen import CannotStart, Store
from yumen.store import StoreError
from yumen.store import redis as redis_module
from yumen.store.memory import MemoryStore
from yumen.store.redis import CONNECTIONS_MAX, FAILURES_MAX, OPERATION_S, REST_S, RedisStore

PASSWORD = "not-a-real-password"


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    """A key space of an empty server."""
    redis_server.clear()
    made = RedisStore.of(redis_server.url)
    yield made.namespaced("limits")
    await made.close()


@pytest.fixture(params=["memory", "redis"])
async def either(request: pytest.FixtureRequest, redis_server: RedisServer) -> AsyncIterator[Store]:
    """Both stores, which must behave alike."""
    if request.param == "memory":
        yield MemoryStore()
        return
    redis_server.clear()
    made = RedisStore.of(redis_server.url)
    yield made.namespaced("one")
    await made.close()


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server that a test may stop."""
    server = RedisServer(PASSWORD)
    server.start()
    yield server
    server.stop()


def opened(server: RedisServer, monotonic: Callable[[], float] = time.monotonic) -> RedisStore:
    return RedisStore.of(f"redis://:{PASSWORD}@127.0.0.1:{server.port}/0", monotonic)


async def test_values_and_counters(either: Store) -> None:
    """Values come back byte for byte, counters as digits, and what was deleted is gone."""
    await either.set("值", b"\x00\xff", 60)
    assert await either.get("值") == b"\x00\xff"
    assert await either.get("other") is None
    assert [await either.add("n", amount, 60) for amount in (5, -7, 2)] == [5, -2, 0]
    assert await either.get("n") == b"0"
    await either.delete("值")
    assert await either.get("值") is None


async def test_lists_keep_the_newest(either: Store) -> None:
    """A list keeps as many items as it is told, in their order, and the oldest go first."""
    for number in range(5):
        await either.append("list", b"%d" % number, 60, 3)
    assert await either.items("list") == [b"2", b"3", b"4"]
    assert await either.items("none") == []
    with pytest.raises(ValueError, match="at least one"):
        await either.append("list", b"", 60, 0)


async def test_a_key_is_one_thing(either: Store) -> None:
    """A key that holds one kind of thing is not used as another, in neither store."""
    await either.set("value", b"text", 60)
    await either.append("list", b"x", 60, 5)
    await either.add("count", 1, 60)
    with pytest.raises(ValueError, match=r"something else|invalid literal"):
        await either.add("value", 1, 60)
    for wrong in (either.append("value", b"", 60, 5), either.append("count", b"", 60, 5), either.items("value"),
                  either.items("count"), either.get("list"), either.add("list", 1, 60)):  # fmt: skip
        with pytest.raises(ValueError, match="something else"):
            await wrong
    await either.set("list", b"now a value", 60)
    assert await either.get("list") == b"now a value"


@pytest.mark.parametrize("ttl_s", [0, -1, float("nan")])
async def test_a_time_to_live_is_positive(either: Store, ttl_s: float) -> None:
    """Nothing is kept for ever by a slip."""
    for wrong in (either.set("k", b"", ttl_s), either.add("k", 1, ttl_s), either.append("k", b"", ttl_s, 1)):
        with pytest.raises(ValueError, match="time to live"):
            await wrong


async def test_times_to_live(either: Store) -> None:
    """A counter lives from its first use, a list from its last."""
    await either.add("n", 1, 1)
    await either.append("list", b"a", 1, 9)
    await either.set("value", b"", 1)
    await asyncio.sleep(0.6)
    assert await either.add("n", 1, 1) == 2
    await either.append("list", b"b", 1, 9)
    await asyncio.sleep(0.6)
    assert await either.add("n", 1, 1) == 1
    assert await either.items("list") == [b"a", b"b"]
    assert await either.get("value") is None
    await asyncio.sleep(1.1)
    assert await either.items("list") == []


async def test_many_at_once_lose_nothing(either: Store) -> None:
    """Additions and appends that are under way together all count, however few connections there are."""
    many = 4 * CONNECTIONS_MAX
    sums = await asyncio.gather(*(either.add("n", 1, 60) for _ in range(many)))
    assert sorted(sums) == list(range(1, many + 1))
    await asyncio.gather(*(either.append("list", b"%d" % number, 60, many) for number in range(many)))
    assert sorted(await either.items("list"), key=int) == [b"%d" % number for number in range(many)]


async def test_keys_say_whose_they_are(store: RedisStore, redis_server: RedisServer) -> None:
    """Keys begin with the gateway's and the instance's name, and every one of them ends."""
    other = RedisStore.of(redis_server.url).namespaced("cache")
    await store.set("a", b"mine", 60)
    await store.add("b", 1, 60)
    await store.append("c", b"x", 60, 1)
    assert await other.get("a") is None
    with redis_server.client() as client:
        assert sorted(client.scan_iter()) == [b"yumen:limits:a", b"yumen:limits:b", b"yumen:limits:c"]
        assert all(0 < int(client.pttl(key)) <= 60_000 for key in client.scan_iter())
    await other._link.close()


async def test_one_round_trip(store: RedisStore, redis_server: RedisServer) -> None:
    """Adding and appending ask the server once."""
    await store.add("n", 1, 60)
    await store.append("l", b"", 60, 1)
    with redis_server.client() as client:
        before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        await store.add("n", 1, 60)
        await store.append("l", b"", 60, 1)
        stats = client.info("commandstats")
        assert stats["cmdstat_evalsha"]["calls"] - before == 2
        assert "cmdstat_multi" not in stats


async def test_what_is_too_large_is_not_kept(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value beyond the limit is not sent, and does not leave an older one standing for it."""
    monkeypatch.setattr(redis_module, "VALUE_BYTES_MAX", 10)
    await store.set("k", b"old", 60)
    await store.set("k", b"x" * 11, 60)
    await store.append("l", b"x" * 11, 60, 5)
    assert await store.get("k") is None
    assert await store.items("l") == []


async def test_a_cancelled_operation_leaves_no_answer_for_the_next(store: RedisStore) -> None:
    """A hook whose time ran out must not make another exchange read its answer."""
    await store.set("mine", b"mine", 60)
    await store.set("yours", b"yours", 60)
    for pause in [0.0, 0.0001, 0.0002, 0.0005, 0.001] * 20:
        asked = asyncio.create_task(store.get("mine"))
        await asyncio.sleep(pause)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert await store.get("yours") == b"yours"


async def test_a_server_that_is_gone_fails_at_once_and_comes_back(
    own_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failures are errors without address or key; after some of them nobody waits; when it is back all goes on."""
    # One that has logged before keeps the configuration that it had then.
    monkeypatch.setattr("yumen.store.redis.log", structlog.get_logger())
    store = opened(own_server)
    space = store.namespaced("vault")
    await store.begin()
    await space.set("key-of-somebody", b"v", 60)
    own_server.stop()
    with capture_logs() as logs:
        for _ in range(FAILURES_MAX):
            with pytest.raises(StoreError) as failed:
                await space.get("key-of-somebody")
            assert failed.value.__cause__ is None
            assert not any(
                word in str(failed.value) for word in (PASSWORD, "somebody", "127.0.0.1", str(own_server.port))
            )
        started = time.perf_counter()
        for _ in range(1000):
            with pytest.raises(StoreError, match="not asked for a moment"):
                await space.add("n", 1, 60)
        # One operation that asked would take longer.
        assert time.perf_counter() - started < 1000 * OPERATION_S
    assert [one["event"] for one in logs] == ["store_unreachable"]
    assert PASSWORD not in str(logs)
    assert "store" in await store.health()
    own_server.start()
    await asyncio.sleep(REST_S + 0.1)
    assert await space.get("key-of-somebody") is None
    assert await space.add("n", 1, 60) == 1
    assert await store.health() == ""
    await store.close()


async def test_a_server_that_hangs_makes_nobody_wait_long(own_server: RedisServer) -> None:
    """An operation waits no longer than it may, and while the server hangs one operation at a time finds out."""
    clock = [0.0]
    store = opened(own_server, lambda: clock[0])
    assert await store.add("n", 1, 60) == 1
    own_server.hang()
    started = time.perf_counter()
    results = await asyncio.gather(*(store.add("n", 1, 60) for _ in range(20)), return_exceptions=True)
    # However slow this machine is: not as long as a server that never answers would take.
    assert time.perf_counter() - started < OPERATION_S + 20
    assert all(isinstance(one, StoreError) for one in results)
    clock[0] += REST_S
    started = time.perf_counter()
    results = await asyncio.gather(*(store.add("n", 1, 60) for _ in range(20)), return_exceptions=True)
    assert sum("not asked" in str(one) for one in results) == 19
    # However slow this machine is: not as long as a server that never answers would take.
    assert time.perf_counter() - started < OPERATION_S + 20
    own_server.go_on()
    clock[0] += REST_S
    await store.add("n", 1, 60)
    await store.close()


async def test_a_server_that_refuses_is_a_fault(own_server: RedisServer) -> None:
    """A server without room says no, and the password of the address is checked at the beginning."""
    store = opened(own_server)
    with own_server.client() as client:
        client.config_set("maxmemory", "1")
        with pytest.raises(StoreError, match=r"refuses \(OutOfMemoryError\)"):
            await store.set("k", b"v", 60)
        client.config_set("maxmemory", "0")
    await store.set("k", b"v", 60)
    await store.close()
    wrong = RedisStore.of(f"redis://:other-{PASSWORD}@127.0.0.1:{own_server.port}/0")
    with pytest.raises(CannotStart, match=r"gateway\.yaml") as refused:
        await wrong.begin()
    assert PASSWORD not in str(refused.value)
    await wrong.close()


async def test_a_wrong_address_is_said_without_it() -> None:
    """What cannot be an address is refused, and not repeated: it may hold a password."""
    with pytest.raises(CannotStart) as refused:
        RedisStore.of(f"redis://:{PASSWORD}@127.0.0.1:port/0")
    assert PASSWORD not in str(refused.value)


def test_without_the_library_the_install_line_is_said() -> None:
    """The library is an extra, and whoever lacks it is told how to get it; importing the gateway does not need it."""
    code = (
        "import sys; sys.modules['redis'] = None; sys.modules['redis.asyncio'] = None\n"
        "import yumen.app\nfrom yumen.store.redis import RedisStore\nfrom yumen import CannotStart\n"
        "try:\n    RedisStore.of('redis://127.0.0.1/0')\nexcept CannotStart as error:\n    print(error)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'yumen[redis]'" in out
