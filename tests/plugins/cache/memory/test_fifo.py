"""In which order entries go."""

from __future__ import annotations

import pytest
from tests.plugins.cache.memory.made import NOW, Clock, entry, key, memory
from tests.plugins.cache.memory.traces import KINDS, Lru, sizes, trace

from yumen_plugins.cache.entry import packed
from yumen_plugins.cache.memory.fifo import ENTRY_BYTES_MIN, HUSK_BYTES, SPARED_MAX, TENANT_BYTES, Node, Queues


def cost(size: int) -> int:
    """Of an entry with a body of so many bytes."""
    return len(packed(entry(size=size))) + ENTRY_BYTES_MIN


def node(name: object, data: bytes = b"x" * 100) -> Node:
    """One that was stored just now."""
    return Node(key(name), data, "acme", b"", "", NOW, 3600.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("exponent", "better"), [(0.7, 1.25), (0.9, 1.08), (1.1, 1.02)])
def test_more_is_found_than_with_lru(kind: str, exponent: float, better: float) -> None:
    """On the same requests and bytes its hit rate is above that of plain LRU, the more the flatter popularity is."""
    asked = trace(kind, exponent, 40_000, 5_000)
    costs = [cost(size // 10) for size in sizes(max(asked) + 1)]
    bytes_max = sum(costs[:5_000]) // 20
    here = memory(bytes_max, 1.0)
    entries = [entry(size=size // 10) for size in sizes(max(asked) + 1)]
    hits = 0
    for number in asked:
        if here.get(key(number), events=False) is None:
            here.put(key(number), entries[number])
        else:
            hits += 1
    assert hits >= better * Lru(bytes_max).hits(asked, costs)


def test_a_scan_takes_nothing_that_is_asked_for() -> None:
    """A thousand requests that nobody repeats leave what is in use where it is."""
    here = memory(200_000, 1.0)
    wanted = range(100)
    for _ in range(3):
        for number in wanted:
            if here.get(key(number)) is None:
                here.put(key(number), entry(size=1_000))
    for number in range(1_000, 2_000):
        here.put(key(number), entry(size=1_000))
    assert all(here.get(key(number)) is not None for number in wanted)


def test_what_comes_back_is_kept_at_once() -> None:
    """An entry that went from the small queue and is put again is not the next to go."""
    queues = Queues("acme")
    for number in range(40):
        queues.add(node(number))
    first = queues.evict(NOW)
    assert first.key == key(0)
    queues.add(node(0))
    assert [queues.evict(NOW).key for _ in range(39)] == [key(number) for number in range(1, 40)]
    assert queues.evict(NOW).key == key(0)
    assert queues.count == 0


def test_what_is_too_old_goes_before_what_is_used() -> None:
    """An entry whose time is over is not spared for its hits."""
    queues = Queues("acme")
    for number in range(3):
        one = node(number)
        one.used = 3
        one.ttl_s = 10.0 if number == 1 else 3600.0
        queues.add(one)
    assert queues.evict(NOW + 20).key == key(1)


def test_no_eviction_passes_everything() -> None:
    """However many entries are in use, an eviction looks at a bounded number of them."""
    queues = Queues("acme")
    nodes = [node(number) for number in range(5_000)]
    for one in nodes:
        one.used = 3
        queues.add(one)
    gone = queues.evict(NOW)
    assert gone is nodes[SPARED_MAX]
    assert sum(one.used == 3 for one in nodes) == len(nodes) - SPARED_MAX


def test_all_bytes_are_counted_back() -> None:
    """After entries were added, evicted and removed in any order, an empty tenant costs what it cost before."""
    queues = Queues("acme")
    for turn in range(3):
        nodes = [node((turn, number), b"x" * number) for number in range(50)]
        for one in nodes:
            queues.add(one)
        for one in nodes[::3]:
            queues.remove(one)
        while queues.count:
            queues.evict(NOW)
        # What still stands in the queues are the nodes of those that were removed.
        assert 0 <= queues.bytes - TENANT_BYTES <= 50 * HUSK_BYTES
    for number in range(100):
        one = node(number)
        queues.add(one)
        queues.remove(one)
    assert queues.bytes - TENANT_BYTES <= 17 * HUSK_BYTES


def test_renewing_an_entry_keeps_its_place() -> None:
    """What is in use and expires, or is put anew, comes back as something that was asked for, not as something new."""
    clock = Clock()
    here = memory(100_000, 1.0, clock)
    here.put(key("another"), entry(size=1_000))
    here.put(key("wanted"), entry(size=1_000, ttl_s=10))
    assert here.get(key("wanted")) is not None
    clock.now += 20
    assert here.get(key("wanted")) is None
    here.put(key("wanted"), entry(size=1_000, stored_at=clock.now))
    for number in range(500):
        here.put(key(number), entry(size=1_000, stored_at=clock.now))
    assert here.get(key("wanted")) is not None
