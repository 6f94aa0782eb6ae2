"""A store in the memory of one process: the default, and enough as long as there is one worker.

Every key space is bounded in entries and bytes. An entry ends when its time to live has passed, or when room is needed and
it is the one least recently used.
"""

from __future__ import annotations

import heapq
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import islice

from yumen.state import Change, Drop, Push, Put, Scope
from yumen.store.memory_counters import MemoryCounters, Table

ENTRIES_MAX = 100_000
BYTES_MAX = 64 * 1024 * 1024
# What the interpreter needs for an entry besides its key and value: measured with tracemalloc, rounded up.
ENTRY_BYTES = 400
# The same for an item of a list.
ITEM_BYTES = 60
OTHER_KIND = "this key holds something else"


class _Entry:
    __slots__ = ("expires", "size", "value")

    def __init__(self, value: bytes | int | deque[bytes], expires: float, size: int) -> None:
        self.value = value
        self.expires = expires
        self.size = size


class MemoryStore:
    """See `yumen.state.Store`. Belongs to one event loop.

    `entries_max` and `bytes_max` bound each key space by itself, so that a cache that fills its own cannot push a rate
    counter out of another. `monotonic` is a clock in seconds; with `now`, seconds since the epoch, the slices of counters'
    windows begin at the same times of day in every process, and so in a replay.
    """

    shared: bool = False

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        now: Callable[[], float] | None = None,
        entries_max: int = ENTRIES_MAX,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        self._monotonic = monotonic
        self._now = now
        self._shift_s: float | None = None
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._bytes = 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # least recently used first
        # What expires next, so that finding it needs no scan. An item may be stale: its entry gone, or written anew.
        self._ends: list[tuple[float, str]] = []
        self._spaces: dict[str, MemoryStore] = {}
        # By name of the counters and of the scope.
        self._tables: dict[str, dict[str, Table]] = {}
        # The newest of each name, so that its counts are there when it is asked for again.
        self._counters: dict[str, MemoryCounters] = {}

    def namespaced(self, prefix: str) -> MemoryStore:
        """The key space of this name; the same one whenever it is asked for."""
        space = self._spaces.get(prefix)
        if space is None:
            space = self._spaces[prefix] = MemoryStore(
                self._monotonic, now=self._now, entries_max=self._entries_max, bytes_max=self._bytes_max
            )
        return space

    def holding(self, value: bytes) -> list[str]:
        """The key spaces below this one in which some bytes stand, in a key or a value. For tests."""
        found = [name for name, space in self._spaces.items() if space._holds(value)]
        return [
            *found,
            *(f"{name}/{deeper}" for name, space in self._spaces.items() for deeper in space.holding(value)),
        ]

    def _holds(self, value: bytes) -> bool:
        kept = [(key.encode("utf-8", "replace"), entry.value) for key, entry in self._entries.items()]
        counted = [
            name.encode() for tables in self._tables.values() for table in tables.values() for name in table.names
        ]
        return any(value in key or value in _bytes(one) for key, one in kept) or any(value in name for name in counted)

    def clear(self) -> None:
        """Forget everything, in every key space."""
        self._entries.clear()
        self._ends.clear()
        self._bytes = 0
        self._shift_s = None
        for tables in self._tables.values():
            for table in tables.values():
                table.clear()
        for space in self._spaces.values():
            space.clear()

    async def get(self, key: str) -> bytes | None:
        """The value, or None. A counter reads as its decimal digits. Error: ValueError for a list."""
        entry = self._find(key)
        if entry is None:
            return None
        value = entry.value
        if isinstance(value, deque):
            raise ValueError(OTHER_KIND)
        return value if isinstance(value, bytes) else b"%d" % value

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value for so many seconds. One larger than the whole space is not kept. Error: ValueError."""
        self._put(key, bytes(value), ttl_s, len(value))

    async def delete(self, key: str) -> None:
        """Forget a key."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size

    async def add(self, key: str, amount: int, ttl_s: float) -> int:
        """Add to a counter, which lives `ttl_s` seconds from its first use. Error: ValueError where it is no number."""
        entry = self._find(key)
        if entry is None:
            self._put(key, amount, ttl_s, 0)
            return amount
        if isinstance(entry.value, deque):
            raise ValueError(OTHER_KIND)
        entry.value = total = int(entry.value) + amount
        return total

    async def append(self, key: str, value: bytes, ttl_s: float, keep: int) -> None:
        """See `yumen.state.Store`. What does not fit into the whole space is not kept. Error: ValueError."""
        check_keep(keep)
        check_ttl(ttl_s)
        entry = self._find(key)
        items = deque[bytes]() if entry is None else entry.value
        if not isinstance(items, deque):
            raise ValueError(OTHER_KIND)
        own = len(key) + ENTRY_BYTES
        size = own if entry is None else entry.size
        if own + len(value) + ITEM_BYTES <= self._bytes_max:
            items.append(bytes(value))
            size += len(value) + ITEM_BYTES
        while len(items) > keep or size > self._bytes_max:
            size -= len(items.popleft()) + ITEM_BYTES
        if items:
            self._put(key, items, ttl_s, size - own)

    async def items(self, key: str, start: int = 0) -> list[bytes]:
        """See `yumen.state.Store`. Error: ValueError where it is no list, or `start` is below 0."""
        check_start(start)
        entry = self._find(key)
        if entry is None:
            return []
        if not isinstance(entry.value, deque):
            raise ValueError(OTHER_KIND)
        return list(islice(entry.value, start, None))

    async def take(self, key: str, value: bytes, ttl_s: float) -> bool:
        """See `yumen.state.Store`. What does not fit into the whole space takes nothing. Error: ValueError."""
        check_ttl(ttl_s)
        if self._find(key) is not None:
            return False
        self._put(key, bytes(value), ttl_s, len(value))
        return key in self._entries

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        """See `yumen.state.Store`. Being told of does not count as use."""
        # A copy, since whoever asks may change the store between two of them.
        for key in [key for key in self._entries if key.startswith(prefix)]:
            entry = self._entries.get(key)
            if entry is not None and entry.expires > self._monotonic():
                yield key

    async def peek(self, keys: Sequence[str], length: int) -> list[bytes]:
        """See `yumen.state.Store`. It does not count as use. Error: ValueError where `length` is below 1."""
        check_length(length)
        return [self._start(self._entries.get(key), length) for key in keys]

    async def together(self, changes: Sequence[Change]) -> None:
        """See `yumen.state.Store`. One that cannot be made does not keep the others from it. Error: ValueError."""
        check_changes(changes)
        fault: ValueError | None = None
        for change in changes:
            try:
                match change:
                    case Put():
                        await self.set(*change)
                    case Push():
                        await self.append(*change)
                    case Drop():
                        await self.delete(*change)
            except ValueError as error:
                fault = fault or error
        if fault is not None:
            raise fault

    def counters(self, name: str, scopes: Sequence[Scope]) -> MemoryCounters:
        """See `yumen.state.Store`. They are bounded by the `keys_max` of each scope alone. Error: ValueError."""
        made = MemoryCounters(scopes, self._tables.setdefault(name, {}), self._moment)
        self._counters[name] = made
        return made

    def _start(self, entry: _Entry | None, length: int) -> bytes:
        if entry is None or entry.expires <= self._monotonic() or isinstance(entry.value, deque):
            return b""
        value = entry.value if isinstance(entry.value, bytes) else b"%d" % entry.value
        return value[:length]

    def _moment(self) -> float:
        """The monotonic clock, set once by the time of day, which may be set back and forth afterwards."""
        monotonic = self._monotonic()
        if self._shift_s is None:
            self._shift_s = self._now() - monotonic if self._now is not None else 0.0
        return monotonic + self._shift_s

    def _find(self, key: str) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires <= self._monotonic():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def _put(self, key: str, value: bytes | int | deque[bytes], ttl_s: float, value_bytes: int) -> None:
        check_ttl(ttl_s)
        now = self._monotonic()
        if key in self._entries:
            self._drop(key)
        self._expire(now)
        size = len(key) + value_bytes + ENTRY_BYTES
        if size > self._bytes_max:
            return
        while len(self._entries) >= self._entries_max or self._bytes + size > self._bytes_max:
            self._drop(next(iter(self._entries)))
        self._entries[key] = _Entry(value, now + ttl_s, size)
        self._bytes += size
        heapq.heappush(self._ends, (now + ttl_s, key))
        if len(self._ends) > 2 * len(self._entries) + 64:
            # Mostly stale: each rebuilding is paid for by as many writes since the last one.
            self._ends = [(entry.expires, name) for name, entry in self._entries.items()]
            heapq.heapify(self._ends)

    def _expire(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, key = heapq.heappop(self._ends)
            entry = self._entries.get(key)
            if entry is not None and entry.expires <= now:
                self._drop(key)

    def _drop(self, key: str) -> None:
        self._bytes -= self._entries.pop(key).size


def check_ttl(ttl_s: float) -> None:
    """Error: ValueError."""
    if not ttl_s > 0:
        raise ValueError("a time to live is a positive number of seconds")


def check_keep(keep: int) -> None:
    """Error: ValueError."""
    if keep < 1:
        raise ValueError("a list keeps at least one item")


def check_start(start: int) -> None:
    """Error: ValueError. Redis would count a number below 0 from the end."""
    if start < 0:
        raise ValueError("the place of an item is 0 or more")


def check_length(length: int) -> None:
    """Error: ValueError. Redis would count a number below 0 from the end."""
    if length < 1:
        raise ValueError("a length is at least 1")


def check_changes(changes: Sequence[Change]) -> None:
    """Error: ValueError, so that nothing is changed where one of them can be seen to be wrong."""
    for change in changes:
        if isinstance(change, Push):
            check_keep(change.keep)
        if not isinstance(change, Drop):
            check_ttl(change.ttl_s)


def _bytes(value: bytes | int | deque[bytes]) -> bytes:
    return b"" if isinstance(value, int) else value if isinstance(value, bytes) else b"".join(value)
