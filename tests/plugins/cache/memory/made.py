"""Entries, and a clock that stands still until it is moved."""

from __future__ import annotations

import hashlib

from yumen import Kept
from yumen_plugins.cache.entry import Entry
from yumen_plugins.cache.memory import Memory

NOW = 1_764_000_000.0
SUBJECTS = ("", "5f" * 16, "某人", "不是摘要 not a digest")


class Clock:
    """Seconds since the epoch."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def key(name: object) -> bytes:
    """As long as the keys of the cache are."""
    return hashlib.sha256(str(name).encode()).digest()[:24]


def entry(
    tenant: str = "acme",
    size: int = 100,
    *,
    subject: str = "",
    policy: str = "0123456789ab",
    stored_at: float = NOW,
    ttl_s: float = 3600.0,
    events: tuple[bytes, ...] = (),
) -> Entry:
    """One with a body of so many bytes."""
    return Entry(Kept(body=b"x" * size, events=events), tenant, subject, policy, stored_at, ttl_s)


def memory(bytes_max: int = 1 << 20, tenant_share: float = 0.5, clock: Clock | None = None) -> Memory:
    """An empty one."""
    return Memory(bytes_max, tenant_share, now=clock or Clock())
