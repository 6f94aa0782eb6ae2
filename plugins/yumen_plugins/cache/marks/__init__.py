"""Purges hold in every process, on every machine with the same store, and for what is read from disk after a restart.

A purge removes what a process can reach. For everything else it leaves a mark, durably: entries that a mark takes are not
given, wherever they turn up. Marks stand in a file on this machine and, where the store is shared, in a list there.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from yumen import Store, StoreError
from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.marks.elsewhere import Elsewhere
from yumen_plugins.cache.marks.file import MarksFile
from yumen_plugins.cache.marks.table import Mark, Table
from yumen_plugins.cache.sealing import Seal

__all__ = ["Marks"]


class Marks:
    """`folder` is this instance's below the data directory; None keeps marks in memory. `now` is in seconds since the epoch.

    `store` is one that machines share, and `seal` for that list alone; without them marks are this machine's.
    """

    def __init__(
        self, folder: Path | None, *, now: Callable[[], float], store: Store | None = None, seal: Seal | None = None
    ) -> None:
        self._table = Table()
        self._now = now
        self._file = None if folder is None else MarksFile(folder, now)
        self._elsewhere = None if store is None or seal is None else Elsewhere(store, seal)
        self._turn = asyncio.Lock()
        # Where it is not known what was purged, nothing that is kept is given.
        self._blind = self._file is not None
        self._news: list[Mark] = []

    async def start(self) -> None:
        """Read what there is. Error: OSError where the file cannot be used; a store that does not answer is asked later."""
        if self._file is not None:
            await asyncio.to_thread(self._file.tidy)
        await self.new()

    async def add(self, purge: Purge, at: float) -> Purge:
        """Have a purge hold from now on; it holds in this process whatever comes of the rest.

        Returns it with the moment `at` (now, in seconds since the epoch) as its bound, where it had no earlier one.
        Errors: ValueError for a subject of no tenant; OSError where it may be gone after a restart; `StoreError` where other
        machines have not been told: they are, as soon as the store answers.
        """
        if purge.subject and not purge.tenant:
            raise ValueError("a subject is one of a tenant")
        if math.isnan(purge.before):
            raise ValueError("a purge ends at a moment")
        mark = Mark(purge.tenant, purge.subject, min(purge.before, at), at)
        marks = [mark, *self._table.add(mark)]
        try:
            async with self._turn:
                if self._file is not None:
                    await asyncio.to_thread(self._file.append, marks)
                if self._elsewhere is not None:
                    await self._elsewhere.tell(marks)
        except BaseException:
            if self._elsewhere is not None:
                self._elsewhere.forget()
            raise
        return mark.purge

    async def new(self) -> list[Purge]:
        """What others have purged since the last call; `takes` knows it already. To be called every half a second or so.

        Error: OSError where the file cannot be used. Where it cannot be read, `takes` takes everything until a call has.
        """
        async with self._turn:
            await self._look()
            if self._elsewhere is not None:
                # That it fails is counted where it is asked for entries, and the next call asks again.
                with contextlib.suppress(StoreError):
                    await self._listen(self._elsewhere)
            news, self._news = self._news, []
            return [mark.purge for mark in news]

    def takes(self, tenant: str, subject: str, stored_at: float) -> bool:
        """Whether a purge takes an entry that was stored at a moment, in seconds since the epoch."""
        return self._blind or self._table.takes(tenant, subject, stored_at)

    def stats(self) -> Mapping[str, Any]:
        """How many marks there are; whether the file can be read; how many items of the store were not ours."""
        refused = 0 if self._elsewhere is None else self._elsewhere.refused
        return {"marks": len(self._table), "readable": not self._blind, "refused": refused}

    async def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            await asyncio.to_thread(self._file.close)

    async def _look(self) -> None:
        """Read what other processes of this machine have purged."""
        file = self._file
        if file is None:
            return
        try:
            await asyncio.to_thread(file.look)
        except OSError:
            self._blind = True
            raise
        finally:
            self._take([file.found.popleft() for _ in range(len(file.found))])
        self._blind = False
        if file.untidy:
            await asyncio.to_thread(file.tidy)

    async def _listen(self, elsewhere: Elsewhere) -> None:
        """Read what other machines have purged, which is kept here as well: the store may lose it."""
        marks, whole = await elsewhere.read()
        news = self._take(marks)
        try:
            if news and self._file is not None:
                await asyncio.to_thread(self._file.append, news)
            if whole:
                there = Table()
                for mark in marks:
                    there.add(mark)
                await elsewhere.tell(mark for mark in [*self._table] if not there.covers(mark))
        except BaseException:
            elsewhere.forget()
            raise

    def _take(self, marks: Iterable[Mark]) -> list[Mark]:
        """Those of the marks that are news, which this process knows from now on."""
        news = []
        for mark in marks:
            if not self._table.covers(mark):
                self._table.add(mark)
                news.append(mark)
        self._news += news
        return news
