"""The shared tier where the store is away, slow, full or no store at all: misses that are counted, and nobody waits."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import pytest
from tests.plugins.cache.shared_kit import PATIENT_MS, entry, failures, key, tier
from tests.redis_server import RedisServer

from yumen import Change
from yumen.store import StoreError
from yumen.store.memory import MemoryStore
from yumen.store.redis import FAILURES_MAX, OPERATION_S, REST_S, RedisStore
from yumen_plugins.cache import shared as shared_module
from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.shared import writer

PASSWORD = "not-a-real-password"
# However slow this machine is: far less than one that waited for the store as often would take.
GENEROUS_S = 20.0


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server that a test may stop."""
    server = RedisServer(PASSWORD)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def opened(own_server: RedisServer) -> AsyncIterator[Callable[..., RedisStore]]:
    """Opens stores on the server, which are closed at the end."""
    made: list[RedisStore] = []

    def open_store(password: str = PASSWORD, monotonic: Callable[[], float] = time.monotonic) -> RedisStore:
        made.append(RedisStore.of(f"redis://:{password}@127.0.0.1:{own_server.port}/0", monotonic))
        return made[-1].namespaced("cache")

    yield open_store
    for store in made:
        await store.close()


async def test_a_store_that_hangs_is_waited_for_no_longer_than_policy_says(
    own_server: RedisServer, opened: Callable[..., RedisStore]
) -> None:
    """While the server hangs every look is a miss within its time, and when it goes on entries are there again."""
    clock = [0.0]
    shared = tier(opened(monotonic=lambda: clock[0]), timeout_ms=30)
    patient = tier(opened())
    patient.put("tenant:acme", key(1), entry())
    await patient.flush()
    own_server.hang()
    began = time.perf_counter()
    looks = await asyncio.gather(*(shared.get("tenant:acme", key(number % 20)) for number in range(200)))
    assert looks == [None] * 200
    # Two hundred that waited for the store one after the other would take 160 seconds.
    assert time.perf_counter() - began < GENEROUS_S
    assert failures(shared)["timeout"] > 0
    # Those that were asked end by themselves, by which the store learns to leave the server alone.
    await asyncio.sleep(OPERATION_S + 0.2)
    assert await shared.get("tenant:acme", key(1)) is None
    assert failures(shared)["store"] > 0
    own_server.go_on()
    clock[0] += REST_S
    for _ in range(100):
        if await shared.get("tenant:acme", key(1)) is not None:
            break
        await asyncio.sleep(0.05)
        clock[0] += REST_S
    else:
        raise AssertionError("the entry did not come back")
    await shared.close()
    await patient.close()


async def test_a_store_that_is_gone_is_empty_and_comes_back(
    own_server: RedisServer, opened: Callable[..., RedisStore]
) -> None:
    """Without a server looks are misses, what is put is dropped and counted, and later both work again."""
    clock = [0.0]
    shared = tier(opened(monotonic=lambda: clock[0]))
    own_server.stop()
    for number in range(2 * FAILURES_MAX):
        shared.put("tenant:acme", key(number), entry())
        assert await shared.get("tenant:acme", key(number)) is None
        await shared.flush()
    stats = await shared.stats()
    assert stats["reachable"] is False
    assert stats["failures"] == {"store": 2 * FAILURES_MAX, "write": 2 * FAILURES_MAX}
    with pytest.raises(StoreError):
        await shared.purge(Purge("acme"))
    own_server.start()
    clock[0] += REST_S
    shared.put("tenant:acme", key(1), entry())
    await shared.flush()
    assert await shared.get("tenant:acme", key(1)) is not None
    assert (await shared.stats())["reachable"] is True
    await shared.close()


async def test_an_odd_answer_is_one(opened: Callable[..., RedisStore]) -> None:
    """Operators are told that the store answers, whatever somebody has put where it is asked for something."""
    store = opened()
    await store.append("reachable", b"no value", 60, 1)
    shared = tier(store)
    assert (await shared.stats())["reachable"] is True
    await shared.close()


async def test_a_wrong_password_is_a_miss(opened: Callable[..., RedisStore]) -> None:
    """A server that refuses the gateway is one that has nothing."""
    shared = tier(opened("another-password"))
    shared.put("tenant:acme", key(1), entry())
    await shared.flush()
    assert await shared.get("tenant:acme", key(1)) is None
    assert failures(shared) == {"store": 1, "write": 1}
    with pytest.raises(StoreError):
        await shared.purge(Purge())
    with pytest.raises(StoreError):
        await shared.forget(Purge())
    await shared.close()


