"""A slot that nobody was given is not taken."""

from __future__ import annotations

import pytest

from yumen import StoreError
from yumen.store.memory import MemoryStore
from yumen_plugins.limits.slots import BUCKET_S, Slots


class Away(MemoryStore):
    """A store that tells nothing while it is away, and still counts."""

    away = False

    async def get(self, key: str) -> bytes | None:
        if self.away:
            raise StoreError("away")
        return await super().get(key)


async def test_a_store_that_fails_takes_no_slot() -> None:
    """Where the store fails while a slot is asked for, nobody waits half an hour for one that was never given."""
    store = Away()
    slots = Slots(store, 1)
    store.away = True
    with pytest.raises(StoreError):
        await slots.take("k", BUCKET_S)
    store.away = False
    await store.set("concurrent:k:0", b"\xff", 60)
    with pytest.raises(ValueError, match="invalid literal"):
        await slots.take("k", BUCKET_S)
    await store.delete("concurrent:k:0")
    assert await slots.take("k", BUCKET_S) is not None
    assert await slots.take("k", BUCKET_S) is None
