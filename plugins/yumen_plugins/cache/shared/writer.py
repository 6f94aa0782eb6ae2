"""Writes entries to the store in the background, in batches. What waits is bounded, and what does not fit is not kept.

Nothing is tried twice: an entry that could not be written is asked of the engine again, which is all that a cache owes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from yumen import Change, Drop, Put, Store
from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.sealing import Seal
from yumen_plugins.cache.shared.envelope import SEALED_BYTES_MAX, THREAD_ABOVE, closed

ROWS_MAX, BYTES_MAX = 1_000, 32 << 20
# One round trip; a single entry may be larger.
BATCH_ROWS, BATCH_BYTES = 64, 1 << 20
# Longer than the store's own limit, and there for one that has none.
WRITE_S = 2.0
CLOSE_S = 3.0
# So many names are known that were written last.
WRITTEN_MAX = 8_192
# An entry is written at most so long after it was stored: a full queue against a store that fails as slowly as it may.
LATE_S = 30.0


class Row(NamedTuple):
    """An entry that waits, or, without a seal, a name that is to be dropped. Times are in seconds since the epoch."""

    name: str
    turn: int
    tenant: str = ""
    subject: str = ""
    stored_at: float = 0.0
    ends_at: float = 0.0
    whose: bytes = b""
    packed: bytes = b""
    seal: Seal | None = None


class Written(NamedTuple):
    """An entry that was written lately."""

    name: str
    tenant: str
    subject: str
    stored_at: float


class Writer:
    """`failed` counts what was not written, by reason: `closed`, `full`, `long`, `write`. Belongs to one event loop."""

    def __init__(
        self, store: Store, *, compress_above: int, now: Callable[[], float], failed: Callable[[str, int], None]
    ) -> None:
        self._store = store
        self._compress_above = compress_above
        self._now = now
        self._failed = failed
        self._rows: dict[str, Row] = {}
        self._bytes = 0
        self._turn = self._done = 0
        self._task: asyncio.Task[None] | None = None
        # Set and replaced whenever a batch has ended; there is one under way between `_take` and that.
        self._ended = asyncio.Event()
        self._under_way = False
        self._closed = False
        self._written: deque[Written] = deque(maxlen=WRITTEN_MAX)
        self._forgotten_at = 0.0

    @property
    def rows(self) -> int:
        """How many changes wait."""
        return len(self._rows)

    @property
    def bytes(self) -> int:
        """Bytes of the entries that wait."""
        return self._bytes

    def put(self, row: Row) -> None:
        """Write an entry soon. One that waits under the same name already is not written any more."""
        before = self._rows.get(row.name)
        size = self._bytes + len(row.packed) - (0 if before is None else len(before.packed))
        if self._closed:
            self._failed("closed", 1)
            return
        if size > BYTES_MAX or (before is None and len(self._rows) >= ROWS_MAX):
            self._failed("full", 1)
            return
        if before is None:
            self._turn += 1
        self._rows[row.name] = row._replace(turn=self._turn if before is None else before.turn)
        self._bytes = size
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_all())

    def drop(self, name: str) -> None:
        """Forget a name soon; what waits to be written under it is newer, and stays."""
        if name not in self._rows:
            self.put(Row(name, 0))

    async def purge(self, purge: Purge) -> int:
        """Drop what waits and is taken, and let what is being written end; how many rows were dropped."""
        taken = [
            row
            for row in self._rows.values()
            if row.seal is not None and purge.takes(row.tenant, row.subject, row.stored_at)
        ]
        for row in taken:
            self._bytes -= len(self._rows.pop(row.name).packed)
        if self._under_way:
            await self._ended.wait()
        return len(taken)

    def lately(self, purge: Purge) -> list[str] | None:
        """Names that this process has written last and a purge takes; None where it has written more than it knows."""
        if self._forgotten_at > min(purge.before, self._now()) - LATE_S:
            return None
        return [one.name for one in self._written if purge.takes(one.tenant, one.subject, one.stored_at)]

    async def flush(self) -> None:
        """Wait until all that waits now has been tried."""
        last = self._turn
        while self._done < last and self._task is not None and not self._task.done():
            await self._ended.wait()

    async def close(self) -> None:
        """Take nothing more, and write what waits, as far as that takes a few seconds at most."""
        self._closed = True
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.flush()
        except TimeoutError:
            self._failed("write", len(self._rows))
        finally:
            self._rows.clear()
            self._bytes = 0
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait({self._task})

    async def _write_all(self) -> None:
        try:
            while self._rows:
                batch = self._next()
                self._under_way = True
                try:
                    async with asyncio.timeout(WRITE_S):
                        await self._write(batch)
                except Exception:  # whatever a store raises: these are not kept, and the next ones are tried
                    self._failed("write", len(batch))
                finally:
                    self._under_way = False
                    self._done = batch[-1].turn
                    self._tell()
        finally:
            self._tell()

    def _tell(self) -> None:
        """Wake those who wait for the end of a batch."""
        self._ended.set()
        self._ended = asyncio.Event()

    def _next(self) -> list[Row]:
        batch: list[Row] = []
        size = 0
        for row in self._rows.values():
            size += len(row.packed)
            if batch and (len(batch) >= BATCH_ROWS or size > BATCH_BYTES):
                break
            batch.append(row)
        for row in batch:
            del self._rows[row.name]
            self._bytes -= len(row.packed)
        return batch

    async def _write(self, batch: list[Row]) -> None:
        if sum(len(row.packed) for row in batch) > THREAD_ABOVE:
            changes, long = await asyncio.to_thread(self._changes, batch)
        else:
            changes, long = self._changes(batch)
        if long:
            self._failed("long", long)
        # Before they are written: one whose answer got lost may be there.
        for row in batch:
            if row.seal is not None:
                if len(self._written) == WRITTEN_MAX:
                    self._forgotten_at = max(self._forgotten_at, self._written[0].stored_at)
                self._written.append(Written(row.name, row.tenant, row.subject, row.stored_at))
        await self._store.together(changes)

    def _changes(self, batch: list[Row]) -> tuple[list[Change], int]:
        """What a batch is for the store, and how many entries were too long for it."""
        changes: list[Change] = []
        long = 0
        now = self._now()
        for row in batch:
            left_s = row.ends_at - now
            if row.seal is None or left_s <= 0:
                changes.append(Drop(row.name))
                continue
            value = closed(row.seal, row.name, row.whose, row.packed, self._compress_above)
            if len(value) > SEALED_BYTES_MAX:
                long += 1
                changes.append(Drop(row.name))  # what it would have taken the place of
            else:
                changes.append(Put(row.name, value, left_s))
        return changes, long
