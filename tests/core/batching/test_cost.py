"""What runs cost, learned from runs."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen.batching.cost import RUNS_MIN, Cost, bucket
from yumen.batching.forecast import RETRY_S, RETRY_S_MAX, Forecast, retry_s


def trained(sizes: list[int], runs: int, a: float = 0.001, b: float = 0.004, noise: float = 0.1) -> Cost:
    cost, rng = Cost(), random.Random(7)
    for _ in range(runs):
        size = rng.choice(sizes)
        cost.observe(size, (a * size + b) * rng.uniform(1 - noise, 1 + noise))
    return cost


@pytest.mark.parametrize(("rows", "size"), [(1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (17, 32), (32, 32), (33, 64)])
def test_buckets_are_powers_of_two(rows: int, size: int) -> None:
    """Sizes count by the smallest power of two that holds them."""
    assert bucket(rows) == size


@pytest.mark.parametrize("size", [1, 4, 20, 32])
def test_cost_of_a_size_is_learned(size: int) -> None:
    """After some runs of all sizes, a size costs what its runs took."""
    cost = trained([1, 2, 3, 4, 8, 15, 16, 20, 32], 300)
    assert cost.seconds(size) == pytest.approx(0.001 * size + 0.004, rel=0.15)


def test_what_no_line_fits_is_learned_by_bucket() -> None:
    """A model that is slow for one size, for want of a kernel say, is expected to be slow for that one."""
    cost = Cost()
    for _ in range(60):
        for size in (1, 2, 4, 8, 16, 32):
            cost.observe(size, 0.05 if size == 8 else 0.01)
    assert cost.seconds(8) == pytest.approx(0.05, rel=0.15)
    assert cost.seconds(32) == pytest.approx(0.01, rel=0.2)


def test_sizes_never_seen_are_not_feared() -> None:
    """Who has only seen single rows takes thirty-two for no worse than thirty-two of them, so that they are tried."""
    cost = trained([1], 100)
    assert cost.seconds(1) == pytest.approx(0.005, rel=0.1)
    assert cost.seconds(32) <= 32 * cost.seconds(1)


def test_nothing_is_known_before_some_runs() -> None:
    """A model that has hardly run costs nothing that anybody could be refused for."""
    cost = Cost()
    for _ in range(RUNS_MIN - 1):
        cost.observe(1, 9.0)
    assert not cost.known
    assert cost.seconds(1) == 0


def test_warming_up_is_forgotten() -> None:
    """The first run, which compiles or loads something, is not taken for the rule."""
    cost = Cost()
    cost.observe(1, 20.0)
    for _ in range(RUNS_MIN):
        cost.observe(1, 0.01)
    assert cost.seconds(1) == pytest.approx(0.01, rel=0.01)


def test_one_run_that_is_far_off_changes_little() -> None:
    """A pause of the machine does not make everybody be refused."""
    cost = trained([1, 8, 32], 200, noise=0)
    before = cost.seconds(8)
    cost.observe(8, 60.0)
    assert cost.seconds(8) < 2 * before


@pytest.mark.parametrize("factor", [0.05, 20.0])
def test_a_change_that_stays_is_followed(factor: float) -> None:
    """A model that has become slower or quicker for good is soon expected to be."""
    cost = trained([1, 8, 32], 200, noise=0)
    for _ in range(60):
        for size in (1, 8, 32):
            cost.observe(size, factor * (0.001 * size + 0.004))
    assert cost.seconds(8) == pytest.approx(factor * 0.012, rel=0.25)


@given(st.lists(st.tuples(st.integers(1, 1024), st.floats(0, 1e6, allow_nan=False)), max_size=60))
def test_cost_is_always_a_number_of_seconds(runs: list[tuple[int, float]]) -> None:
    """Whatever was measured, a run is expected to take some time that is no less than none, and is finite."""
    cost = Cost()
    for size, seconds in runs:
        cost.observe(size, seconds)
    for size in (1, 2, 31, 1024):
        assert 0 <= cost.seconds(size) < 1e10


def known_forecast(runs_max: int = 1, *, padded: bool = False) -> Forecast:
    """Ten milliseconds a run, whatever it holds."""
    forecast = Forecast(8, runs_max, padded=padded)
    for n in range(50):
        run = forecast.started(1 + n % 8, float(n))
        forecast.ended(run, 1 + n % 8, n + 0.01, learn=True)
    return forecast


def test_waiting_is_counted_in_runs() -> None:
    """Rows wait for the runs before theirs, those under way, and their own."""
    forecast = known_forecast()
    assert forecast.answered_s(0, 1, 1, 100.0) == pytest.approx(0.01, rel=0.05)
    assert forecast.answered_s(16, 8, 1, 100.0) == pytest.approx(0.03, rel=0.05)
    forecast.started(8, 100.0)
    assert forecast.answered_s(0, 1, 1, 100.004) == pytest.approx(0.016, rel=0.05)


def test_kinds_that_cannot_run_together_take_runs_of_their_own() -> None:
    """Eight rows of one kind are one run, of eight kinds they are eight."""
    assert known_forecast().answered_s(7, 1, 8, 0.0) == pytest.approx(0.08, rel=0.05)


def test_slots_share_what_waits() -> None:
    """With two runs at a time the wait is half as long."""
    assert known_forecast(2).answered_s(32, 8, 1, 0.0) == pytest.approx(0.03, rel=0.05)


def test_a_run_that_does_not_end_is_not_waited_for() -> None:
    """The longer a run is late, the longer it is expected to take yet."""
    forecast = known_forecast()
    forecast.started(1, 100.0)
    assert forecast.answered_s(0, 1, 1, 105.0) > 4
    assert forecast.oldest_s(105.0) == 5.0


def test_a_run_given_ahead_begins_when_another_ends() -> None:
    """It is waited for in whole, and what it waits for the model is no cost of it."""
    forecast = known_forecast()
    first, second = forecast.started(8, 100.0), forecast.started(8, 100.002)
    assert forecast.begins_s(100.004) == pytest.approx(0.006, rel=0.1)
    assert forecast.answered_s(0, 1, 1, 100.004) == pytest.approx(0.026, rel=0.05)
    assert forecast.oldest_s(100.005) == pytest.approx(0.005)
    assert forecast.ended(first, 8, 100.01, learn=True) == pytest.approx(0.01)
    assert forecast.ended(second, 8, 100.022, learn=True) == pytest.approx(0.012)
    assert forecast.begins_s(100.022) == 0


def test_a_run_that_never_began_took_no_time() -> None:
    """It was called off while the one before it went on."""
    forecast = known_forecast()
    first, second = forecast.started(8, 100.0), forecast.started(8, 100.002)
    assert forecast.ended(second, 8, 100.005, learn=False) == 0
    assert forecast.ended(first, 8, 100.01, learn=True) == pytest.approx(0.01)


def test_padded_runs_cost_what_they_are_filled_up_to() -> None:
    """Three rows run as four do, and no batch is larger than the model takes."""
    forecast = Forecast(24, 1, padded=True)
    assert [forecast.size(rows) for rows in (1, 3, 9, 17, 24)] == [1, 4, 16, 24, 24]


def test_callers_are_told_a_time_that_makes_sense() -> None:
    """Nobody is told to come back after no time, or after hours."""
    assert retry_s(0) == RETRY_S
    assert retry_s(1e-9) > 0.01
    assert retry_s(1e9) == RETRY_S_MAX
    assert retry_s(2.5) == 2.5
