"""How many exchanges of a key are under way.

A slot is a count in the bucket of the quarter of an hour it was taken in; this and the previous bucket count. So slots of
a worker that died are forgotten after half an hour at the latest, and so is an exchange that takes longer than that.
"""

from __future__ import annotations

from yumen import Store

BUCKET_S = 900
BUCKET_TTL_S = 2 * BUCKET_S + 10


class Slots:
    """Gives out at most `limit` slots to each key at a time."""

    def __init__(self, store: Store, limit: int) -> None:
        self.limit = limit
        self._store = store

    async def take(self, who: str, now: float) -> str | None:
        """A slot, to be handed to `give_back`, or None where all are taken. `now` is in seconds since the epoch."""
        index = int(now // BUCKET_S)
        slot = f"concurrent:{who}:{index}"
        # What may fail comes first: a slot that is taken is given back. Nobody takes one of the bucket before any more.
        before = int(await self._store.get(f"concurrent:{who}:{index - 1}") or 0)
        taken = await self._store.add(slot, 1, BUCKET_TTL_S)
        if taken + before <= self.limit:
            return slot
        await self.give_back(slot, now)
        return None

    async def give_back(self, slot: str, now: float) -> None:
        """Free a slot."""
        index = int(slot.rpartition(":")[2])
        if now >= (index + 2) * BUCKET_S:
            return  # its bucket is gone already
        if await self._store.add(slot, -1, BUCKET_TTL_S) < 0:
            # The store had lost the counter; a negative one would let somebody in who should wait.
            await self._store.add(slot, 1, BUCKET_TTL_S)
