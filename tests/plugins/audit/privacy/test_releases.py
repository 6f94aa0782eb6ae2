"""A release says what it is worth, and cannot be asked for in a way that breaks its promise."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.audit.privacy.sharing import CELLS, COUNTS, NOW, share

from yumen_plugins.audit.privacy import Budget, bounded

SUBJECTS = ["", "客户甲", "client b", "c"]


def test_a_release_says_how_large_its_noise_is(tmp_path: Path) -> None:
    """In plain words, with the scale and the reach that were used; it holds for the numbers themselves."""
    one = share(Budget(tmp_path))
    assert (one.epsilon, one.scale, one.within) == (Fraction(1, 10), Fraction(10), 30)
    assert one.sentence == (
        "Random noise (discrete Laplace, scale 10) was added to each number, so that none tells whether any one exchange "
        "was counted. 95 times out of 100 a number is within ±30 of the true count. A number of 30 or less may be noise "
        "alone, and can be negative; below about 300 the noise is more than a tenth of the number, which makes it "
        "useless for comparing."
    )
    assert "any one person was counted" in share(Budget(tmp_path), unit="subject", sensitivity=5).sentence
    assert list(one.values) == list(CELLS)


def test_ninety_five_of_a_hundred_numbers_are_within_reach(tmp_path: Path) -> None:
    """What the sentence promises is true of what is handed out."""
    cells = [f"c{number}" for number in range(1_000)]
    budget, below = Budget(tmp_path), Random(3).randrange
    ones = [share(budget, {"c0": 0}, cells=cells, query=f"many/{n}", below=below) for n in range(4)]
    off = [abs(value) for one in ones for value in one.values.values()]
    inside = sum(size <= ones[0].within for size in off) / len(off)
    assert 0.95 - 0.02 <= inside <= 0.96 + 0.02
    assert any(value < 0 for value in ones[0].values.values())


def test_neighbouring_data_are_told_apart_no_better_than_promised(tmp_path: Path) -> None:
    """Over many draws, no number is more than exp(ε) times as frequent where one exchange more was counted."""
    below, epsilon = Random(11).randrange, Fraction(1)
    cells = [f"c{number}" for number in range(1_000)]
    budget = Budget(tmp_path, total=Fraction(1_000))

    def drawn(count: int) -> Counter[int]:
        counts = dict.fromkeys(cells, count)
        ones = [
            share(budget, counts, cells=cells, query=f"{count}/{n}", epsilon=epsilon, below=below) for n in range(20)
        ]
        return Counter(value for one in ones for value in one.values.values())

    without, with_one = drawn(5), drawn(6)
    often = [value for value in without | with_one if min(without[value], with_one[value]) >= 100]
    assert len(often) > 5
    for value in often:
        one, other = sorted((without[value], with_one[value]))
        assert other / one <= math.exp(epsilon) * (1 + 5 / math.sqrt(one))


def test_the_ledger_is_told_what_was_released(tmp_path: Path) -> None:
    """The details of the operation: what was asked, what it cost, what is left; no number of the release."""
    one = share(Budget(tmp_path), dataset="甲公司", epsilon=Fraction(1, 4))
    assert {**one.details, "key": ""} == {
        "dataset": "甲公司",
        "query": "outcomes/1",
        "months": "2026-11..2026-11",
        "unit": "exchange",
        "sensitivity": "1",
        "epsilon": "1/4",
        "scale": "4",
        "spent": "1/4",
        "left": "3/4",
        "key": "",
        "again": "no",
    }
    assert share(Budget(tmp_path), dataset="甲公司", epsilon=Fraction(1, 4)).details == one.details | {"again": "yes"}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"epsilon": Fraction(0)}, "positive fraction"),
        ({"epsilon": 0.1}, "positive fraction"),
        ({"epsilon": Fraction(1, 10**7)}, "at most 1,000,000 parts"),
        ({"sensitivity": 0}, "sensitivity"),
        ({"cells": ()}, "cells"),
        ({"cells": ("ok", "ok")}, "name of its own"),
        ({"cells": ("ok",)}, "known beforehand"),
        ({"counts": {"ok": -1}}, "not negative"),
        ({"counts": {"ok": 1.5}}, "whole numbers"),
        ({"query": ""}, "1 to 200 characters"),
        ({"months": ("2026-11", "2026-12")}, "2026-12 is not over"),
        ({"months": ("2026-12", "2026-11")}, "month"),
        ({"months": ("2026-11", "next")}, "written as 2026-11"),
    ],
)
def test_what_cannot_be_asked_costs_nothing(tmp_path: Path, options: dict[str, Any], why: str) -> None:
    """A question that would break the promise is refused with a sentence before anything is charged."""
    budget = Budget(tmp_path)
    with pytest.raises(ValueError, match=why):
        share(budget, **options)
    assert budget.state("*", "2026-11")[0] == 0


def test_a_month_can_be_released_when_it_is_over(tmp_path: Path) -> None:
    """Not one second earlier, by UTC."""
    december: dict[str, Any] = {"months": ("2026-12", "2026-12"), "epsilon": Fraction(1, 2)}
    end = NOW + 29 * 86_400  # 2027-01-01
    with pytest.raises(ValueError, match="not over"):
        share(Budget(tmp_path), now=end - 1, **december)
    assert not share(Budget(tmp_path), now=end, **december).again


@given(st.lists(st.tuples(st.sampled_from(SUBJECTS), st.sampled_from([*CELLS, "new"])), max_size=60), st.integers(1, 4))
def test_one_person_changes_no_more_than_the_sensitivity(pairs: list[tuple[str, str]], most: int) -> None:
    """Without one person, all cells together change by at most `each_max`: the sensitivity that noise is made for."""
    counts = bounded(pairs, cells=CELLS, each_max=most)
    for gone in SUBJECTS[1:]:
        without = bounded((pair for pair in pairs if pair[0] != gone), cells=CELLS, each_max=most)
        assert sum(abs(counts[cell] - without[cell]) for cell in CELLS) <= most
    assert sum(counts.values()) <= most * len(SUBJECTS[1:])


def test_nobody_in_particular_is_not_counted() -> None:
    """Exchanges that name no subject have no bound, and a cell that was not known beforehand tells nothing."""
    pairs = [("", "ok"), ("客户甲", "ok"), ("客户甲", "ok"), ("b", "不知道"), ("b", "ok")]
    assert bounded(pairs, cells=CELLS, each_max=1) == {"ok": 2, "policy_blocked": 0, "rate_limited": 0}


def test_the_memory_of_counting_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many people are refused, not half counted."""
    monkeypatch.setattr("yumen_plugins.audit.privacy.releases.SUBJECTS_MAX", 3)

    def many() -> Iterator[tuple[str, str]]:
        for number in range(4):
            yield str(number), "ok"

    with pytest.raises(ValueError, match="subjects"):
        bounded(many(), cells=CELLS, each_max=1)


def test_counts_of_the_tests_are_not_changed(tmp_path: Path) -> None:
    """The counts that were given are still the true ones afterwards."""
    before = dict(COUNTS)
    share(Budget(tmp_path))
    assert before == COUNTS
