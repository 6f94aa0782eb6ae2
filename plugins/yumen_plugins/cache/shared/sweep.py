"""Removes what a purge takes from the store.

There is no list of a subject's entries that it could trust: a store that is full forgets keys as it likes, and whoever can
write there could shorten a list. So the head of every entry that may be of the subject is read, many at a time.
"""

from __future__ import annotations

from collections.abc import Callable

from yumen import Drop, Store
from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.shared.envelope import HEAD_BYTES, OWN, SHARED, TENANT, Spaces

# So many heads are read, and so many entries dropped, in one round trip.
TOGETHER = 250


async def sweep(store: Store, spaces: Spaces, purge: Purge, *, all_times: bool) -> int:
    """Remove what a purge takes; how many entries went. Error: `StoreError` where something may be left.

    `all_times`: its bound is now, so that what need not be read to know whose it is goes unread.
    """
    own = spaces.of(TENANT + purge.tenant).prefix if purge.tenant else OWN
    takes = spaces.taker(purge)
    unread = all_times and not purge.subject
    gone = await _remove(store, own, None if unread else takes)
    return gone + await _remove(store, SHARED, None if unread and not purge.tenant else takes)


async def _remove(store: Store, prefix: str, takes: Callable[[str, bytes], bool] | None) -> int:
    """Remove those of the names that begin so which are taken; all of them where nothing tells."""
    gone = 0
    names: list[str] = []
    async for name in store.keys(prefix):
        names.append(name)
        if len(names) == TOGETHER:
            gone += await _drop(store, names, takes)
            names.clear()
    return gone + await _drop(store, names, takes)


async def _drop(store: Store, names: list[str], takes: Callable[[str, bytes], bool] | None) -> int:
    if takes is not None:
        heads = await store.peek(names, HEAD_BYTES)
        names = [name for name, head in zip(names, heads, strict=True) if head and takes(name, head)]
    if names:
        await store.together([Drop(name) for name in names])
    return len(names)
