"""What entries cost beside their own bytes, as Python counts it; what is told is never less."""

from __future__ import annotations

import gc
import random
import sys
import tracemalloc
from collections.abc import Callable

import pytest
from tests.plugins.cache.memory.made import NOW, Clock, entry, key, memory

from yumen_plugins.cache.entry import Entry, Purge, packed
from yumen_plugins.cache.memory import Memory

ENTRIES = 10_000
OVERHEAD_MAX = 400


def used(fill: Callable[[], Memory]) -> tuple[Memory, int]:
    """A memory, and how many bytes more are in use than before it was made."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        here = fill()
        gc.collect()
        return here, tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", [1_000, ENTRIES, 21_900])  # the table of entries has just grown beyond 21,845
def test_an_entry_costs_little_more_than_itself(count: int) -> None:
    """An entry of a subject of its own costs at most 400 bytes beyond its payload, and no more than is told."""

    def fill() -> Memory:
        here = memory(1 << 30, 1.0)
        for number in range(count):
            subject = f"{number * 2654435761:032x}"
            stored_at = NOW - number / 1000
            here.put(key(number), entry("租", 200, subject=subject, stored_at=stored_at, ttl_s=3600.0 + number))
        return here

    payload = len(packed(entry("租", 200, subject="a" * 32)))
    here, cost = used(fill)
    assert len(here) == count
    assert cost <= here.stats()["bytes"]
    assert cost / count - payload <= OVERHEAD_MAX
    # A constant part is for the tenant.
    assert (here.stats()["bytes"] - 250_000) / count - payload <= OVERHEAD_MAX


def test_a_tenant_costs_no_more_than_is_told() -> None:
    """Tenants with an entry each are paid for, too: so many of them do not exceed the bytes of the memory."""

    # Before it is measured, since the interpreter's own table of names may grow by megabytes at any of them.
    tenants = [sys.intern(f"tenant {number}") for number in range(3_000)]

    def fill() -> Memory:
        here = memory(1 << 30, 1.0)
        for number, tenant in enumerate(tenants):
            here.put(key(number), entry(tenant, 50))
        return here

    here, cost = used(fill)
    assert cost <= here.stats()["bytes"]


def test_use_does_not_wear_it_out() -> None:
    """After long use with evictions, expiry, renewals and purges no more is in use than is told."""

    def fill() -> Memory:
        draw = random.Random(3)
        clock = Clock()
        here = memory(1_500_000, 0.5, clock)

        def one(tenant: str) -> Entry:
            ttl_s = draw.choice((1.0, 3600.0))
            return entry(
                tenant, draw.randrange(400), subject=f"{draw.randrange(500):032x}", stored_at=clock.now, ttl_s=ttl_s
            )

        for number in range(12_000):
            tenant = f"t{draw.randrange(3)}"
            name = key((tenant, min(draw.randrange(3_000), draw.randrange(3_000))))
            if here.get(name) is None or number % 11 == 0:
                here.put(name, one(tenant))
            if number % 1_200 == 0:
                here.purge(Purge("t0", f"{draw.randrange(500):032x}"))
                here.purge(Purge("t1", before=clock.now - 20))
            clock.now += 0.008
        return here

    here, cost = used(fill)
    assert here.stats()["evicted"] > 1_000
    assert here.stats()["expired"] > 1_000
    assert cost <= here.stats()["bytes"] <= 1_500_000


def test_what_was_large_once_gives_its_memory_back() -> None:
    """After many thousand small entries gave way to few, what they needed beside themselves is free again."""

    def fill() -> Memory:
        here = memory(1 << 30, 1.0)
        for number in range(10_000):
            here.put(key(number), entry(size=10))
        here.purge(Purge("acme"))
        for number in range(10):
            here.put(key(number), entry(size=10))
        return here

    here, cost = used(fill)
    assert len(here) == 10
    assert cost <= here.stats()["bytes"] + 20_000


def test_the_collector_has_nothing_to_look_at() -> None:
    """Entries are not tracked by the garbage collector, whose pauses would grow with them."""
    here = memory(1 << 30, 1.0)
    gc.collect()
    before = len(gc.get_objects())
    for number in range(5_000):
        here.put(key(number), entry())
    gc.collect()
    assert len(gc.get_objects()) - before < 100
