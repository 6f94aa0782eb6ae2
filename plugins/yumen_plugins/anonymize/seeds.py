"""What a vault can be opened with beside the gateway's secret, and what is thrown away when somebody is to be forgotten.

A seed belongs to a tenant, or to one subject of it. It is random and stands in the store alone; the keys of what is kept are
made from it. Without it, batches that are still there are found by nobody and open for nobody, whoever has the secret: so
one deletion forgets however much was kept, and an exchange that is under way meanwhile cannot bring any of it back.

A seed is the first of a list of

    moment at which the list ends, in seconds since the epoch (8 bytes, the highest first) | 16 random bytes

so that of several that are made at once all take the same. What is appended later lets the list live on.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from functools import lru_cache

from yumen import Hmac, Store

RANDOM_BYTES, MOMENT_BYTES, KEY_DIGEST_BYTES = 16, 8, 16
# How much longer a list lives than what is kept under its seed, at least, and how often that can be put off: for years.
SLACK_S, ITEMS_MAX = 7 * 86_400, 512
NAMES_MAX = 4096


class Seeds:
    """The seeds in one store. `key_of` is a tenant's key, `ttl_s` how long what is kept lives; `now` is since the epoch."""

    def __init__(self, store: Store, key_of: Callable[[str], bytes], ttl_s: int, now: Callable[[], float]) -> None:
        self._store = store
        self._key_of = key_of
        self._ttl_s = ttl_s
        self._slack_s = max(SLACK_S, ttl_s)
        self._now = now
        # Making a name costs as much as reading what stands under it, in memory.
        self._key = lru_cache(NAMES_MAX)(self._named)

    async def find(self, tenant: str, subject: str) -> bytes | None:
        """The seed of a tenant, and of a subject unless that is empty, as one; None where nothing can have been kept."""
        lists = await self._lists(self._keys(tenant, subject))
        return _joined([items[0] for items in lists if items]) if all(lists) else None

    async def make(self, tenant: str, subject: str) -> bytes:
        """The same; what is not there is made, and what ends too soon lives on."""
        keys = self._keys(tenant, subject)
        lists = await self._lists(keys)
        seeds = [await self._living(key, items) for key, items in zip(keys, lists, strict=True)]
        return _joined(seeds)

    async def forget(self, tenant: str, subject: str) -> bool:
        """Throw a subject's seed away, or where that is empty the tenant's; whether there was one."""
        key = self._key(tenant, subject)
        there = bool(await items_of(self._store, key))
        await self._store.delete(key)
        return there

    async def _living(self, key: str, items: Sequence[bytes]) -> bytes:
        now = int(self._now())
        ends = int.from_bytes(items[-1][:MOMENT_BYTES], "big") if items else 0
        if items and ends >= now + self._ttl_s + self._slack_s // 2:
            return items[0]
        lives_s = self._ttl_s + self._slack_s
        fresh = (now + lives_s).to_bytes(MOMENT_BYTES, "big") + secrets.token_bytes(RANDOM_BYTES)
        await self._store.append(key, fresh, lives_s, ITEMS_MAX)
        # Read again: somebody else may have been first, or have thrown away what was there.
        items = await items_of(self._store, key)
        return items[0] if items else fresh

    async def _lists(self, keys: Sequence[str]) -> list[list[bytes]]:
        if self._store.shared and len(keys) > 1:
            return await asyncio.gather(*(items_of(self._store, key) for key in keys))
        return [await items_of(self._store, key) for key in keys]

    def _keys(self, tenant: str, subject: str) -> list[str]:
        return [self._key(tenant, ""), *([self._key(tenant, subject)] if subject else ())]

    def _named(self, tenant: str, subject: str) -> str:
        whose = f"seed\x00{tenant}\x00{subject}".encode("utf-8", "surrogatepass")
        return "vault-of:" + Hmac(self._key_of(tenant))(whose)[:KEY_DIGEST_BYTES].hex()


async def items_of(store: Store, key: str) -> list[bytes]:
    """The list at a key. What stands there and is none goes, or no exchange of those whose it is would pass any more."""
    try:
        return await store.items(key)
    except ValueError:
        await store.delete(key)
        return []


def _joined(seeds: Sequence[bytes]) -> bytes:
    return b"".join(len(seed).to_bytes(4, "big") + seed for seed in seeds)
