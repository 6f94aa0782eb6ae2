"""No more is given away than the budget allows, whoever asks, however often, and whatever crashes."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.plugins.audit.privacy.sharing import CELLS, share

from yumen import CannotStart
from yumen_plugins.audit.privacy import Budget, BudgetSpent
from yumen_plugins.audit.privacy.budget import months_of

TENTH = Fraction(1, 10)
NOVEMBER = "2026-11"
NOTHING = Fraction(0)


def child(folder: Path, doing: str) -> subprocess.Popen[str]:
    """Another process that releases from the same folder."""
    command = [sys.executable, "-m", "tests.plugins.audit.privacy.sharing", str(folder), doing]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_the_same_question_has_the_same_answer(tmp_path: Path) -> None:
    """Asking again costs nothing and gives the same numbers, even where the counts have changed meanwhile."""
    first = share(Budget(tmp_path))
    again = share(Budget(tmp_path), {"ok": 4_001, "policy_blocked": 120})
    assert (first.again, again.again) == (False, True)
    assert again.values == first.values
    assert Budget(tmp_path).state("*", NOVEMBER) == (TENTH, 1 - TENTH)


@pytest.mark.parametrize(
    "other",
    [
        {"query": "outcomes/2"},
        {"dataset": "甲公司"},
        {"epsilon": Fraction(1, 20)},
        {"cells": CELLS[:2]},
        {"sensitivity": 2},
        {"unit": "subject"},
        {"months": ("2026-10", "2026-11")},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_question_is_another_release(tmp_path: Path, other: dict[str, Any]) -> None:
    """Whatever differs in a question, it is drawn anew and paid for."""
    budget = Budget(tmp_path)
    share(budget)
    assert not share(budget, **other).again
    spent, _ = budget.state(str(other.get("dataset", "*")), NOVEMBER)
    assert spent == TENTH + Fraction(str(other.get("epsilon", TENTH)))


def test_what_is_spent_is_spent(tmp_path: Path) -> None:
    """The last release that can be paid for is made, the next one is not, to the last part of a fraction."""
    budget = Budget(tmp_path, total=Fraction(1, 3))
    for number in range(3):
        share(budget, query=f"q/{number}", epsilon=Fraction(1, 9))
    assert budget.state("*", NOVEMBER) == (Fraction(1, 3), NOTHING)
    with pytest.raises(BudgetSpent, match="only 0 is left; ask what has been released already"):
        share(budget, query="q/4", epsilon=Fraction(1, 1_000_000))
    assert share(budget, query="q/1", epsilon=Fraction(1, 9)).again
    assert share(budget, query="q/4", months=("2026-10", "2026-10")).details["left"] == str(Fraction(1, 3) - TENTH)


def test_an_exchange_is_paid_for_as_one_of_its_tenant_and_as_one_of_all(tmp_path: Path) -> None:
    """What was released of all tenants is gone for each of them, and the other way round, but not between two of them."""
    budget = Budget(tmp_path, total=Fraction(1), totals={"小店": Fraction(1, 2)})
    share(budget, dataset="acme", epsilon=Fraction(7, 10))
    assert budget.state("globex", NOVEMBER) == (NOTHING, Fraction(1))
    assert budget.state("*", NOVEMBER) == (Fraction(7, 10), Fraction(3, 10))
    share(budget, epsilon=Fraction(3, 10))
    assert budget.state("globex", NOVEMBER) == (Fraction(3, 10), Fraction(7, 10))
    assert budget.state("小店", NOVEMBER) == (Fraction(3, 10), Fraction(1, 5))
    for dataset in ("*", "acme"):
        with pytest.raises(BudgetSpent):
            share(budget, dataset=dataset, query="more/1")
    with pytest.raises(BudgetSpent):
        share(budget, dataset="小店", epsilon=Fraction(1, 4))


def test_a_release_over_months_is_paid_for_in_each(tmp_path: Path) -> None:
    """Where one of its months cannot pay, it is not made, and none of the others has paid."""
    budget = Budget(tmp_path)
    share(budget, months=("2026-10", "2026-10"), epsilon=Fraction(1))
    with pytest.raises(BudgetSpent, match="for 2026-10 only 0"):
        share(budget, months=("2026-09", "2026-11"))
    assert [budget.state("*", month)[0] for month in months_of("2026-09", "2026-11")] == [0, 1, 0]


def test_months_are_written_in_one_way() -> None:
    """One month has one name, or it would have several budgets."""
    assert list(months_of("2026-11", "2027-02")) == ["2026-11", "2026-12", "2027-01", "2027-02"]
    for first, last in (
        ("2026-12", "2026-11"),
        ("2026-1", "2026-11"),
        ("2026-13", "2026-13"),
        ("2026-11\n", "2026-11"),
        ("２０２６-11", "2026-11"),
        ("1000-01", "2026-11"),
    ):
        with pytest.raises(ValueError, match="month"):
            list(months_of(first, last))


def test_processes_that_ask_at_once_get_one_answer(tmp_path: Path) -> None:
    """Six processes, one release: the same numbers for all, paid for once."""
    children = [child(tmp_path, "same") for _ in range(6)]
    answers = {one.communicate(timeout=60)[0] for one in children}
    assert [one.returncode for one in children] == [0] * 6
    assert len(answers) == 1
    assert Budget(tmp_path).state("*", NOVEMBER)[0] == TENTH


def test_a_process_that_dies_while_it_draws_has_spent_nothing(tmp_path: Path) -> None:
    """Nobody saw a number, so nothing was given away; the question can still be asked."""
    one = child(tmp_path, "die")
    one.communicate(timeout=60)
    assert one.returncode == 9
    assert Budget(tmp_path).state("*", NOVEMBER)[0] == 0
    assert not share(Budget(tmp_path)).again


def test_what_was_handed_out_was_on_disk_before(tmp_path: Path) -> None:
    """Killed at any moment, all that a process had said is charged and is handed out again as it was, and at most one
    release more is there, which nobody has seen.
    """
    random, said = Random(5), dict[str, dict[str, int]]()
    for _ in range(6):
        one = child(tmp_path, "loop")
        assert one.stdout is not None
        lines = [one.stdout.readline()]
        time.sleep(random.uniform(0, 0.3))
        one.kill()
        lines += one.communicate(timeout=60)[0].splitlines()
        said |= dict(json.loads(line) for line in lines if line.endswith(("]", "]\n")))
    budget = Budget(tmp_path, total=Fraction(10_000))
    spent, _ = budget.state("*", NOVEMBER)
    assert len(said) <= spent / TENTH <= len(said) + 6
    for query, values in said.items():
        again = share(budget, query=query)
        assert again.again
        assert again.values == values
    assert budget.state("*", NOVEMBER)[0] == spent


def test_a_draw_that_fails_costs_nothing(tmp_path: Path) -> None:
    """Where there is no randomness there is no release, no charge, and no lock left behind."""

    def broken(below: int) -> int:
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        share(Budget(tmp_path), below=broken)
    assert not share(Budget(tmp_path)).again


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    """Neither the file nor its folder is open to others, and what is in it is the number with its noise, here -9."""
    folder = tmp_path / "data"
    share(Budget(folder), {"ok": 987_654_321}, below=lambda n: 1 if n == 2 else n - 1)
    path = folder / "privacy.sqlite"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert b"987654312" in path.read_bytes()
    assert b"987654321" not in path.read_bytes()


def test_a_file_that_cannot_be_used_says_what_to_do(tmp_path: Path) -> None:
    """A damaged file, and one of another version, is not taken for an empty one: that would be a full budget."""
    path = tmp_path / "privacy.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(CannotStart, match="damaged; restore it from a backup"):
        Budget(tmp_path)
    path.unlink()
    Budget(tmp_path)
    with sqlite3.connect(path) as base:
        base.execute("PRAGMA user_version = 9")
    with pytest.raises(CannotStart, match="another version"):
        Budget(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(CannotStart, match="cannot use"):
        Budget(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        f"{column} = {value}"
        for column, values in {
            "charge SET epsilon": (
                "'-1'",
                "'1/0'",
                "'nan'",
                "'1e999999999'",
                "X'FF'",
                "9e999",
                "CAST(X'FFFE' AS TEXT)",
            ),
            "release SET numbers": ("''", "'[1]'", "'{}'", "'{\"ok\": 1e999}'", "17", "X'FF'", "CAST(X'FFFE' AS TEXT)"),
        }.items()
        for value in values
    ],
)
def test_what_nobody_here_has_written_is_damage(tmp_path: Path, change: str) -> None:
    """A price that is none is neither free nor a gain, and no number is handed out that was not drawn."""
    share(Budget(tmp_path))
    with sqlite3.connect(tmp_path / "privacy.sqlite") as base:
        base.execute(f"UPDATE {change}")
    with pytest.raises(CannotStart, match="is damaged; restore it from a backup"):
        share(Budget(tmp_path))
