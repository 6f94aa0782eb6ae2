"""Questions that processes tell each other through a store."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from tests.plugins.cache.semantic.kit import CONTEXT, known
from tests.plugins.cache.shared_kit import be_patient
from tests.redis_server import RedisServer

from yumen import Hmac, Store
from yumen.store import StoreError
from yumen.store.memory import MemoryStore
from yumen.store.redis import RedisStore
from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.sealing import Seal
from yumen_plugins.cache.semantic import SharedQuestions, shared

NOW = 1000.0


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    running = RedisServer()
    running.start()
    yield running
    running.stop()


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """A store of each kind, empty."""
    if request.param == "memory":
        yield MemoryStore()
        return
    be_patient(monkeypatch)
    running: RedisServer = request.getfixturevalue("server")
    running.clear()
    made = RedisStore.of(running.url)
    yield made.namespaced("cache")
    await made.close()


class Process:
    """One of several on a store."""

    def __init__(self, store: Store, *, secret: bytes = b"s", timeout_s: float = 10.0, look_s: float = 0.0) -> None:
        self.failures: Counter[str] = Counter()
        self.questions = SharedQuestions(
            store,
            lambda space: Seal(hashlib.sha256(secret + space.encode()).digest()),
            Hmac(hashlib.sha256(secret).digest()),
            timeout_s=timeout_s,
            monotonic=time.monotonic,
            now=lambda: NOW,
            failed=lambda reason: self.failures.update([reason]),
            look_s=look_s,
        )

    async def tell(self, *keys: str, space: str = "s", **kinds: str) -> None:
        for key in keys:
            self.questions.put(space, known(key, **kinds))  # type: ignore[arg-type]  # words only, as tests pass them
        await self.questions.flush()

    async def hears(self, space: str = "s", context: bytes = CONTEXT) -> list[str]:
        return [one.key.decode() for one in await self.questions.news(space, context)]


async def test_what_one_process_tells_another_one_hears_once(store: Store) -> None:
    """News of a context are what came since the last look, in their order."""
    here, there = Process(store), Process(store)
    await here.tell("a", "b")
    assert await there.hears() == ["a", "b"]
    assert await there.hears() == []
    await here.tell("c")
    assert await there.hears() == ["c"]
    assert await there.hears("other") == []
    assert await there.hears(context=b"d" * 24) == []


async def test_nothing_is_missed_when_a_list_is_full(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full list loses its oldest with each new one, and its reader still hears every new one once."""
    monkeypatch.setattr(shared, "LIST_MAX", 40)
    monkeypatch.setattr(shared, "STEPS", (4, 16, 40))
    here, there = Process(store), Process(store)
    await here.tell(*(f"{number}" for number in range(60)))
    assert await there.hears() == [f"{number}" for number in range(20, 60)]
    for start, count in ((60, 1), (61, 3), (64, 10), (74, 30)):
        told = [f"{number}" for number in range(start, start + count)]
        await here.tell(*told)
        assert await there.hears() == told
    await here.tell(*(f"{number}" for number in range(200, 260)))
    assert await there.hears() == [f"{number}" for number in range(220, 260)]


async def test_a_purge_takes_the_lists_and_what_waits(store: Store) -> None:
    """After a purge nothing of before is at rest, neither from this process nor from one that hears of the purge later."""
    here, there = Process(store), Process(store)
    await here.tell("a")
    here.questions.put("s", known("b", subject="u"))
    await here.questions.purge(Purge("acme", "u"))
    await here.questions.flush()
    assert [key async for key in store.keys("")] == []
    # The other process had one on its way.
    await there.tell("c", subject="u")
    there.questions.forget(Purge("acme", "u"))
    await there.questions.close()
    assert [key async for key in store.keys("")] == []
    await here.tell("d", "e", subject="u")
    await here.tell("f", subject="v")
    assert await Process(store).hears() == ["f"]


