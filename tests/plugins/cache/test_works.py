"""What the parts do together: a purge reaches all of them, and a process begins with what another one has saved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from tests.plugins.cache.memory.made import key

from yumen import Engine, EngineManifest, Kept, NoConfig, StoreError
from yumen.store.memory import MemoryStore
from yumen.testing import RunningClock, UnitHost
from yumen_plugins.cache.config import CacheConfig, Memory, Semantic
from yumen_plugins.cache.entry import Entry, Purge
from yumen_plugins.cache.semantic import Question
from yumen_plugins.cache.works import Works

QUESTION = "怎么退货？"


class Alike(Engine[NoConfig]):
    """Every text has the same embedding."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="alike", version="1")

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"embeddings": np.ones((len(batch["texts"]), 4), np.float32) / 2}


class SharedStore(MemoryStore):
    """One that says processes share it, and that can be away."""

    shared = True
    away = False

    async def together(self, changes: Any) -> None:
        if self.away:
            raise StoreError("away")
        await super().together(changes)

    def keys(self, prefix: str) -> Any:
        if self.away:
            raise StoreError("away")
        return super().keys(prefix)


async def opened(folder: Path, store: MemoryStore | None = None, **config: Any) -> Works:
    """Everything, on a data directory."""
    host = UnitHost(clock=RunningClock(), data_dir=folder, engines={"alike": Alike(NoConfig())})
    host.store = store or MemoryStore()
    return await Works.open(CacheConfig(**config), host)


def entry(tenant: str = "acme", subject: str = "", **more: Any) -> Entry:
    """One of now."""
    return Entry(Kept(body=b"{}"), tenant, subject, "0123456789ab", time.time(), 3600.0, **more)


async def test_a_process_begins_with_what_another_one_saved(tmp_path: Path) -> None:
    """With `warm`, the entries of a process that ended in order are there when the next one starts; without, not."""
    warm = Memory(warm=True)
    first = await opened(tmp_path, memory=warm)
    await first.tiers.put("tenant:acme", key(1), entry())
    await first.close()
    second = await opened(tmp_path, memory=warm)
    assert (await second.tiers.get("tenant:acme", key(1))).entry is not None
    await second.close()
    cold = await opened(tmp_path)
    assert (await cold.tiers.get("tenant:acme", key(1))).entry is None
    await cold.close()


async def test_nothing_purged_comes_back_from_what_was_saved(tmp_path: Path) -> None:
    """A purge while nobody served holds for what was saved before it."""
    warm = Memory(warm=True)
    first = await opened(tmp_path, memory=warm)
    for number, subject in ((1, "a" * 32), (2, "b" * 32)):
        await first.tiers.put("tenant:acme", key(number), entry(subject=subject))
    await first.close()
    other = await opened(tmp_path)
    await other.purge(Purge("acme", "a" * 32))
    await other.close()
    second = await opened(tmp_path, memory=warm)
    assert (await second.tiers.get("tenant:acme", key(1))).entry is None
    assert (await second.tiers.get("tenant:acme", key(2))).entry is not None
    await second.close()


async def test_questions_are_known_again_after_a_warm_start(tmp_path: Path) -> None:
    """What was answered to a question is found for one of the same meaning in the next process too."""
    config: dict[str, Any] = {"memory": Memory(warm=True), "semantic": Semantic(engine="alike")}
    first = await opened(tmp_path, **config)
    semantic = first._semantic
    assert semantic is not None
    question = await semantic.question(QUESTION, b"c" * 24)
    assert question is not None
    kept = entry(question=QUESTION, context=question.context, vector=question.vector_bytes)
    await first.tiers.put("tenant:acme", key(1), kept)
    await first.close()
    second = await opened(tmp_path, **config)
    asked = await _asked(second)
    assert await second._semantic.find("tenant:acme", asked) == key(1)  # type: ignore[union-attr]  # it is configured
    await second.purge(Purge("acme"))
    assert await second._semantic.find("tenant:acme", asked) is None  # type: ignore[union-attr]
    await second.close()


