"""Writes to the store that no exchange waits for.

What is known only when an exchange has ended is counted behind it. In memory that takes no time; a store that is shared is
told in batches, so that an exchange costs one round trip.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from yumen import Counters, Entry, Host

BATCH_MAX = 256
# Beyond it the oldest are dropped, and counted.
WAITING_MAX = 10_000
PAUSE_S = 0.01
# How long stopping waits for what is left.
STOP_S = 2.0

Write = Callable[[], Awaitable[None]]


class Later:
    """`put` takes entries for the counters, `do` any other writing. `start` and `stop` belong to the plugin's own."""

    def __init__(self, host: Host, counters: Counters | None) -> None:
        self._host = host
        self._counters = counters
        self._waiting: list[Entry] = []
        self._writes: list[Write] = []
        self._due = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        if self._host.store.shared:
            self._task = asyncio.create_task(self._run())

    async def put(self, entries: list[Entry]) -> None:
        """Count entries, now or soon. Errors: those of a store that is not shared."""
        if not entries or self._counters is None:
            return
        if self._task is None:
            await self._counters.count(entries)
            return
        self._waiting += entries
        if len(self._waiting) > WAITING_MAX:
            self._lost("full", len(self._waiting) - WAITING_MAX)
            del self._waiting[:-WAITING_MAX]
        self._due.set()

    async def do(self, write: Write) -> None:
        """Write something else, now or soon. Errors: those of a store that is not shared."""
        if self._task is None:
            await write()
        elif len(self._writes) < WAITING_MAX:
            self._writes.append(write)
            self._due.set()
        else:
            self._lost("full", 1)

    async def stop(self) -> None:
        """Write what is left, if that does not take long."""
        task, self._task = self._task, None
        if task is None:
            return
        # It ends by itself: a cancellation can get lost in a client library, and then nobody would ever be done waiting.
        self._stopping = True
        self._due.set()
        await asyncio.wait({task}, timeout=STOP_S)
        if not task.done():
            self._lost("stopped", len(self._waiting) + len(self._writes))
            task.cancel()
            await asyncio.wait({task}, timeout=STOP_S)

    async def _run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            while self._waiting or self._writes:
                await self._write()
            if self._stopping:
                return
            await asyncio.sleep(PAUSE_S)

    async def _write(self) -> None:
        """One batch, and everything else that waits. What fails is lost: an addition may have been counted already."""
        batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
        counters = self._counters
        if batch and counters is not None:
            await self._try(lambda: counters.count(batch), len(batch))
        while self._writes:
            await self._try(self._writes.pop(0), 1)

    async def _try(self, write: Callable[[], Awaitable[object]], number: int) -> None:
        """Write. What fails, or is cut off, is lost and counted: an addition may have been counted already."""
        try:
            await write()
        except asyncio.CancelledError:
            self._lost("stopped", number)
            raise
        except Exception as error:  # whatever a store raises must not end the task
            self._lost("store", number)
            self._host.log.warning("anomaly_not_counted", error=type(error).__name__)

    def _lost(self, why: str, number: int) -> None:
        self._host.metrics.count("not_counted", number, why=why)
