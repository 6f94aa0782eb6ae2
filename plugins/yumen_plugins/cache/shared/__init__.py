"""Entries in the store that processes share. Where it does not answer, there is nothing in it: a miss, and counted.

Whoever can read the store learns how many entries there are, how long they are and when they come and go, and nothing else;
whoever can write there can make entries go, and put back one that he copied before, within its time to live.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from yumen import Drop, Metrics, Store, StoreError
from yumen_plugins.cache.entry import Entry, Purge, packed
from yumen_plugins.cache.sealing import Seal
from yumen_plugins.cache.shared.envelope import PACKED_BYTES_MAX, Space, Spaces, opened
from yumen_plugins.cache.shared.purged import Purged
from yumen_plugins.cache.shared.sweep import sweep
from yumen_plugins.cache.shared.writer import Row, Writer

__all__ = ["Shared"]

# So many entries are read at once. More could not be had in time: one costs a tenth of a millisecond of this process.
READING_MAX = 256
# Longer than the store's own limit, and there for one that has none.
READ_S = 2.0
# How near to now a purge's bound is where it means all that was stored until now.
NOW_S = 1.0


class Shared:
    """`seals` gives the seal of a space by the space's digest, `name` digests a word with a key, in hexadecimal.

    Entries longer than `compress_above` bytes are compressed. `now` is in seconds since the epoch. Belongs to one event
    loop. Failures are counted in `shared_failures` by `reason`: of reading `busy`, `corrupt`, `expired`, `future`, `store`
    and `timeout`, of writing `closed`, `full`, `long` and `write`.
    """

    def __init__(
        self,
        store: Store,
        seals: Callable[[str], Seal],
        name: Callable[[str], str],
        *,
        timeout_ms: int,
        compress_above: int,
        metrics: Metrics,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._spaces = Spaces(seals, name)
        self._timeout_s = timeout_ms / 1000
        self._metrics = metrics
        self._now = now
        self._writer = Writer(store, compress_above=compress_above, now=now, failed=self._failed)
        self._purged = Purged(now)
        self._failures: Counter[str] = Counter()
        # By name: who asks for the same entry meanwhile waits for the same answer.
        self._reading: dict[str, asyncio.Task[Entry | None]] = {}
        self._closed = False

    async def get(self, space: str, key: bytes) -> Entry | None:
        """The entry, which may still be given. Never raises for a store that fails, nor waits longer than policy says.

        One that cannot be used is removed from the store.
        """
        place = self._spaces.of(space)
        name = place.name(key)
        reading = self._reading.get(name)
        if reading is None:
            if self._closed:
                return None
            if len(self._reading) >= READING_MAX:
                self._failed("busy")
                return None
            reading = self._reading[name] = asyncio.create_task(self._read(place, name))
        # One that takes too long goes on, so that its connection stays whole and the store learns how it fares.
        await asyncio.wait({reading}, timeout=self._timeout_s)
        if not reading.done():
            self._failed("timeout")
            return None
        entry = None if reading.cancelled() else reading.result()
        if entry is None or not self._usable(name, entry):
            return None
        return entry

    def put(self, space: str, key: bytes, entry: Entry) -> None:
        """Have an entry written in the background. What was purged since it was stored is not."""
        if self._purged.bars(entry.tenant, entry.subject, entry.stored_at):
            return
        lives_s = min(entry.ttl_s, entry.stored_at + entry.ttl_s - self._now())
        if not 0 < lives_s < math.inf:
            return
        place = self._spaces.of(space)
        name = place.name(key)
        data = packed(entry)
        if len(data) > PACKED_BYTES_MAX:
            self._failed("long")
            self._writer.drop(name)
            return
        whose = entry.tenant, entry.subject, entry.stored_at
        ends_at = self._now() + lives_s
        self._writer.put(Row(name, 0, *whose, ends_at, self._spaces.whose(*whose), data, place.seal))

    async def flush(self) -> None:
        """Wait until everything that was put before has been written, or could not be."""
        await self._writer.flush()

    async def purge(self, purge: Purge) -> int:
        """Remove what a purge takes, and keep what was stored before it from coming back; how many entries went.

        Goes through the names of all that the store holds, and reads the heads of what may be taken. Error: `StoreError`
        where something may be left.
        """
        self._purged.add(purge)
        gone = await self._writer.purge(purge)
        all_times = purge.before >= self._now() - NOW_S
        return gone + await sweep(self._store, self._spaces, purge, all_times=all_times)

    async def forget(self, purge: Purge) -> int:
        """`purge` for a process that is told of what another one has just purged: only what it wrote itself may be left.

        Error: `StoreError` where something may be left.
        """
        self._purged.add(purge)
        gone = await self._writer.purge(purge)
        lately = self._writer.lately(purge)
        if lately is None:
            return gone + await self.purge(purge)
        await self._store.together([Drop(name) for name in lately])
        return gone + len(lately)

    async def stats(self) -> Mapping[str, Any]:
        """Whether the store answers now, what waits to be written, and failures by reason since this process began."""
        reachable = True
        try:
            async with asyncio.timeout(READ_S):
                with contextlib.suppress(ValueError):  # whatever stands there, it has answered
                    await self._store.get("reachable")
        except (StoreError, TimeoutError):
            reachable = False
        return {
            "reachable": reachable,
            "queue": self._writer.rows,
            "queue_bytes": self._writer.bytes,
            "failures": dict(sorted(self._failures.items())),
        }

    async def close(self) -> None:
        """Write what waits, as far as that takes a few seconds at most, and end everything that is under way."""
        self._closed = True
        try:
            await self._writer.close()
        finally:
            reading = set(self._reading.values())
            for task in reading:
                task.cancel()
            if reading:
                await asyncio.wait(reading)

    async def _read(self, place: Space, name: str) -> Entry | None:
        """What stands in the store, or None. Raises nothing."""
        try:
            async with asyncio.timeout(READ_S):
                value = await self._store.get(name)
            if value is None:
                return None
            return await opened(place.seal, name, value)
        except ValueError:
            self._failed("corrupt")
            self._writer.drop(name)
        except Exception:  # whatever a store raises: a cache that cannot be asked is empty
            self._failed("store")
        finally:
            del self._reading[name]
        return None

    def _usable(self, name: str, entry: Entry) -> bool:
        """Whether an entry may be given now."""
        now = self._now()
        if entry.fresh(now):
            if not self._purged.takes(entry.tenant, entry.subject, entry.stored_at):
                return True
            self._writer.drop(name)
        elif entry.stored_at > now:
            # Of a machine whose clock is ahead, or this one's went back: its time comes.
            self._failed("future")
        else:
            self._failed("expired")
            self._writer.drop(name)
        return False

    def _failed(self, reason: str, amount: int = 1) -> None:
        self._failures[reason] += amount
        self._metrics.count("shared_failures", amount, reason=reason)
