"""The list of marks in the store that machines share.

Every item is sealed, so that whoever reads the store does not learn who was purged, and whoever writes there cannot purge.
He can delete the list; a machine that does not find again what it has read tells its own marks anew. What he puts in its
place that is no list goes, or nobody could be told of a purge any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import msgspec

from yumen import Drop, Push, Store, StoreError
from yumen_plugins.cache.marks.file import decode, encode
from yumen_plugins.cache.marks.table import KEPT_S, MARKS_MAX, Mark
from yumen_plugins.cache.sealing import Seal

KEY, PLACE = "purges", b"purges"
# More than there can be marks, so that what is told again does not push out what others have not read.
KEEP = 2 * MARKS_MAX
TOGETHER = 200


class Elsewhere:
    """What other machines have purged, and what they are told. Error: `yumen.store.StoreError`."""

    def __init__(self, store: Store, seal: Seal) -> None:
        self._store = store
        self._seal = seal
        self._seen = 0
        self._last = b""
        self._anew = False
        # Items that were not sealed by us, since the start.
        self.refused = 0

    async def read(self) -> tuple[list[Mark], bool]:
        """The marks that have come since the last call, and whether these are all that there are."""
        if self._anew:
            self._seen, self._anew = 0, False
        try:
            return await self._read()
        except ValueError:
            await self._make_room()
            return [], True

    async def _read(self) -> tuple[list[Mark], bool]:
        start = max(self._seen - 1, 0)
        items = await self._store.items(KEY, start)
        if self._seen and items and items[0] == self._last:
            new, whole, count = items[1:], False, start + len(items)
        else:
            # It was lost, or its oldest items have gone and the others moved up.
            if start:
                items = await self._store.items(KEY)
            count = len(items)
            at = _last_index(items, self._last) if self._seen else -1
            new, whole = items[at + 1 :], at < 0
        marks = await asyncio.to_thread(self._opened, new) if new else []
        self._seen, self._last = count, items[-1] if items else b""
        return marks, whole

    def forget(self) -> None:
        """Have the next call of `read` read everything: some of ours may be missing there."""
        self._anew = True

    async def tell(self, marks: Iterable[Mark]) -> None:
        """Add marks to the list."""
        sealed = [self._seal.sealed(encode(mark), PLACE) for mark in marks]
        for start in range(0, len(sealed), TOGETHER):
            changes = [Push(KEY, one, KEPT_S, KEEP) for one in sealed[start : start + TOGETHER]]
            try:
                await self._store.together(changes)
            except ValueError:
                await self._make_room()
                await self._again(changes)

    async def _again(self, changes: Sequence[Push]) -> None:
        try:
            await self._store.together(changes)
        except ValueError:
            raise StoreError("what stands in the place of the purges is no list") from None

    async def _make_room(self) -> None:
        """Something else stands where the list was: it goes, and what we know is told anew."""
        self.refused += 1
        self._seen, self._last, self._anew = 0, b"", True
        await self._store.together([Drop(KEY)])

    def _opened(self, items: Sequence[bytes]) -> list[Mark]:
        marks = []
        for item in items:
            try:
                marks.append(msgspec.structs.replace(decode(self._seal.opened(item, PLACE)), elsewhere=True))
            except (ValueError, msgspec.MsgspecError):
                self.refused += 1
        return marks


def _last_index(items: Sequence[bytes], wanted: bytes) -> int:
    """Where an item stands, looked for from the end; -1 where it does not."""
    return next((at for at in range(len(items) - 1, -1, -1) if items[at] == wanted), -1)
