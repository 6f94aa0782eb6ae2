"""A store that can be out of reach, as one on another machine can."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from yumen.parts import Clock
from yumen.state import Change, Counters, Entry, Reading, Scope, Store
from yumen.store import StoreError
from yumen.store.memory import MemoryStore


class Outage:
    """Whether the store can be reached."""

    def __init__(self) -> None:
        self.on = False

    def meet(self) -> None:
        """Error: `StoreError` while it cannot."""
        if self.on:
            raise StoreError("the test says so")


class OutageCounters:
    """See `yumen.state.Counters`."""

    def __init__(self, counters: Counters, outage: Outage) -> None:
        self._counters = counters
        self._outage = outage

    async def count(self, entries: Sequence[Entry]) -> list[tuple[Reading, ...]]:
        self._outage.meet()
        return await self._counters.count(entries)

    async def wait_s(self, scope: int, who: str, series: int, limit: float) -> int:
        self._outage.meet()
        return await self._counters.wait_s(scope, who, series, limit)


class OutageSpace:
    """See `yumen.state.Store`: a key space that cannot be reached during an outage."""

    def __init__(self, store: Store, outage: Outage, *, shared: bool) -> None:
        self.shared = shared
        self._store = store
        self._outage = outage

    async def get(self, key: str) -> bytes | None:
        self._outage.meet()
        return await self._store.get(key)

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        self._outage.meet()
        await self._store.set(key, value, ttl_s)

    async def delete(self, key: str) -> None:
        self._outage.meet()
        await self._store.delete(key)

    async def add(self, key: str, amount: int, ttl_s: float) -> int:
        self._outage.meet()
        return await self._store.add(key, amount, ttl_s)

    async def append(self, key: str, value: bytes, ttl_s: float, keep: int) -> None:
        self._outage.meet()
        await self._store.append(key, value, ttl_s, keep)

    async def items(self, key: str, start: int = 0) -> list[bytes]:
        self._outage.meet()
        return await self._store.items(key, start)

    async def take(self, key: str, value: bytes, ttl_s: float) -> bool:
        self._outage.meet()
        return await self._store.take(key, value, ttl_s)

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        self._outage.meet()
        async for key in self._store.keys(prefix):
            yield key

    async def peek(self, keys: Sequence[str], length: int) -> list[bytes]:
        self._outage.meet()
        return await self._store.peek(keys, length)

    async def together(self, changes: Sequence[Change]) -> None:
        self._outage.meet()
        await self._store.together(changes)

    def counters(self, name: str, scopes: Sequence[Scope]) -> Counters:
        return OutageCounters(self._store.counters(name, scopes), self._outage)


class OutageStore(MemoryStore):
    """The memory of a gateway whose key spaces can be out of reach: set `outage.on`."""

    def __init__(self, clock: Clock, *, shared: bool = False) -> None:
        super().__init__(clock.monotonic, now=clock.now)
        self.outage = Outage()
        self.shared = shared

    def namespaced(self, prefix: str) -> MemoryStore:
        """See `MemoryStore`."""
        # A Store is all it is.
        return OutageSpace(super().namespaced(prefix), self.outage, shared=self.shared)  # type: ignore[return-value]