async def _asked(works: Works) -> Question:
    assert works._semantic is not None
    question = await works._semantic.question(QUESTION, b"c" * 24)
    assert question is not None
    return question


async def test_a_purge_that_the_store_did_not_take_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator is told that something may be left; nobody gets it, and it goes when the store is back."""
    monkeypatch.setattr("yumen_plugins.cache.works.AGAIN_S", 0.01)
    store = SharedStore()
    works = await opened(tmp_path, store)
    await works.tiers.put("tenant:acme", key(1), entry(), wait=True)
    store.away = True
    with pytest.raises(StoreError):
        await works.purge(Purge("acme"))
    assert (await works.tiers.get("tenant:acme", key(1))).entry is None
    store.away = False
    async with asyncio.timeout(20):
        while [name async for name in store.keys("e")]:
            await asyncio.sleep(0.05)
    await works.close()


async def test_a_purge_holds_in_another_process(tmp_path: Path) -> None:
    """What one process is told to let go of, another one lets go of as well."""
    one, other = await opened(tmp_path), await opened(tmp_path)
    await other.tiers.put("tenant:acme", key(1), entry())
    await one.purge(Purge("acme"))
    async with asyncio.timeout(20):
        while len(other.tiers.memory):
            await asyncio.sleep(0.05)
    await one.close()
    await other.close()


async def test_a_store_that_is_away_keeps_no_process_from_hearing_of_purges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What other processes of this machine purge is not given, also while the store has something still to take."""
    monkeypatch.setattr("yumen_plugins.cache.works.AGAIN_S", 3600.0)
    store = SharedStore()
    one, other = await opened(tmp_path, store), await opened(tmp_path, store)
    for number, tenant in enumerate(("acme", "globex")):
        await other.tiers.put(f"tenant:{tenant}", key(number), entry(tenant), wait=True)
    store.away = True
    for number, tenant in enumerate(("acme", "globex")):
        with pytest.raises(StoreError):
            await one.purge(Purge(tenant))
        async with asyncio.timeout(20):
            while (await other.tiers.get(f"tenant:{tenant}", key(number))).entry:
                await asyncio.sleep(0.05)
    assert not len(other.tiers.memory)
    await one.close()
    await other.close()


async def test_a_process_makes_up_for_what_it_heard_while_the_store_was_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process wrote of late goes from the store also where whoever was told to purge is not there any more."""
    monkeypatch.setattr("yumen_plugins.cache.works.AGAIN_S", 0.01)
    store = SharedStore()
    one, other = await opened(tmp_path, store), await opened(tmp_path, store)
    await other.tiers.put("tenant:acme", key(1), entry(), wait=True)
    store.away = True
    with pytest.raises(StoreError):
        await one.purge(Purge("acme"))
    await one.close()
    async with asyncio.timeout(20):
        while len(other.tiers.memory):
            await asyncio.sleep(0.05)
    await asyncio.sleep(1)
    store.away = False
    async with asyncio.timeout(20):
        while [name async for name in store.keys("e")]:
            await asyncio.sleep(0.05)
    await other.close()


async def test_a_start_that_is_called_off_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that stops while it starts, or a reload that takes too long, leaves no task behind."""
    reading = asyncio.Event()
    saved = Works._saved
    loop = asyncio.get_running_loop()

    def slow(works: Works) -> Any:
        loop.call_soon_threadsafe(reading.set)
        time.sleep(0.2)
        return saved(works)

    monkeypatch.setattr(Works, "_saved", slow)
    before = len(asyncio.all_tasks())
    starting = asyncio.create_task(opened(tmp_path, memory=Memory(warm=True)))
    await reading.wait()
    starting.cancel()
    await asyncio.wait({starting})
    assert len(asyncio.all_tasks()) == before
