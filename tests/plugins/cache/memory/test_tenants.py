"""Tenants share the bytes of the in-process tier, and nothing else."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plugins.cache.memory.made import NOW, Clock, entry, key, memory

from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.memory import Memory
from yumen_plugins.cache.memory.fifo import TENANT_BYTES

BYTES_MAX = 24_000
# What a tenant does: ask, keep, be erased; which entry, of how many bytes, and how long before.
Step = tuple[str, int, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["get", "get", "put", "put", "put", "drop", "purge"]),
        st.integers(0, 25),
        st.integers(0, 4_000),
        st.integers(0, 5),
    ),
    min_size=10,
    max_size=40,
)


def do(here: Memory, clock: Clock, tenant: str, step: Step) -> object:
    """Take one step; what the tenant sees of it."""
    what, number, size, seconds = step
    clock.now += seconds
    name = key((tenant, number))
    if what == "get":
        return here.get(name)
    if what == "put":
        return here.put(name, entry(tenant, size, stored_at=clock.now, ttl_s=40))
    if what == "drop":
        return here.drop(name)
    return here.purge(Purge(tenant, before=clock.now - 20))


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from("ab"), steps), min_size=2, max_size=6))
def test_a_tenant_sees_nothing_of_another(turns: list[tuple[str, list[Step]]]) -> None:
    """Where shares leave room for both, every hit, miss and refusal of one tenant is the same with and without the other."""
    clock, alone_clock = Clock(), Clock()
    both, alone = memory(BYTES_MAX, 0.5, clock), memory(BYTES_MAX, 0.5, alone_clock)
    for tenant, taken in turns:
        for step in taken:
            seen = do(both, clock, tenant, step)
            if tenant == "b":
                alone_clock.now = clock.now - step[3]
                assert seen == do(alone, alone_clock, tenant, step)
            assert both.stats()["bytes"] <= BYTES_MAX


def told(here: Memory, tenant: str) -> dict[str, int]:
    """Entries and bytes of one."""
    return dict(here.stats()["tenants"].get(tenant, {"entries": 0, "bytes": 0}))


def test_no_tenant_fills_more_than_its_share() -> None:
    """Alone in the memory, a tenant still gets no more than its share of it, and nearly that."""
    here = memory(1_000_000, 0.3)
    for number in range(5_000):
        here.put(key(number), entry(size=number % 3_000))
        assert told(here, "acme")["bytes"] <= 300_000
    assert told(here, "acme")["bytes"] > 290_000
    assert here.stats()["evicted"] > 1_000


def test_a_flood_takes_nothing_from_those_who_use_less() -> None:
    """While the flooder uses more than any other, every entry of the others stays, though nobody asks for them."""
    here = memory(1_000_000, 0.8)
    others = [f"租户{number}" for number in range(5)]
    for number in range(50):
        for tenant in others:
            assert here.put(key((tenant, number)), entry(tenant, 1_500))
    for number in range(3_000):
        here.put(key(("flood", number)), entry("flood", number % 4_000))
        here.get(key(("flood", number % 100)))
        assert here.stats()["bytes"] <= 1_000_000
    for tenant in others:
        assert told(here, tenant)["entries"] == 50
        assert all(here.get(key((tenant, number))) for number in range(50))
    assert told(here, "flood")["entries"] > 50


def test_the_largest_gives_way() -> None:
    """A newcomer gets its place from whoever uses most, until it uses as much itself."""
    here = memory(1_000_000, 0.9)
    for number in range(1_000):
        here.put(key(("old", number)), entry("old", 2_000))
        if number < 50:
            here.put(key(("small", number)), entry("small", 2_000))
    for number in range(1_000):
        here.put(key(("new", number)), entry("new", 2_000))
    assert told(here, "small")["entries"] == 50
    assert abs(told(here, "new")["bytes"] - told(here, "old")["bytes"]) < 5_000
    assert told(here, "new")["entries"] > 150


def test_many_tenants_leave_room_for_each_other() -> None:
    """With more tenants than fit, the bytes stay within bounds, and only so many tenants are told of."""
    here = memory(1_000_000, 0.5)
    for number in range(2_000):
        here.put(key(number), entry(f"tenant {number}", 100))
        assert here.stats()["bytes"] <= 1_000_000
    stats = here.stats()
    assert len(stats["tenants"]) == 100
    assert stats["entries"] > 200
    assert all(one["bytes"] > TENANT_BYTES for one in stats["tenants"].values())


def test_what_is_told_is_what_is_there() -> None:
    """Through any mixture of keeping, asking, expiry and purges, counts and bytes are those of the entries that are left."""
    draw = random.Random(7)
    clock = Clock()
    here = memory(200_000, 0.4, clock)
    last: dict[bytes, object] = {}
    for number in range(20_000):
        tenant = f"t{min(draw.randrange(6), draw.randrange(6))}"
        name = key((tenant, draw.randrange(200)))
        dice = draw.random()
        if dice < 0.5:
            got = here.get(name)
            assert got is None or got == last[name]
        elif dice < 0.95:
            one = entry(
                tenant,
                draw.randrange(3_000),
                subject=f"{number % 7:032x}",
                stored_at=clock.now,
                ttl_s=draw.choice((5, 600)),
            )
            if here.put(name, one):
                last[name] = one
            else:
                assert here.get(name) is None
        elif dice < 0.99:
            here.drop(name)
        else:
            here.purge(Purge(tenant, f"{number % 7:032x}"))
        clock.now += 0.01
        stats = here.stats()
        assert stats["bytes"] <= 200_000
        assert stats["bytes"] == sum(one["bytes"] for one in stats["tenants"].values())
        assert stats["entries"] == len(here) == sum(one["entries"] for one in stats["tenants"].values())
    for name in [*last]:
        here.drop(name)
    assert here.stats()["bytes"] == 0
    assert clock.now > NOW
