"""Single flight across processes, by way of the store that they share.

Who makes the call is settled by `take`: the owner of a key holds it for a few seconds at a time. The others read from a list
what the owner writes down of its call, and where the owner is gone, or fails, one of them takes the key. Where the store
cannot be reached, each process is on its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from yumen import Metrics, Store, StoreError
from yumen_plugins.cache.flights.flight import Flight
from yumen_plugins.cache.flights.owned import CLAIM_S, Owned
from yumen_plugins.cache.flights.parts import Parts
from yumen_plugins.cache.flights.theirs import Theirs, names_of
from yumen_plugins.cache.sealing import Seal

ResultT = TypeVar("ResultT")
OWNER = re.compile(rb"[0-9a-f]{32}")
# How many owners that said nothing are remembered.
SILENT_MAX = 1024


class Remote:
    """`seals` gives the seal of a space; `now` is in seconds since the epoch. Belongs to one event loop.

    A call waits for the store `timeout_s` at most, and is this process's own then.
    """

    def __init__(
        self,
        store: Store,
        seals: Callable[[str], Seal],
        *,
        now: Callable[[], float],
        metrics: Metrics,
        timeout_s: float = 0.1,
    ) -> None:
        self._store = store
        self._seals = seals
        self._now = now
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._tasks: set[asyncio.Task[Any]] = set()
        # Owners that said nothing, the first one first: whoever can write to the store may have made them up.
        self._silent: dict[bytes, None] = {}

    async def board(self, space: str, key: bytes, flight: Flight, *, streamed: bool) -> Theirs | None:
        """The call that another process makes for a key; None where this one is to make it, which others hear of then."""
        owner = secrets.token_hex(16).encode()
        claimed_at = time.monotonic()
        # One that takes too long goes on, so that its connection stays whole and the store learns how it fares.
        claiming = self._spawn(self._claim(key, owner))
        try:
            await asyncio.wait({claiming}, timeout=self._timeout_s)
        except asyncio.CancelledError:
            self._spawn(self._release(claiming, key, owner))
            raise
        if not claiming.done():
            self._metrics.count("flights_unshared")
            self._spawn(self._release(claiming, key, owner))
            return None
        holder = claiming.result()
        if holder is None or holder in self._silent or not OWNER.fullmatch(holder):
            self._metrics.count("flights_unshared")
            return None
        names, parts = names_of(key, holder), Parts(self._seals(space), key, holder)
        if holder != owner:
            self._metrics.count("flights_foreign")
            return Theirs(self._store, names, holder, parts, self._now, self._is_silent)
        owned = Owned(self._store, names, owner, parts, self._now, flight, streamed=streamed, claimed_at=claimed_at)
        self._spawn(self._tell(owned))
        return None

    async def _claim(self, key: bytes, owner: bytes) -> bytes | None:
        """Who holds a key, after this process has tried to; None where that cannot be known."""
        claim = names_of(key, owner).claim
        try:
            for _ in range(2):  # it may be let go between the two questions
                if await self._store.take(claim, owner, CLAIM_S):
                    return owner
                holder = await self._store.get(claim)
                if holder is not None:
                    return holder
        except (StoreError, ValueError):
            pass
        return None

    async def _release(self, claiming: asyncio.Task[bytes | None], key: bytes, owner: bytes) -> None:
        """Let go of a key that came too late: nobody would be there."""
        claim = names_of(key, owner).claim
        with contextlib.suppress(StoreError, ValueError):  # then it lets go of itself
            if await claiming == owner and await self._store.get(claim) == owner:
                await self._store.delete(claim)

    async def _tell(self, owned: Owned) -> None:
        try:
            await owned.run()
        except (
            StoreError,
            ValueError,
        ):  # others see that nobody is there any more, and this process goes on without them
            self._metrics.count("flights_unshared")

    def _is_silent(self, owner: bytes) -> None:
        self._silent[owner] = None
        if len(self._silent) > SILENT_MAX:
            del self._silent[next(iter(self._silent))]

    def _spawn(self, work: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self, seconds: float) -> None:
        """Wait until others know that nobody is here any more, for so many seconds."""
        until = time.monotonic() + seconds
        while self._tasks:
            _, left = await asyncio.wait(set(self._tasks), timeout=max(0.0, until - time.monotonic()))
            for task in left:
                task.cancel()
