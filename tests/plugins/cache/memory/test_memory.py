"""What the in-process tier gives, keeps and lets go of."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.cache.memory.made import NOW, SUBJECTS, Clock, entry, key, memory

from yumen_plugins.cache.entry import Entry, Purge


def test_an_entry_is_given_again() -> None:
    """What was put under a key is got under it and under no other; the newest counts."""
    here = memory()
    assert here.get(key(1)) is None
    assert here.put(key(1), entry(size=10, events=(b"data: {}\n\n", b"data: [DONE]\n\n")))
    assert here.put(key(2), entry(size=20))
    assert here.get(key(1)) == entry(size=10, events=(b"data: {}\n\n", b"data: [DONE]\n\n"))
    assert here.get(key(1), events=False) == entry(size=10)
    assert here.put(key(1), entry(size=30))
    assert here.get(key(1)) == entry(size=30)
    assert here.get(key(2)) == entry(size=20)
    assert len(here) == 2


def test_an_entry_that_was_let_go_of_is_gone() -> None:
    """After `drop` there is nothing under the key, and its bytes are free."""
    here = memory()
    here.put(key(1), entry())
    assert here.drop(key(1))
    assert not here.drop(key(1))
    assert here.get(key(1)) is None
    assert here.stats()["bytes"] == 0
    assert len(here) == 0


def test_an_entry_lives_as_long_as_its_time() -> None:
    """It is given until its time to live is over, then dropped and counted, and its bytes are free."""
    clock = Clock()
    here = memory(clock=clock)
    here.put(key(1), entry(ttl_s=10))
    clock.now = NOW + 9.9
    assert here.get(key(1)) is not None
    clock.now = NOW + 10
    assert here.get(key(1)) is None
    assert len(here) == 0
    assert here.stats()["expired"] == 1
    assert here.stats()["bytes"] == 0


def test_a_clock_that_goes_back_gives_no_entry_more_time() -> None:
    """An entry from the future is let go of, since it would outlive its time by as much as the clock went back."""
    clock = Clock()
    here = memory(clock=clock)
    here.put(key(1), entry(ttl_s=10))
    here.put(key(2), entry(ttl_s=10))
    clock.now = NOW - 0.5
    assert here.get(key(1)) is not None
    clock.now = NOW - 3600
    assert here.get(key(1)) is None
    clock.now = NOW
    assert here.get(key(1)) is None
    assert here.get(key(2)) is not None


@pytest.mark.parametrize(
    "stale",
    [
        entry(stored_at=NOW - 3600),
        entry(stored_at=NOW + 60),
        entry(stored_at=math.nan),
        entry(ttl_s=math.nan),
        entry(ttl_s=0),
        entry(stored_at=-math.inf, ttl_s=math.inf),
    ],
)
def test_what_may_not_be_given_is_not_kept(stale: Entry) -> None:
    """An entry that is not fresh is refused, and what stood under its key goes: it was older."""
    here = memory()
    here.put(key(1), entry())
    assert not here.put(key(1), stale)
    assert here.get(key(1)) is None
    assert here.stats()["bytes"] == 0


def test_what_is_too_long_is_not_kept() -> None:
    """An entry beyond what its tenant may fill is refused, and drives nobody out."""
    here = memory(bytes_max=100_000, tenant_share=0.5)
    for number in range(20):
        assert here.put(key(number), entry())
    assert not here.put(key("long"), entry(size=50_000))
    assert len(here) == 20
    assert here.stats()["evicted"] == 0


@pytest.mark.parametrize("bytes_max", [0, 1, 3000])
def test_a_memory_without_room_keeps_nothing(bytes_max: int) -> None:
    """With 0 bytes, or too few for one entry, everything is a miss and nothing fails."""
    here = memory(bytes_max=bytes_max, tenant_share=1.0)
    assert not here.put(key(1), entry())
    assert here.get(key(1)) is None
    assert here.purge(Purge()) == 0
    assert here.only([]) == 0
    assert list(here.hottest(1000)) == []
    assert here.stats()["bytes"] == 0


@given(
    st.lists(st.tuples(st.sampled_from(["acme", "玉门"]), st.sampled_from(SUBJECTS), st.integers(0, 9)), max_size=30),
    st.sampled_from(["", "acme", "玉门", "nobody"]),
    st.sampled_from([*SUBJECTS, "5F" * 16]),
    st.one_of(st.just(math.inf), st.integers(0, 9).map(lambda ago: NOW - ago)),
)
def test_a_purge_takes_what_it_names(
    rows: list[tuple[str, str, int]], tenant: str, subject: str, before: float
) -> None:
    """Exactly the entries of the tenant, subject and age that a purge names go, all others stay, and they are counted."""
    here = memory()
    kept = {key(number): entry(of, subject=about, stored_at=NOW - ago) for number, (of, about, ago) in enumerate(rows)}
    for name, one in kept.items():
        here.put(name, one)
    purge = Purge(tenant, subject, before)
    going = {name for name, one in kept.items() if purge.takes(one.tenant, one.subject, one.stored_at)}
    assert here.purge(purge) == len(going)
    for name, one in kept.items():
        assert here.get(name) == (None if name in going else one)


def test_entries_of_another_policy_go() -> None:
    """After a reload only what was made under the policies that count is left."""
    here = memory()
    for number, policy in enumerate(["aaaa", "bbbb", "cccc", "aaaa"]):
        here.put(key(number), entry(policy=policy))
    assert here.only(["aaaa", "cccc"]) == 1
    assert [here.get(key(number)) is not None for number in range(4)] == [True, False, True, True]
    assert here.only(()) == 3
    assert here.stats()["bytes"] == 0


def test_the_most_useful_entries_come_first() -> None:
    """To be saved, entries that were asked for go before others; together they are no longer than allowed, and all fresh."""
    clock = Clock()
    here = memory(tenant_share=1.0, clock=clock)
    for number in range(100):
        here.put(key(number), entry(size=1000, ttl_s=10 if number == 50 else 3600))
    for number in (7, 50, 93):
        here.get(key(number))
    clock.now = NOW + 20
    saved = list(here.hottest(10_000))
    assert {name for name, _ in saved[:2]} == {key(7), key(93)}
    assert sum(len(name) + len(data) for name, data in saved) <= 10_000
    assert len(saved) > 5
    assert key(50) not in dict(here.hottest(1 << 20))


def test_no_tenant_fills_what_is_saved() -> None:
    """However often one tenant's entries were asked for, what is saved has room for those of others."""
    here = memory(tenant_share=0.5)
    for number in range(100):
        here.put(key(number), entry("loud", size=1000))
        here.get(key(number))
    for number in range(100, 105):
        here.put(key(number), entry("quiet", size=1000))
    saved = [name for name, _ in here.hottest(20_000)]
    assert {key(number) for number in range(100, 105)} <= set(saved)
    assert 5 < len(saved) < 20


def test_entries_may_go_while_the_most_useful_are_taken() -> None:
    """Taking them is not disturbed by what is purged meanwhile, and gives none of that."""
    here = memory()
    for number in range(10):
        here.put(key(number), entry("acme" if number % 2 else "other"))
    taken = here.hottest(1 << 20)
    first = next(taken)
    here.purge(Purge())
    here.put(key("new"), entry("third"))
    assert first[1]
    assert list(taken) == []
