"""Where entries are: in this process, and in the store that processes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from yumen_plugins.cache.entry import Entry, Purge
from yumen_plugins.cache.marks import Marks
from yumen_plugins.cache.memory import Memory
from yumen_plugins.cache.shared import Shared

# So long a process gives its own copy of an entry without looking whether another process has a newer one.
COPY_S = 30.0


class Found(NamedTuple):
    """An entry and its age in seconds; without an entry, why there is none that may be given: `absent` or `max-age`."""

    entry: Entry | None
    age_s: float = 0.0
    why: str = ""


class Tiers:
    """Both, the nearer one first. Without a shared one, what a process keeps is its own."""

    def __init__(self, memory: Memory, shared: Shared | None, marks: Marks | None, now: Callable[[], float]) -> None:
        self.memory = memory
        self._shared = shared
        self._marks = marks
        self._now = now

    async def get(self, space: str, key: bytes, max_age_s: float | None = None, *, events: bool = True) -> Found:
        """What is kept under a key; without `events`, enough for a plain reply.

        Never raises for a store that fails, and waits no longer than policy says.
        """
        entry = self.memory.get(key, events=events)
        if entry is not None and not self._purged(entry):
            found = self._found(entry, max_age_s)
            if found.entry is not None or self._shared is None:
                return found
        if self._shared is None:
            return Found(None, why="absent")
        # A copy that is too old for this caller may have been renewed by another process.
        entry = await self._shared.get(space, key)
        if entry is None or self._purged(entry):
            return Found(None, why="absent")
        self._copy(key, entry)
        return self._found(entry, max_age_s)

    async def put(self, space: str, key: bytes, entry: Entry, *, wait: bool = False) -> bool:
        """Keep an entry; whether it may be: a purge that came after its exchange began takes it too."""
        if self._purged(entry):
            return False
        if self._shared is None:
            self.memory.put(key, entry)
        else:
            self._copy(key, entry)
            self._shared.put(space, key, entry)
            if wait:
                await self._shared.flush()
        return True

    async def purge(self, purge: Purge) -> int:
        """Let go of what a purge takes, everywhere. Error: `StoreError` where something may be left."""
        here = self.memory.purge(purge)
        return here if self._shared is None else max(here, await self._shared.purge(purge))

    async def forget(self, purge: Purge) -> None:
        """Let go of what this process has, where another one purges.

        Error: `StoreError` where what it wrote of late may still be in the store.
        """
        self.memory.purge(purge)
        if self._shared is not None:
            await self._shared.forget(purge)

    async def stats(self) -> Mapping[str, Any]:
        """How much there is."""
        shared = None if self._shared is None else await self._shared.stats()
        return {"memory": self.memory.stats(), "shared": shared}

    async def close(self) -> None:
        """Write what still waits to be written."""
        if self._shared is not None:
            await self._shared.close()

    def _copy(self, key: bytes, entry: Entry) -> None:
        """Keep a copy of a shared entry in this process, for a while."""
        age = max(0.0, self._now() - entry.stored_at)
        self.memory.put(key, msgspec.structs.replace(entry, ttl_s=min(entry.ttl_s, age + COPY_S)))

    def _found(self, entry: Entry, max_age_s: float | None) -> Found:
        age = max(0.0, self._now() - entry.stored_at)
        if max_age_s is not None and age > max_age_s:
            return Found(None, age, "max-age")
        return Found(entry, age)

    def _purged(self, entry: Entry) -> bool:
        return self._marks is not None and self._marks.takes(entry.tenant, entry.subject, entry.stored_at)
