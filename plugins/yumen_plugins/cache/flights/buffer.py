"""What a stream has given so far, and how far each of its readers has come."""

from __future__ import annotations

import asyncio
from typing import TypeAlias

from yumen import Delta, EngineError
from yumen_plugins.cache.flights.news import News

Item: TypeAlias = Delta | bytes

# So far the engine's stream is read ahead of the fastest reader.
AHEAD_BYTES = 64 << 10
# A reader may be so far behind, even where less is remembered.
BEHIND_BYTES = 4 * AHEAD_BYTES
# No item counts for less, so that many small ones are bounded too.
ITEM_BYTES = 64


class Place:
    """How far one reader has come: items, and bytes of them. `lost` where what comes next is not there any more."""

    __slots__ = ("at", "lost", "read")

    def __init__(self) -> None:
        self.at = 0
        self.read = 0
        self.lost = False


class Buffer:
    """Everything from the first item on, up to `bytes_max`.

    Beyond, it is `long`: it holds what somebody has still to read, `bytes_max` (at least `BEHIND_BYTES`) and a little more.
    A reader that falls further behind is lost; only for the leader the stream waits, so that the exchange whose call it is
    gets its reply as it would alone.
    """

    __slots__ = (
        "_behind_max", "_bytes_max", "_dropped", "_dropped_bytes", "_front", "_places", "_room", "_waiting", "items",
        "leader", "long", "total", "wholes",
    )  # fmt: skip

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._behind_max = max(bytes_max, BEHIND_BYTES)
        self.items: list[Item] = []
        self.total = 0
        self.long = False
        # How many items are not there any more, and their bytes.
        self._dropped = self._dropped_bytes = 0
        # Up to where the fastest reader has come, in bytes.
        self._front = 0
        self._places: set[Place] = set()
        self.leader: Place | None = None
        # How many wait for the whole, and so read as fast as it comes.
        self.wholes = 0
        self._room = News()
        self._waiting = False

    @property
    def count(self) -> int:
        """How many items there have been."""
        return self._dropped + len(self.items)

    def add(self, item: Item) -> None:
        """The next item."""
        self.items.append(item)
        self.total += size_of(item)
        if self.total > self._bytes_max:
            self.long = True
            if self.total - self._dropped_bytes > self._behind_max + AHEAD_BYTES:
                self._let_go()

    @property
    def full(self) -> bool:
        """Whether nothing more may come before somebody has read."""
        slowest = self.total if self.leader is None else self.leader.read
        return self.total - self._front >= AHEAD_BYTES or self.total - slowest >= self._behind_max

    async def room(self) -> None:
        """Wait until more may come."""
        while self.full:
            if self.wholes and not self.long and self._front < self.total:
                self._front = self.total
                await asyncio.sleep(0)
                continue
            self._waiting = True
            try:
                await self._room.wait()
            finally:
                self._waiting = False

    def _let_go(self) -> None:
        """Lose whoever is too far behind, and drop what all others have read."""
        for place in [one for one in self._places if self.total - one.read > self._behind_max]:
            if place is not self.leader:
                place.lost = True
                self._places.discard(place)
        read = min((place.at for place in self._places), default=self.count)
        del self.items[: read - self._dropped]
        self._dropped = read
        self._dropped_bytes = min((place.read for place in self._places), default=self.total)

    def enter(self, *, leader: bool = False) -> Place:
        """A new reader, at the first item."""
        place = Place()
        self._places.add(place)
        if leader:
            self.leader = place
        return place

    def leave(self, place: Place) -> None:
        """A reader goes; again, it does nothing."""
        self._places.discard(place)
        if place is self.leader:
            self.leader = None
        self._room.ring()

    def want_whole(self, more: int) -> None:
        """So many more, or less, wait for the whole."""
        self.wholes += more
        self._room.ring()

    def take(self, place: Place) -> Item | None:
        """The next item for a reader; None where there is none yet. Error: `EngineError` for one that is lost."""
        if place.lost:
            raise EngineError("the client reads too slowly to follow another exchange's stream")
        index = place.at - self._dropped
        if index >= len(self.items):
            return None
        item = self.items[index]
        place.at += 1
        place.read += size_of(item)
        if place.read > self._front:
            self._front = place.read
        if self._waiting:
            self._room.ring()
        return item


def size_of(item: Item) -> int:
    """Bytes that an item counts for; those of a text that is not ASCII as if each character took three."""
    size = len(item) if isinstance(item, bytes) else len(item.text) * (1 if item.text.isascii() else 3)
    return size if size > ITEM_BYTES else ITEM_BYTES
