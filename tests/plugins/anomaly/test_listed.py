"""What somebody else has put among the firings hides none of them."""

from __future__ import annotations

from yumen.store.memory import MemoryStore
from yumen_plugins.anomaly import firings

FIRING = firings.Firing(
    at=1.0, rule="r", severity="low", action="flag", mode="enforce", exchange="e", tenant="租户", key="k", route="chat",
    facts={},
)  # fmt: skip
ODD = [b"", b"\xff\xfe", b"null", b'{"rule": "\xed\xa0\x80"}', b"[" * 100_000, b'{"at": 1e999}', b'{"at": "1"}']


async def test_lists_for_operators() -> None:
    """Operators see what was written, whatever lies between; where there is no list, nothing."""
    store = MemoryStore()
    for odd in ODD:
        await store.append(firings.LIST, odd, 60, 100)
        await firings.keep(store, [FIRING])
    assert [one["tenant"] for one in await firings.recent(store)] == ["租户"] * len(ODD)
    await store.delete(firings.LIST)
    await store.set(firings.LIST, b"no list", 60)
    assert await firings.recent(store) == []