async def test_a_full_server_keeps_giving(own_server: RedisServer, opened: Callable[..., RedisStore]) -> None:
    """Where there is no room for more, what is there is given, new entries are counted, and a purge still removes."""
    shared = tier(opened())
    shared.put("tenant:acme", key(1), entry())
    await shared.flush()
    with own_server.client() as client:
        client.config_set("maxmemory", "1")
        client.config_set("maxmemory-policy", "noeviction")
    shared.put("tenant:acme", key(2), entry())
    await shared.flush()
    assert await shared.get("tenant:acme", key(1)) is not None
    assert await shared.get("tenant:acme", key(2)) is None
    assert failures(shared) == {"write": 1}
    assert await shared.purge(Purge("acme")) == 1
    assert await shared.get("tenant:acme", key(1)) is None
    await shared.close()


async def test_what_is_no_redis_is_a_miss() -> None:
    """A server that answers something else than Redis does no harm."""

    async def answer(reader: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        await reader.read(10)
        out.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" + os.urandom(100) + b"\r\n")
        await out.drain()
        out.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    store = RedisStore.of(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    shared = tier(store)
    shared.put("tenant:acme", key(1), entry())
    assert await shared.get("tenant:acme", key(1)) is None
    await shared.flush()
    assert set(failures(shared)) == {"store", "write"}
    await shared.close()
    await store.close()
    server.close()
    await server.wait_closed()


class Slow(MemoryStore):
    """Waits until it may go on, and then fails as it is told to."""

    shared = True

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()
        self.fails: Exception | None = None
        self.batches: list[int] = []

    async def get(self, key: str) -> bytes | None:
        await self.may.wait()
        if self.fails is not None:
            raise self.fails
        return await super().get(key)

    async def together(self, changes: Sequence[Change]) -> None:
        self.batches.append(len(changes))
        await self.may.wait()
        if self.fails is not None:
            raise self.fails
        await super().together(changes)


async def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries wait in a bounded number of rows and bytes; what does not fit is dropped and counted, at once."""
    monkeypatch.setattr(writer, "WRITE_S", 60.0)
    monkeypatch.setattr(writer, "CLOSE_S", 60.0)
    store = Slow()
    shared = tier(store)
    for number in range(writer.ROWS_MAX + 50):
        shared.put("tenant:acme", key(number), entry())
    assert (shared._writer.rows, failures(shared)["full"]) == (writer.ROWS_MAX, 50)
    # The same name again takes no further row.
    shared.put("tenant:acme", key(0), entry())
    assert failures(shared) == {"full": 50}
    store.may.set()
    await shared.flush()
    assert max(store.batches) == writer.BATCH_ROWS
    assert (shared._writer.rows, shared._writer.bytes) == (0, 0)
    large = os.urandom(writer.BYTES_MAX // 4)
    store.may.clear()
    for number in range(5):
        shared.put("tenant:acme", key(number), entry(large))
    assert shared._writer.rows == 3
    assert 0 < shared._writer.bytes <= writer.BYTES_MAX
    store.may.set()
    await shared.close()
    assert failures(shared) == {"full": 52}


async def test_what_is_too_long_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that the store would not keep is counted instead of sent, and nothing old stands in its place."""
    store = MemoryStore(bytes_max=200 << 20)
    shared = tier(store)
    monkeypatch.setattr(writer, "WRITE_S", 60.0)
    for number in (1, 2, 3):
        shared.put("tenant:acme", key(number), entry(b"old"))
        await shared.flush()
    shared.put("tenant:acme", key(1), entry(os.urandom(20 << 20)))
    await shared.flush()
    shared.put("tenant:acme", key(2), entry(b"compressible " * (2 << 20)))
    await shared.flush()
    assert failures(shared) == {"long": 1}
    assert await shared.get("tenant:acme", key(1)) is None
    longer = await shared.get("tenant:acme", key(2))
    assert longer is not None
    assert longer.kept.body != b"old"
    monkeypatch.setattr(shared_module, "PACKED_BYTES_MAX", 1000)
    shared.put("tenant:acme", key(3), entry(b"x" * 1000))
    await shared.flush()
    assert failures(shared) == {"long": 2}
    assert await shared.get("tenant:acme", key(3)) is None
    await shared.close()


async def test_too_many_looks_at_once_are_misses() -> None:
    """No more entries are read at once than could come in time; who wants one that is being read already, waits with it."""
    store = Slow()
    shared = tier(store)
    looks = [asyncio.create_task(shared.get("tenant:acme", key(number))) for number in range(300)]
    looks += [asyncio.create_task(shared.get("tenant:acme", key(0))) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sum(look.done() for look in looks) == 300 - shared_module.READING_MAX
    store.may.set()
    assert await asyncio.gather(*looks) == [None] * 350
    assert failures(shared) == {"busy": 300 - shared_module.READING_MAX}
    await shared.close()


@pytest.mark.parametrize("fault", [StoreError("x"), RuntimeError("x"), OSError("x"), KeyError("x"), TimeoutError()])
async def test_no_fault_of_a_store_gets_out(fault: Exception) -> None:
    """Whatever a store raises, a look is a miss, and what is put later is still tried."""
    store = Slow()
    store.may.set()
    store.fails = fault
    shared = tier(store)
    shared.put("tenant:acme", key(1), entry())
    await shared.flush()
    assert await shared.get("tenant:acme", key(1)) is None
    store.fails = None
    shared.put("tenant:acme", key(1), entry())
    await shared.flush()
    assert await shared.get("tenant:acme", key(1)) is not None
    assert failures(shared) == {"store": 1, "write": 1}
    await shared.close()


async def test_a_store_without_limits_of_its_own_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that never answers holds neither a look, nor a flush, nor the end of the process."""
    monkeypatch.setattr(writer, "WRITE_S", 0.05)
    monkeypatch.setattr(writer, "CLOSE_S", 0.05)
    monkeypatch.setattr(shared_module, "READ_S", 0.05)
    store = Slow()
    shared = tier(store, timeout_ms=10)
    async with asyncio.timeout(PATIENT_MS / 1000):
        shared.put("tenant:acme", key(1), entry())
        assert await shared.get("tenant:acme", key(1)) is None
        await shared.flush()
        assert (await shared.stats())["reachable"] is False
        monkeypatch.setattr(writer, "WRITE_S", 1000.0)
        monkeypatch.setattr(shared_module, "READ_S", 1000.0)
        for number in range(200):
            shared.put("tenant:acme", key(number), entry())
        assert await shared.get("tenant:acme", key(1)) is None
        await shared.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert shared._writer.rows == 0


async def test_closing_writes_what_waits_and_takes_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept before the end is there for the next process; afterwards nothing happens any more."""
    monkeypatch.setattr(writer, "CLOSE_S", 60.0)
    store = Slow()
    store.may.set()
    shared = tier(store)
    for number in range(200):
        shared.put("tenant:acme", key(number), entry())
    await shared.close()
    shared.put("tenant:acme", key(200), entry())
    assert await shared.get("tenant:acme", key(1)) is None
    assert failures(shared) == {"closed": 1}
    await shared.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    again = tier(store)
    found = [await again.get("tenant:acme", key(number)) for number in range(201)]
    assert found.count(None) == 1
    await again.close()


async def test_who_leaves_takes_nobody_along() -> None:
    """A caller who leaves while an entry is read ends neither the reading nor the wait of others for the same entry."""
    store = Slow()
    await fill(store)
    shared = tier(store)
    one, two = (asyncio.create_task(shared.get("tenant:acme", key(1))) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    store.may.set()
    assert one.cancelled()
    assert await two is not None
    await shared.close()


async def test_flushing_waits_for_what_was_put_before_alone() -> None:
    """A flush ends when its own entries are written, though others keep coming, and when a purge took them away."""
    store = Slow()
    shared = tier(store)
    shared.put("tenant:acme", key(0), entry())
    flushed = asyncio.create_task(shared.flush())
    await asyncio.sleep(0)
    store.may.set()
    async with asyncio.timeout(PATIENT_MS / 1000):
        for number in range(1, 10_000):
            shared.put("tenant:acme", key(number), entry())
            await asyncio.sleep(0)
            if flushed.done():
                break
        assert flushed.done()
        await shared.flush()
        shared.put("tenant:acme", key("gone"), entry())
        flushed = asyncio.create_task(shared.flush())
        purged = asyncio.create_task(shared._writer.purge(Purge("acme")))
        await asyncio.gather(flushed, purged)
    await shared.close()


async def fill(store: Slow) -> None:
    """Have one entry in it."""
    store.may.set()
    first = tier(store)
    first.put("tenant:acme", key(1), entry())
    await first.close()
    store.may.clear()
