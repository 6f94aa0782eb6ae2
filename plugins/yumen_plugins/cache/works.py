"""Everything that a started cache is made of, and what it does beside exchanges."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from yumen import Host, StoreError
from yumen_plugins.cache.answering import Answering
from yumen_plugins.cache.config import CacheConfig
from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.flights import Flights, Remote
from yumen_plugins.cache.keys import Keys
from yumen_plugins.cache.lookups import Lookups
from yumen_plugins.cache.marks import Marks
from yumen_plugins.cache.memory import Memory, warm
from yumen_plugins.cache.operating import Operating
from yumen_plugins.cache.sealing import Seal
from yumen_plugins.cache.semantic import Semantic
from yumen_plugins.cache.shared import Shared
from yumen_plugins.cache.tiers import Tiers

# How often a process looks whether another one was told to let go of something.
MARKS_S = 0.5
SEALS_MAX = 4096
PATIENCE_MS = 30_000
# Purges that the store has still to take, and how long to wait before it is asked again.
OWED_MAX, AGAIN_S = 1_000, 5.0
WARM = "warm"


class Works:
    """The parts, wired. Where exchanges are not live (tests of a policy), all is in the store, which each test clears."""

    def __init__(self, config: CacheConfig, host: Host) -> None:
        self._config = config
        self._host = host
        self._seal = lru_cache(SEALS_MAX)(lambda purpose, word: Seal(host.secret("cache", purpose, word)))
        self._folder: Path = host.data_dir / "cache" / host.instance
        self._keys = keys = Keys(host, config)
        store = host.store if not host.live or (config.shared and host.store.shared) else None
        shared = None
        if store is not None:
            shared = Shared(
                store,
                lambda space: self._seal("entry", space),
                keys.name,
                # How fast this machine is must not decide a test of a policy.
                timeout_ms=config.shared_timeout_ms if host.live else PATIENCE_MS,
                compress_above=config.shared_compress_above,
                metrics=host.metrics,
                now=host.now,
            )
        self.marks = Marks(
            self._folder if host.live else None,
            now=host.now,
            store=store if host.live else None,
            seal=self._seal("marks", ""),
        )
        memory = Memory(config.memory.bytes_max if host.live else 0, config.memory.tenant_share, now=host.now)
        self.tiers = Tiers(memory, shared, self.marks, host.now)
        remote = None
        if store is not None and host.live:
            remote = Remote(
                store,
                lambda space: self._seal("flight", space),
                now=host.now,
                metrics=host.metrics,
                timeout_s=config.shared_timeout_ms / 1000,
            )
        self._flights = Flights(
            followers_max=config.coalesce.followers_max if config.coalesce is not None else 0,
            wait_s=config.coalesce.wait_s if config.coalesce is not None else 1.0,
            bytes_max=config.reply_bytes_max,
            remote=remote,
            metrics=host.metrics,
        )
        self._semantic = None if config.semantic is None else Semantic(config.semantic, host, store)
        self._lookups = Lookups(host)
        self.answering = Answering(config, host, keys, self.tiers, self._flights, self._semantic, self._lookups)
        self.operating = Operating(host, self.purge, self._stats)
        # What other processes have purged, and purges that the store has not taken.
        self._heard: deque[Purge] = deque(maxlen=OWED_MAX)
        self._owed: deque[Purge] = deque(maxlen=OWED_MAX)
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def open(cls, config: CacheConfig, host: Host) -> Works:
        """Everything, begun. Error: OSError where the folder in the data directory cannot be used."""
        works = cls(config, host)
        try:
            await works._begin()
        except BaseException:
            await works.close()
            raise
        return works

    async def _begin(self) -> None:
        await self.marks.start()
        if self._host.live:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._make_up())]
            if self._config.memory.warm:
                self._begin_with(await asyncio.to_thread(self._saved))

    async def purge(self, purge: Purge) -> int:
        """Let go of what a purge takes, here, in the shared store, and wherever its mark is read; how many that was.

        Whatever fails keeps nothing else from it. Errors: `StoreError` where something may be left in the store, from which
        it goes later; OSError where it may be gone after a restart that there was a purge.
        """
        failed: list[Exception] = []
        try:
            purge = await self.marks.add(purge, self._host.now())
        except (StoreError, OSError) as error:
            failed.append(error)
        count = 0
        try:
            count = await self._sweep(purge)
        except StoreError as error:
            failed.append(error)
            self._owed.append(purge)
        if failed:
            raise failed[0]
        return count

    async def _sweep(self, purge: Purge) -> int:
        """Remove what a purge takes. Error: `StoreError` where something may be left in the store."""
        try:
            return await self.tiers.purge(purge)
        finally:
            if self._semantic is not None:
                await self._semantic.purge_all(purge)

    async def _listen(self) -> None:
        """Hear of what other processes were told to let go of, which nobody is given from then on."""
        while True:
            await asyncio.sleep(MARKS_S)
            try:
                for purge in await self.marks.new():
                    self.tiers.memory.purge(purge)
                    if self._semantic is not None:
                        self._semantic.purge(purge)
                    self._heard.append(purge)
            except Exception as error:  # whatever the disk is like; what is marked is not given meanwhile
                self._host.log.error("cache_marks", error=type(error).__name__)

    async def _make_up(self) -> None:
        """Have the store let go of it too, which may take long, and of what it has not let go of when it was told."""
        while True:
            await asyncio.sleep(MARKS_S)
            try:
                while self._heard:
                    await self._or_later(self._heard.popleft(), self.tiers.forget)
                for _ in range(len(self._owed)):
                    await self._or_later(self._owed.popleft(), self._sweep)
            except StoreError:
                await asyncio.sleep(AGAIN_S)
            except Exception as error:  # a store of others may raise anything
                self._host.log.error("cache_purge", error=type(error).__name__)

    async def _or_later(self, purge: Purge, let_go: Callable[[Purge], Awaitable[object]]) -> None:
        """Error: `StoreError` where the store does not answer; it will be told again."""
        try:
            await let_go(purge)
        except StoreError:
            self._owed.append(purge)
            raise

    def _saved(self) -> list[tuple[bytes, Any]]:
        def dropped(why: str) -> None:
            self._host.log.warning("cache_warm_dropped", why=why)

        return list(warm.load(self._folder / WARM, self._seal("warm", ""), WARM.encode(), dropped))

    def _begin_with(self, saved: list[tuple[bytes, Any]]) -> None:
        """Take what an earlier process has saved, but for what was purged since."""
        now = self._host.now()
        for key, entry in saved:
            if entry.fresh(now) and not self.marks.takes(entry.tenant, entry.subject, entry.stored_at):
                self.tiers.memory.put(key, entry)
                if self._semantic is not None:
                    self._semantic.recall(self._keys.space(entry.tenant), key, entry)
        self._host.log.info("cache_warm", read=len(saved), kept=len(self.tiers.memory))

    async def _stats(self) -> Mapping[str, Any]:
        semantic = None if self._semantic is None else self._semantic.stats()
        return {
            "lookups": self._lookups.shown(),
            **await self.tiers.stats(),
            "semantic": semantic,
            "purges": self.marks.stats(),
        }

    async def close(self) -> None:
        """Write what still waits, save the most useful part where policy says so, and let go of everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.operating.stop()
        await self._flights.stop()
        await self.tiers.close()
        if self._semantic is not None:
            await self._semantic.close()
        if self._host.live and self._config.memory.warm:
            await asyncio.to_thread(self._save)
        await self.marks.close()

    def _save(self) -> None:
        most = self._config.memory.warm_bytes_max
        try:
            items = self.tiers.memory.hottest(most)
            warm.save(self._folder / WARM, self._seal("warm", ""), WARM.encode(), items, most)
        except OSError as error:
            self._host.log.warning("cache_warm_unsaved", error=type(error).__name__)