async def test_what_was_purged_is_not_believed(store: Store) -> None:
    """A question that another process told before it heard of a purge is not taken up again."""
    here, there = Process(store), Process(store)
    there.questions.forget(Purge("acme", "u"))
    await asyncio.sleep(0.1)
    await here.tell("a", subject="u")
    await here.tell("b", subject="v")
    assert await there.hears() == ["b"]
    await there.questions.close()


async def test_items_of_others_are_passed_over(store: Store) -> None:
    """What is corrupt, of another gateway, of another tenant or context, is nobody's question, and is counted."""
    here, foreign = Process(store), Process(store, secret=b"x")
    await here.tell("a")
    await here.tell("b", space="other")
    await foreign.tell("c")
    lists = [key async for key in store.keys("q:")]
    items = {key: await store.items(key) for key in lists}
    for key in lists:
        for told in [item for other in lists for item in items[other]] + [b"", b"\x00" * 40]:
            await store.append(key, told, 100, 1000)
    heard = Process(store)
    assert set(await heard.hears()) == {"a"}
    assert heard.failures["corrupt"] >= 4
    assert set(await Process(store).hears("other")) == {"b"}


async def test_nothing_raw_is_at_rest(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads the store finds neither questions, nor tenants or subjects, nor keys."""
    be_patient(monkeypatch)
    server.clear()
    made = RedisStore.of(server.url)
    here = Process(made.namespaced("cache"))
    here.questions.put(
        "tenant:acme-canary", known("key-canary", "问题 canary", tenant="acme-canary", subject="u-canary")
    )
    await here.questions.flush()
    everything = server.everything()
    await made.close()
    assert len(everything) > 50
    assert b"canary" not in everything
    assert CONTEXT not in everything
    assert CONTEXT.hex().encode() not in everything


async def test_it_is_not_looked_more_often_than_said(store: Store) -> None:
    """A context that many ask in is read once a second, and not once a question."""
    here, there = Process(store), Process(store, look_s=3600)
    assert await there.hears() == []
    await here.tell("a")
    assert await there.hears() == []


class Broken(MemoryStore):
    """A store that cannot be reached, or hangs."""

    hangs = False

    async def items(self, key: str, start: int = 0) -> list[bytes]:
        if self.hangs:
            await asyncio.Event().wait()
        raise StoreError("down")

    async def together(self, changes: object) -> None:
        raise StoreError("down")

    def keys(self, prefix: str) -> AsyncIterator[str]:
        raise StoreError("down")


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_store_that_fails_costs_chances_only(hangs: bool) -> None:
    """Where the store is down or hangs nothing is heard, within a bounded time; it is counted and left alone for a while."""
    broken = Broken()
    broken.hangs = hangs
    alone = Process(broken, timeout_s=0.05)
    async with asyncio.timeout(30):
        assert await alone.hears() == []
        assert await alone.hears() == []
        await alone.tell("a")
        assert alone.failures == {"store": 2}
        with pytest.raises(StoreError):
            await alone.questions.purge(Purge())
        alone.questions.forget(Purge())
        await alone.questions.close()


async def test_what_waits_and_what_is_known_of_contexts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is slow and callers that ask in ever new contexts do not make a process grow."""
    monkeypatch.setattr(shared, "QUEUE_MAX", 10)
    monkeypatch.setattr(shared, "CONTEXTS_MAX", 10)
    one = Process(MemoryStore())
    for number in range(25):
        await one.questions.news("s", b"%d" % number)
    assert len(one.questions._cursors) <= 10
    for number in range(25):
        one.questions.put("s", known(f"{number}"))
    assert one.failures["full"] == 15
    await one.questions.close()
    one.questions.put("s", known("late"))
    assert one.failures["full"] == 16


async def test_no_task_is_left(store: Store) -> None:
    """Closing ends everything that was begun, also in the middle of it."""
    before: Callable[[], int] = lambda: len(asyncio.all_tasks())  # noqa: E731
    count = before()
    one = Process(store)
    one.questions.put("s", known("a"))
    one.questions.forget(Purge())
    one.questions.forget(Purge("acme"))
    await one.questions.close()
    assert before() == count
