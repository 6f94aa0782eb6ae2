"""The part of the cache that each process keeps for itself."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from yumen_plugins.cache.entry import Entry, Purge, packed, unpacked
from yumen_plugins.cache.memory.fifo import TENANT_BYTES, USED_MAX, Node, Queues
from yumen_plugins.cache.memory.largest import Largest

__all__ = ["Memory"]

TENANTS_TOLD = 100
# Of the table of entries for each entry; a full one has 30 to 60.
TABLE_BYTES_MAX = 128


class Memory:
    """Entries by their key, packed, within so many bytes with all that they cost; it belongs to one event loop.

    What one tenant has depends on its own entries alone, as long as it is not the one that uses most: each has its own
    queues, none may fill more than `tenant_share` (of 1) of `bytes_max`, and where all of them together are too many, the
    largest gives way. `now` gives seconds since the epoch. Where that clock goes back, entries from its future are let go
    of: nobody could tell any more how old they are.
    """

    def __init__(self, bytes_max: int, tenant_share: float, *, now: Callable[[], float]) -> None:
        self._bytes_max = bytes_max
        self._tenant_share = tenant_share
        self._tenant_bytes_max = int(bytes_max * tenant_share)
        self._now = now
        self._bytes = 0
        self._nodes: dict[bytes, Node] = {}
        self._tenants: dict[str, Queues] = {}
        self._largest = Largest(self._tenants)
        self._evicted = 0
        self._expired = 0
        # Policy gives most entries one time to live: one number serves them all.
        self._ttl_s = 0.0

    def __len__(self) -> int:
        return len(self._nodes)

    def get(self, key: bytes, *, events: bool = True) -> Entry | None:
        """What is kept under a key, while it is fresh.

        Without `events` an entry that was given as a stream lacks its events, which take longer to unpack than all the rest:
        enough for a plain reply, and not to be kept elsewhere.
        """
        node = self._nodes.get(key)
        if node is None:
            return None
        if not node.fresh(self._now()):
            self._expired += 1
            self._remove(node)
            return None
        if node.used < USED_MAX:
            node.used += 1
        return unpacked(node.data, events=events)

    def put(self, key: bytes, entry: Entry) -> bool:
        """Keep an entry in place of what stood under its key; whether it is kept.

        It is not where it is stale, too long for its tenant, or long and asked for once only.
        """
        self.drop(key)
        if entry.ttl_s != self._ttl_s:
            self._ttl_s = entry.ttl_s
        tenant, policy = sys.intern(entry.tenant), sys.intern(entry.policy)
        # A copy, since what msgspec makes keeps the room that it was made in, up to twice as much as it fills.
        data = bytes(memoryview(packed(entry)))
        node = Node(key, data, tenant, _short(entry.subject), policy, entry.stored_at, self._ttl_s)
        now = self._now()
        if not node.fresh(now) or TENANT_BYTES + node.cost() > self._tenant_bytes_max:
            return False
        queues = self._tenants.get(tenant)
        if queues is None:
            queues = self._tenants[tenant] = Queues(tenant)
            self._bytes += queues.bytes
        self._nodes[key] = node
        before = queues.bytes
        queues.add(node)
        self._bytes += queues.bytes - before
        self._largest.grew(queues)
        while queues.count and queues.bytes > self._tenant_bytes_max:
            self._evict(queues, now)
        while self._bytes > self._bytes_max:
            self._evict(self._largest.first(), now)
        self._shrink_table()
        return self._nodes.get(key) is node

    def drop(self, key: bytes) -> bool:
        """Let go of one entry; whether there was one."""
        node = self._nodes.get(key)
        if node is not None:
            self._remove(node)
        return node is not None

    def purge(self, purge: Purge) -> int:
        """Let go of what a purge takes; how many those were. It looks at every entry of the tenant, or of all."""
        nodes: Iterable[Node] = self._nodes.values()
        if purge.tenant:
            queues = self._tenants.get(purge.tenant)
            nodes = queues.nodes() if queues else ()
        return self._remove_all(node for node in nodes if purge.takes(node.tenant, _long(node.subject), node.stored_at))

    def only(self, policies: Collection[str]) -> int:
        """Let go of entries that were made under any other policy; how many those were."""
        return self._remove_all(node for node in self._nodes.values() if node.policy not in policies)

    def stats(self) -> Mapping[str, Any]:
        """How much is kept, what went since the start and why, and how much the largest tenants have."""
        largest = heapq.nlargest(TENANTS_TOLD, self._tenants.values(), key=lambda one: one.bytes)
        return {
            "entries": len(self._nodes),
            "bytes": self._bytes,
            "bytes_max": self._bytes_max,
            "evicted": self._evicted,
            "expired": self._expired,
            "tenants": {one.tenant: {"entries": one.count, "bytes": one.bytes} for one in largest},
        }

    def hottest(self, bytes_max: int) -> Iterator[tuple[bytes, bytes]]:
        """Keys and packed entries, the most useful ones first, of at most so many bytes.

        No tenant fills more than its share of those, either. They are those of this moment, and may be taken in another
        thread: what is let go of meanwhile is passed over.
        """
        nodes = sorted(self._nodes.values(), key=lambda one: (one.place, one.used, one.stored_at), reverse=True)
        of_tenant = dict.fromkeys(self._tenants, bytes_max * self._tenant_share)
        return _within(nodes, self._now(), bytes_max, of_tenant)

    def _remove(self, node: Node) -> None:
        del self._nodes[node.key]
        queues = self._tenants[node.tenant]
        before = queues.bytes
        queues.remove(node)
        self._bytes += queues.bytes - before
        self._close_empty(queues)

    def _remove_all(self, nodes: Iterable[Node]) -> int:
        going = list(nodes)
        for node in going:
            self._remove(node)
        self._shrink_table()
        return len(going)

    def _evict(self, queues: Queues, now: float) -> None:
        before = queues.bytes
        node = queues.evict(now)
        del self._nodes[node.key]
        self._bytes += queues.bytes - before
        if node.fresh(now):
            self._evicted += 1
        else:
            self._expired += 1
        self._close_empty(queues)

    def _close_empty(self, queues: Queues) -> None:
        if not queues.count:
            del self._tenants[queues.tenant]
            self._bytes -= queues.bytes

    def _shrink_table(self) -> None:
        """A table does not shrink as entries leave: make a new one where it has room for many more than there are."""
        if sys.getsizeof(self._nodes) > TABLE_BYTES_MAX * len(self._nodes) + 8192:
            self._nodes = dict(self._nodes.items())


def _within(nodes: list[Node], now: float, left: float, of_tenant: dict[str, float]) -> Iterator[tuple[bytes, bytes]]:
    """The entries that fit into what is left of all bytes and of those of their tenant."""
    for node in nodes:
        # One that was removed has lost its time first, so what is read here is whole where it is fresh afterwards.
        key, data = node.key, node.data
        size = len(key) + len(data)
        if node.fresh(now) and size <= min(left, of_tenant[node.tenant]):
            left -= size
            of_tenant[node.tenant] -= size
            yield key, data


def _short(subject: str) -> bytes | str:
    """A subject in half as many bytes, which 32 hexadecimal digits usually are; anything else as it is."""
    try:
        short = bytes.fromhex(subject)
    except ValueError:
        return subject
    return short if short.hex() == subject else subject


def _long(subject: bytes | str) -> str:
    return subject.hex() if isinstance(subject, bytes) else subject
