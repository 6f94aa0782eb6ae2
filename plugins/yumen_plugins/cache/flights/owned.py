"""A call of this process, told to others as it goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal

from yumen import Change, Drop, Push, Store
from yumen_plugins.cache.flights.buffer import Item, Place, size_of
from yumen_plugins.cache.flights.flight import Flight, size_of_whole
from yumen_plugins.cache.flights.parts import PART_BYTES_MAX, Parts, part_of
from yumen_plugins.cache.flights.theirs import CARE_S, Names

# A key is this process's so long, and is asked for again each `RENEW_S`; so often those who listen hear something.
CLAIM_S, RENEW_S = 3.0, 1.0
# How often items are written down while somebody listens, and how often it is looked whether somebody does.
WRITE_S, LOOK_S = 0.025, 0.1
# How long what is written stays after the last of it, and how many parts there are at most.
PARTS_S, PARTS_MAX = 10.0, 1 << 20
# How long the key is held after the reply was given, and then until what keeps it has written it where others look.
LAND_S, LINGER_S = 1.0, 0.25


class Owned:
    """Tells others of one flight, but only where somebody listens, who then counts as a follower.

    `claimed_at` is a `time.monotonic` moment. Stops with a `StoreError`; others see then that nobody is there any more.
    """

    def __init__(
        self, store: Store, names: Names, owner: bytes, parts: Parts, now: Callable[[], float],
        flight: Flight, *, streamed: bool, claimed_at: float,
    ) -> None:  # fmt: skip
        self._store = store
        self._names = names
        self._owner = owner
        self._parts = parts
        self._now = now
        self._flight = flight
        self._streamed = streamed
        self._ours_until = claimed_at + CLAIM_S
        self._renew_at = claimed_at + RENEW_S
        self._look_at = 0.0
        self._listened: Place | None = None
        # How many items and parts are written, and when the last one was.
        self._items = self._number = 0
        self._wrote_at = 0.0

    async def run(self) -> None:
        """Go along until nobody needs to be told any more. Error: `StoreError`."""
        flight = self._flight
        try:
            while not self._over:
                await asyncio.wait([flight.task], timeout=self._pause_s)
                if not self._over:
                    await self._along()
            if self._for_others:
                await self._end()
            else:
                await self._refuse()
        finally:
            await self._part()

    @property
    def _over(self) -> bool:
        return self._flight.over or self._flight.long

    @property
    def _pause_s(self) -> float:
        if self._listened is not None and self._streamed:
            return WRITE_S
        return LOOK_S if self._streamed else RENEW_S

    @property
    def _for_others(self) -> bool:
        flight = self._flight
        if flight.error is not None or flight.long or not flight.shareable:
            return False
        return flight.whole is None or size_of_whole(flight.whole) <= PART_BYTES_MAX

    async def _along(self) -> None:
        now = time.monotonic()
        if now >= self._renew_at:
            self._renew_at = now + RENEW_S
            await self._renew(now)
        if now >= self._look_at:
            await self._look(now)
        if self._listened is None:
            return
        await self._write()
        if now - self._wrote_at > RENEW_S:
            await self._push([], "")  # that somebody is here; and lest the list be forgotten while nothing comes

    async def _renew(self, now: float) -> None:
        """Hold the key; where another process has taken it meanwhile, both go on."""
        holder = await self._store.get(self._names.claim)
        if holder == self._owner:
            await self._store.set(self._names.claim, self._owner, CLAIM_S)
        elif holder is not None or not await self._store.take(self._names.claim, self._owner, CLAIM_S):
            return
        self._ours_until = now + CLAIM_S

    async def _look(self, now: float) -> None:
        listened = await self._store.get(self._names.listener) is not None
        self._look_at = now + (CARE_S if listened else LOOK_S)
        if listened and self._listened is None:
            self._listened = self._flight.join(whole=True)
        elif not listened:
            await self._part()

    async def _part(self) -> None:
        if self._listened is not None:
            place, self._listened = self._listened, None
            await self._flight.part(place, whole=True)

    async def _write(self) -> None:
        """Write down what has come since."""
        buffer = self._flight.buffer
        while not buffer.long and self._items < buffer.count:
            items, size = [], 0
            for item in buffer.items[self._items :]:
                items.append(item)
                size += size_of(item)
                if size >= PART_BYTES_MAX:
                    break
            self._items += len(items)
            await self._push(items, "")

    async def _push(self, items: list[Item], end: Literal["", "whole", "broken"]) -> None:
        change = self._pushed(items, end)
        await self._store.append(change.key, change.value, change.ttl_s, change.keep)

    def _pushed(self, items: list[Item], end: Literal["", "whole", "broken"]) -> Push:
        whole = self._flight.whole if end == "whole" else None
        sealed = self._parts.sealed(part_of(self._now(), items, whole, end), self._number)
        self._number += 1
        self._wrote_at = time.monotonic()
        return Push(self._names.parts, sealed, PARTS_S, PARTS_MAX)

    async def _end(self) -> None:
        """Give the whole to whoever listens by the time it lands. Whoever comes later finds it where it is kept."""
        listened = self._listened is not None
        if listened:
            await self._tell_end()
        until = time.monotonic() + LAND_S
        while not self._flight.landed and (left := until - time.monotonic()) > 0:
            await self._flight.news.wait(left)
        if not listened and await self._store.get(self._names.listener) is not None:
            await self._tell_end()
        await asyncio.sleep(LINGER_S)
        await self._store.together(self._let_go())

    async def _tell_end(self) -> None:
        await self._write()
        await self._push([], "whole")

    async def _refuse(self) -> None:
        """What came of the call is not for others, who may ask themselves at once."""
        await self._store.together([*self._let_go(), self._pushed([], "broken")])

    def _let_go(self) -> list[Change]:
        """Let go of the key, where it is still this process's."""
        ours = time.monotonic() < self._ours_until
        return [Drop(self._names.listener), *([Drop(self._names.claim)] if ours else [])]
