"""What a pool knows of a replica: its circuit, its latency, the budget for further attempts."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from yumen.pool.budget import Budget
from yumen.pool.circuit import TRIAL_S_MAX, Circuit
from yumen.pool.latency import PENALTY_S_MAX, Latency


def test_failures_one_after_the_other_open_a_circuit() -> None:
    """Only failures without an answer between them count."""
    circuit = Circuit(3, 1.0)
    for failed in (True, True, False, True, True):
        circuit.failed(0.0, trial=False) if failed else circuit.succeeded(trial=False)
        assert circuit.lets(0.0)
    assert circuit.failed(0.0, trial=False)
    assert not circuit.lets(0.5)


def test_an_open_circuit_lets_one_exchange_through_after_its_time() -> None:
    """Half open means one trial at a time, whatever else waits."""
    circuit = Circuit(1, 1.0)
    circuit.failed(0.0, trial=False)
    assert not circuit.lets(0.9)
    assert circuit.lets(1.0)
    assert circuit.take(1.0)
    assert not circuit.lets(1.0)


def test_the_trial_decides() -> None:
    """An answer to the trial closes the circuit, a failure opens it for twice as long, up to 16 times."""
    circuit, now = Circuit(1, 1.0), 0.0
    circuit.failed(now, trial=False)
    for seconds in (1, 2, 4, 8, 16, 16):
        assert circuit.open_s(now) == seconds
        now += seconds
        assert circuit.take(now)
        assert circuit.failed(now, trial=True)
    now += 16
    assert circuit.take(now)
    assert circuit.succeeded(trial=True)
    assert circuit.failed(now, trial=False)
    assert circuit.open_s(now) == 1


def test_late_news_of_an_open_circuit_is_no_news() -> None:
    """Exchanges that began before it opened neither close it nor keep it open for longer."""
    circuit = Circuit(1, 1.0)
    circuit.failed(0.0, trial=False)
    assert not circuit.succeeded(trial=False)
    assert not circuit.failed(0.5, trial=False)
    assert not circuit.lets(0.9)
    assert circuit.lets(1.0)


def test_a_trial_without_a_verdict_makes_room_for_another() -> None:
    """A trial that was given up, or is heard of no more, does not keep a circuit half open for ever."""
    circuit = Circuit(1, 1.0)
    circuit.failed(0.0, trial=False)
    circuit.take(1.0)
    circuit.gave_up()
    assert circuit.lets(1.0)
    circuit.take(1.0)
    assert not circuit.lets(TRIAL_S_MAX)
    assert circuit.lets(1.0 + TRIAL_S_MAX)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 100)), min_size=1, max_size=50))
def test_latency_stays_between_what_was_seen(seen: list[tuple[float, float]]) -> None:
    """Neither form leaves the range of what was observed, and a peak counts at once."""
    latency, now = Latency(), 0.0
    for seconds, passes in seen:
        now += passes
        latency.observe(seconds, now)
        assert latency.peak_s(now) >= seconds * (1 - 1e-9)
    most, least = max(one for one, _ in seen), min(one for one, _ in seen)
    assert latency.peak_s(now) <= most * (1 + 1e-9)
    assert least * (1 - 1e-9) <= latency.mean_s <= most * (1 + 1e-9)


def test_a_peak_is_forgotten() -> None:
    """A slow answer that is not confirmed does not keep exchanges away for ever."""
    latency = Latency()
    latency.observe(10.0, 0.0)
    assert latency.peak_s(100.0) < 0.001


def test_a_quick_failure_does_not_look_quick() -> None:
    """A replica that fails at once would otherwise draw everything to itself."""
    latency = Latency()
    latency.observe(0.2, 0.0)
    latency.penalise(0.001, 0.0)
    assert math.isclose(latency.peak_s(0.0), 0.4)
    for _ in range(50):
        latency.penalise(0.001, 0.0)
    assert latency.peak_s(0.0) == PENALTY_S_MAX


def test_giving_up_early_says_nothing() -> None:
    """Callers who leave at once make no replica look quick; those who waited for long make it look slow."""
    latency = Latency()
    latency.observe(1.0, 0.0)
    latency.observe_at_least(0.01, 0.0)
    assert latency.peak_s(0.0) == 1.0
    assert latency.mean_s == 1.0
    latency.observe_at_least(5.0, 0.0)
    assert latency.peak_s(0.0) == 5.0
    assert latency.mean_s > 1.0


def test_the_budget_is_a_share_of_what_was_asked_of_late() -> None:
    """Further attempts never exceed the share, and the reserve of one a second."""
    budget = Budget(0.2)
    for _ in range(100):
        budget.asked(0.0)
    assert [budget.spend(0.5) for _ in range(31)] == [True] * 30 + [False]
    assert not budget.spend(9.9)
    # Ten seconds later both what was asked and what was spent are over.
    assert [budget.spend(10.0) for _ in range(11)] == [True] * 10 + [False]


def test_no_budget_means_no_further_attempts() -> None:
    """A share of nothing has no reserve either."""
    budget = Budget(0.0)
    budget.asked(0.0)
    assert not budget.spend(0.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 30)), max_size=300), st.floats(0.01, 1))
def test_the_budget_holds_over_any_window(events: list[tuple[bool, float]], share: float) -> None:
    """Whatever comes when, attempts of ten seconds never exceed the reserve and the share of what was asked in them."""
    budget, now = Budget(share), 0.0
    asked: list[int] = []
    spent: list[int] = []
    for asks, passes in events:
        now += passes / 10
        if asks:
            budget.asked(now)
            asked.append(int(now))
        elif budget.spend(now):
            spent.append(int(now))
            recent = [one for one in asked if one > int(now) - 10]
            assert len([one for one in spent if one > int(now) - 10]) <= share * len(recent) + 10
