"""Which entry of a tenant goes first: S3-FIFO.

Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023. New entries go through a small
queue; those that were asked for in there move to the main one, the others go, and their keys are remembered for a while: a
key that comes back goes into the main queue at once. So what is asked for once, and scans, never reach the main queue, and a
hit moves nothing, it only counts.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator
from itertools import chain

import msgspec

# Share of a tenant's bytes that the small queue may take: half of what the paper has, and better on all traces of the bench.
SMALL_SHARE = 0.05
# Hits that count, as in the paper.
USED_MAX = 3
HASH_MASK = (1 << 64) - 1
GHOSTS_MIN = 64
HUSKS_MIN = 16
# So many used entries in a row are spared; then one goes all the same, so that no eviction has to pass them all.
SPARED_MAX = 100
# What an entry costs beside its own bytes: the node, its numbers, the heads of three byte strings, its slots in a queue and
# in the table of all entries, which takes 60 bytes just after it has grown. A test measures that it is enough.
NODE_BYTES = 328
# At least so much is counted, which covers keys of 32 and subjects of 16 bytes.
ENTRY_BYTES_MIN = 376
# A node that has gone and still stands in a queue.
HUSK_BYTES = 112
# A tenant without entries: two queues, their first blocks, the table of ghosts.
TENANT_BYTES = 3072

SMALL, MAIN, GONE = 0, 1, 2


class Node(msgspec.Struct, gc=False):
    """One entry, packed. It holds nothing that holds others, so the garbage collector is spared hundred thousands of them.

    `used` counts hits; `place` is the queue that it stands in, or GONE.
    """

    key: bytes
    data: bytes
    tenant: str
    subject: bytes | str
    policy: str
    stored_at: float
    ttl_s: float
    used: int = 0
    place: int = SMALL

    def fresh(self, now: float) -> bool:
        """As `Entry.fresh`: neither too old, nor from a future that the clock has gone back from."""
        return self.stored_at - 1 <= now < self.stored_at + self.ttl_s

    def cost(self) -> int:
        """Bytes of memory, with all that it costs to hold it."""
        return len(self.data) + max(ENTRY_BYTES_MIN, NODE_BYTES + len(self.key) + len(self.subject))


class Queues:
    """The entries of one tenant, in the order in which they go. `bytes` is all that they cost."""

    __slots__ = ("_ghosts", "_husks", "_main", "_small", "_small_bytes", "bytes", "count", "ranked", "tenant")

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.bytes = TENANT_BYTES
        self.count = 0
        # For `Largest`.
        self.ranked = 0
        self._small: deque[Node] = deque()
        self._main: deque[Node] = deque()
        self._small_bytes = 0
        self._husks = 0
        self._ghosts = _Ghosts()

    def nodes(self) -> Iterator[Node]:
        """All entries, in no order."""
        return (node for node in chain(self._small, self._main) if node.place != GONE)

    def add(self, node: Node) -> None:
        """Take a new entry in."""
        cost = node.cost()
        self.count += 1
        self.bytes += cost + self._ghosts.fit(self.count)
        if self._ghosts.take(node.key):
            node.place = MAIN
            self._main.append(node)
        else:
            self._small.append(node)
            self._small_bytes += cost

    def remove(self, node: Node) -> None:
        """Let go of an entry wherever it stands. Its empty node stays there until there are more such than others."""
        self._ghosts.add(node.key)
        self._leave(node)
        node.stored_at = node.ttl_s = 0.0
        node.key = node.data = node.subject = b""
        self.bytes += HUSK_BYTES
        self._husks += 1
        if self._husks > self.count + HUSKS_MIN:
            self._small = deque(one for one in self._small if one.place != GONE)
            self._main = deque(one for one in self._main if one.place != GONE)
            self.bytes -= HUSK_BYTES * self._husks
            self._husks = 0

    def evict(self, now: float) -> Node:
        """Let go of the entry that is worth least at a moment; there must be one."""
        spared = 0
        while True:
            small = bool(self._small) and (not self._main or self._small_bytes >= SMALL_SHARE * self.bytes)
            node = (self._small if small else self._main).popleft()
            if node.place == GONE:
                self._husks -= 1
                self.bytes -= HUSK_BYTES
            elif node.used and spared < SPARED_MAX and node.fresh(now):
                spared += 1
                self._keep(node)
            else:
                if small:
                    self._ghosts.add(node.key)
                self._leave(node)
                return node

    def _keep(self, node: Node) -> None:
        """Move an entry that was used to the end of the main queue: from the small one as new, else with one use less."""
        if node.place == SMALL:
            self._small_bytes -= node.cost()
            node.place = MAIN
            node.used = 0
        else:
            node.used -= 1
        self._main.append(node)

    def _leave(self, node: Node) -> None:
        cost = node.cost()
        self.count -= 1
        self.bytes -= cost
        if node.place == SMALL:
            self._small_bytes -= cost
        node.place = GONE


class _Ghosts:
    """Keys that went not long ago, about as many as there are entries, by hash: of two in one place the newer counts.

    A table, as the paper proposes for its third queue. Python's hash of bytes is keyed anew in each process, so nobody can
    choose whom he drives out.
    """

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * GHOSTS_MIN))

    def fit(self, count: int) -> int:
        """Make room for so many, or give room back; by how many bytes that changed the size."""
        size = len(self._slots)
        if size >= count and (size == GHOSTS_MIN or count * 8 >= size):
            return 0
        new = max(GHOSTS_MIN, 2 * size if size < count else size // 4)
        slots = array("Q", bytes(8 * new))
        for one in filter(None, self._slots):
            slots[one & (new - 1)] = one
        self._slots = slots
        return 8 * (new - size)

    def add(self, key: bytes) -> None:
        """Remember a key that has gone."""
        one = hash(key) & HASH_MASK
        self._slots[one & (len(self._slots) - 1)] = one

    def take(self, key: bytes) -> bool:
        """Whether a key is remembered; it no longer is."""
        one = hash(key) & HASH_MASK
        slot = one & (len(self._slots) - 1)
        if self._slots[slot] != one:
            return False
        self._slots[slot] = 0
        return True
