"""Which replica an exchange goes to."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.pool.replicas import OK, Scripted, request, running

from yumen.pool import PoolConfig, Replica
from yumen.pool.choice import least_loaded, sticky, usable
from yumen.pool.member import Member
from yumen.pool.outliers import SAMPLES_MIN, Outliers
from yumen.testing import FakeClock


def members_of(*weights: float, **config: int | float) -> list[Member]:
    settings = PoolConfig(**config)  # type: ignore[arg-type]  # a mapping of numbers
    return [Member(Replica(f"r{n}", weight, Scripted()), settings) for n, weight in enumerate(weights)]


def shares(members: list[Member], seconds: list[float], exchanges: int, in_flight: int) -> list[float]:
    """The shares of exchanges, each as long as its replica takes, so many of them under way at a time."""
    rng, now, ends = random.Random(11), 0.0, list[tuple[float, float, Member]]()
    counts = Counter[str]()
    for _ in range(exchanges):
        if len(ends) == in_flight:
            ends.sort(key=lambda one: one[0])
            now, started, done = ends.pop(0)
            done.in_flight -= 1
            done.latencies[False].observe(now - started, now)
        chosen = least_loaded(usable(members, now), now, False, rng)
        chosen.in_flight += 1
        counts[chosen.name] += 1
        ends.append((now + seconds[members.index(chosen)], now, chosen))
    return [counts[one.name] / exchanges for one in members]


@pytest.mark.parametrize("in_flight", [1, 16, 200])
def test_exchanges_follow_the_weights(in_flight: int) -> None:
    """Replicas that are alike get exchanges in proportion to their weights, with much or little to do."""
    got = shares(members_of(3, 1, 1, 1), [0.1] * 4, 3000, in_flight)
    assert got == pytest.approx([3 / 6, 1 / 6, 1 / 6, 1 / 6], abs=0.08)


def test_the_quicker_replica_gets_more() -> None:
    """Where one takes ten times as long, it gets far less than its share of the weights."""
    got = shares(members_of(1, 1, 1, outlier_factor=100), [0.1, 0.1, 1.0], 3000, 12)
    assert got[2] < 0.15
    assert min(got[:2]) > 0.35


def test_the_busy_one_of_two_is_passed_over() -> None:
    """With as many in flight as weights allow for, nothing comes on top while another has less to do."""
    members = members_of(1, 1)
    members[0].in_flight = 5
    assert {least_loaded(members, 0.0, False, random.Random(n)).name for n in range(50)} == {"r1"}


@given(st.lists(st.booleans(), min_size=4, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4), st.integers())
def test_what_is_out_is_not_chosen(open_: list[bool], full: list[bool], seed: int) -> None:
    """Neither an open circuit nor a full replica is chosen, while anybody else is left."""
    members = members_of(1, 2, 3, 4, in_flight_max=3)
    for member, opened, filled in zip(members, open_, full, strict=True):
        member.in_flight = 3 if filled else 0
        if opened:
            member.circuit.trip(0.0)
    able = usable(members, 1.0)
    assert [one.name for one in able] == [
        one.name for one, opened, filled in zip(members, open_, full, strict=True) if not opened and not filled
    ]
    if able:
        assert least_loaded(able, 1.0, False, random.Random(seed)) in able
        assert sticky(able, members, "租户-tenant", 1.0) in able


def test_a_trial_that_is_due_goes_first() -> None:
    """A replica whose circuit is half open gets the next exchange, or it would never be found well; a retry is no trial."""
    members = members_of(1, 1, 1)
    members[2].circuit.trip(0.0)
    able = usable(members, 6.0)
    assert least_loaded(able, 6.0, False, random.Random(1)) is members[2]
    assert usable(members, 6.0, [members[0]]) == [members[1]]
    assert usable(members, 6.0, members[:2]) == [members[2]]


def test_a_replica_that_comes_back_gets_its_share_little_by_little() -> None:
    """Slow start: a tenth of the weight at first, all of it in the end."""
    member = members_of(2)[0]
    assert member.share(0.0) == 2
    member.latencies[False].penalise(30.0, 99.0)
    member.recovered(100.0)
    assert member.latencies[False].peak_s(100.0) == 0  # of when it was broken
    assert [member.share(at) for at in (100.0, 105.0, 110.0)] == [pytest.approx(0.2), pytest.approx(1.0), 2]


def test_keys_follow_the_weights_and_stay() -> None:
    """Stickiness spreads keys by weight, and a replica that goes takes only its own keys with it."""
    members = members_of(2, 1, 1)
    keys = [f"会话-session-{n}" for n in range(2000)]
    homes = {key: sticky(members, members, key, 0.0) for key in keys}
    counts = Counter(one.name for one in homes.values())
    assert [counts[one.name] / len(keys) for one in members] == pytest.approx([0.5, 0.25, 0.25], abs=0.05)
    left = members[1:]
    moved = {key: sticky(left, members, key, 0.0) for key in keys}
    assert all(moved[key] is home for key, home in homes.items() if home is not members[0])
    assert {one.name for key, one in moved.items() if homes[key] is members[0]} == {"r1", "r2"}


def test_a_popular_key_does_not_drown_its_replica() -> None:
    """Bounded load: one key for everything still leaves no replica with much more than its share."""
    members = members_of(1, 1, 1)
    for _ in range(300):
        sticky(members, members, "one tenant", 0.0).in_flight += 1
    assert max(one.in_flight for one in members) <= 126
    assert sum(one.in_flight for one in members) == 300


def outliers(members: list[Member], seconds: list[float], now: float, **config: float) -> list[str]:
    for member, taken in zip(members, seconds, strict=True):
        for _ in range(SAMPLES_MIN):
            member.latencies[False].observe(taken, now)
    return [one.name for one in Outliers(members, PoolConfig(**config)).sweep(now)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "out"),
    [
        ([0.1, 0.1, 0.1, 1.0], ["r3"]),
        ([0.1, 1.0], ["r1"]),
        ([0.1, 0.1, 0.1, 0.3], []),
        ([0.001, 0.001, 0.001, 0.015], []),
        ([0.1, 0.1, 0.1, 0.1, 2.0, 3.0, 1.0], ["r5", "r4", "r6"]),
    ],
)
def test_who_is_much_slower_than_the_middle_is_ejected(seconds: list[float], out: list[str]) -> None:
    """Only what is out of the ordinary by factor and by time is taken out, the worst first."""
    assert outliers(members_of(*[1.0] * len(seconds)), seconds, 0.0) == out


def test_never_more_than_the_share_is_ejected() -> None:
    """The cap holds, and a pool of one has nobody to be compared with."""
    assert outliers(members_of(1, 1, 1, 1), [0.1, 0.1, 5.0, 5.0], 0.0, eject_share_max=0.25) == ["r3"]
    assert outliers(members_of(1, 1), [0.1, 5.0], 0.0, eject_share_max=0.0) == []
    assert outliers(members_of(1), [5.0], 0.0, eject_share_max=1.0) == []


def test_the_last_usable_replica_is_never_ejected() -> None:
    """Being slow is better than nobody at all, and an ejected one is asked where the others are out."""
    members = members_of(1, 1, 1)
    assert outliers(members, [0.1, 0.1, 5.0], 0.0, eject_share_max=1.0) == ["r2"]
    assert usable(members, 0.0) == members[:2]
    members[0].circuit.trip(0.0)
    members[1].circuit.trip(0.0)
    assert usable(members, 0.0) == [members[2]]
    assert members[2].share(0.0) == pytest.approx(0.1)


@pytest.mark.parametrize("balance", ["sticky", "least_loaded"])
async def test_ejected_ones_answer_where_nobody_else_is_left_without_a_slow_start(balance: str) -> None:
    """`slow_start_ms: 0` gives them their whole share at once, and whoever asks an answer."""
    engines = [Scripted() for _ in range(4)]
    async with running(engines, FakeClock(), slow_start_ms=0, balance=balance) as pool:
        for ejected, broken in zip(pool._members[:2], pool._members[2:], strict=True):
            ejected.eject(pool._clock())
            broken.circuit.trip(pool._clock())
        assert [await pool.generate(request(tenant=f"租户-{number}")) for number in range(8)] == [OK] * 8
        assert sum(engine.asked for engine in engines[:2]) == 8


def test_an_ejection_ends_and_lasts_longer_the_next_time() -> None:
    """Who comes back is judged anew; being worse again and again keeps it out for longer."""
    members = members_of(1, 1, 1, open_ms=1000)
    assert outliers(members, [0.1, 0.1, 5.0], 0.0) == ["r2"]
    assert [members[2].ejected(at) for at in (0.9, 1.0)] == [True, False]
    assert members[2].latencies[False].samples == 0
    assert outliers(members, [0.1, 0.1, 5.0], 10.0) == ["r2"]
    assert [members[2].ejected(at) for at in (11.9, 12.0)] == [True, False]
    assert outliers(members, [0.1, 0.1, 0.1], 20.0) == []
    assert outliers(members, [0.1, 0.1, 9.0], 30.0) == ["r2"]
    assert [members[2].ejected(at) for at in (30.9, 31.0)] == [True, False]
