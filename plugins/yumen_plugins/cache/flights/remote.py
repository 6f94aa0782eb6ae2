"""Single flight across processes, by way of the store that they share.

Who makes the call is settled by `take`: the owner of a key holds it for a few seconds at a time. The others read from a list
what the owner writes down of its call, and where the owner is gone, or fails, one of them takes the key. Where the store
cannot be reached, each process is on its own.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from yumen import Store
from yumen.store import StoreError
from yumen_plugins.cache.flights.flight import Flight
from yumen_plugins.cache.flights.owned import CLAIM_S, Owned
from yumen_plugins.cache.flights.parts import Parts
from yumen_plugins.cache.flights.theirs import Theirs, names_of
from yumen_plugins.cache.sealing import Seal

OWNER = re.compile(rb"[0-9a-f]{32}")


class Metrics(Protocol):
    """The part of `yumen.plugin.Metrics` that is needed here."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...


class Remote:
    """`seals` gives the seal of a space; `now` is in seconds since the epoch."""

    def __init__(
        self, store: Store, seals: Callable[[str], Seal], *, now: Callable[[], float], metrics: Metrics
    ) -> None:
        self._store = store
        self._seals = seals
        self._now = now
        self._metrics = metrics
        self._tasks: set[asyncio.Task[None]] = set()

    async def board(self, space: str, key: bytes, flight: Flight, *, streamed: bool) -> Theirs | None:
        """The call that another process makes for a key; None where this one is to make it, which others hear of then."""
        owner = secrets.token_hex(16).encode()
        claimed_at = time.monotonic()
        try:
            holder = await self._claim(key, owner)
        except StoreError:
            self._metrics.count("flights_unshared")
            return None
        except asyncio.CancelledError:
            # The key may be held by now, and nobody would be there.
            self._spawn(self._release(key, owner))
            raise
        if not OWNER.fullmatch(holder):
            self._metrics.count("flights_unshared")
            return None
        names, parts = names_of(key, holder), Parts(self._seals(space), key, holder)
        if holder != owner:
            self._metrics.count("flights_foreign")
            return Theirs(self._store, names, holder, parts, self._now)
        owned = Owned(self._store, names, owner, parts, self._now, flight, streamed=streamed, claimed_at=claimed_at)
        self._spawn(owned.run())
        return None

    async def _claim(self, key: bytes, owner: bytes) -> bytes:
        """Who holds a key, after this process has tried to; empty where nobody could be found. Error: `StoreError`."""
        claim = names_of(key, owner).claim
        for _ in range(2):  # it may be let go between the two questions
            if await self._store.take(claim, owner, CLAIM_S):
                return owner
            holder = await self._store.get(claim)
            if holder is not None:
                return holder
        return b""

    async def _release(self, key: bytes, owner: bytes) -> None:
        claim = names_of(key, owner).claim
        if await self._store.get(claim) == owner:
            await self._store.delete(claim)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except (
            StoreError,
            ValueError,
        ):  # others see that nobody is there any more, and this process goes on without them
            self._metrics.count("flights_unshared")

    async def stop(self, seconds: float) -> None:
        """Wait until others know that nobody is here any more, for so many seconds."""
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=seconds)
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)
