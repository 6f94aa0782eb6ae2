"""Lists in the store, which operators look at and which decide nothing."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from yumen import Store

ItemT = TypeVar("ItemT", bound=msgspec.Struct)


async def listed(store: Store, name: str, kind: type[ItemT]) -> list[ItemT]:
    """The items of a list that are of a kind, the oldest first. Errors: those of a store that cannot be reached.

    Whoever else can write to a store that is shared may have put anything there: that hides nothing of what is ours.
    """
    try:
        items = await store.items(name)
    except ValueError:  # it is no list at all
        return []
    found = []
    for item in items:
        try:
            found.append(msgspec.json.decode(item, type=kind))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            continue
    return found
