"""What is given to people outside tells nothing exact, and nothing that was not written down in the ledger before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.audit.report.evidence import BROKEN, HOLDS, MONTHS, NOW, Record, exchange, finding, records

from yumen import CannotStart
from yumen_plugins.audit.privacy import Budget
from yumen_plugins.audit.report import report_shared
from yumen_plugins.audit.report.shared import OUTCOMES, RULES_MAX, count

RULES = ("cn.mobile", "cn.id_card", "email", "secret.password")


def make(tmp_path: Path, noted: list[Mapping[str, str]], **options: Any) -> tuple[int, str]:
    """The exit status and the text of a report for others."""
    asked: dict[str, Any] = {
        "framework": "pipl",
        "out": tmp_path / "shared.html",
        "budget": Budget(tmp_path),
        "note": noted.append,
        "dataset": "*",
        "months": MONTHS,
        "rules": RULES,
        "now": NOW,
    }
    status = report_shared(options.pop("told", records()), options.pop("verify", lambda: HOLDS), **(asked | options))
    return status, (tmp_path / "shared.html").read_text(encoding="utf-8")


def test_no_name_and_no_exact_number_is_in_it(tmp_path: Path) -> None:
    """No tenant, log, policy, operator, reason, nor the moment of any record."""
    status, text = make(tmp_path, [])
    assert status == 0
    for secret in (
        "甲公司",
        "default",
        "keep-183d",
        "9565ce19b647",
        "admin:k1",
        "合同",
        "injection",
        "2026-11-0",
        "erase",
    ):
        assert secret not in text.partition("<body>")[2]
    assert "within ±30 of the true count" in text
    assert "within ±90 of the true count" in text
    assert "not all exchanges of one person" in text


def test_nothing_but_numbers_depends_on_the_records(tmp_path: Path) -> None:
    """Two ledgers that have nothing in common give the same words."""

    def words(folder: Path, told: list[tuple[str, Record]]) -> str:
        folder.mkdir()
        _, text = make(folder, [], told=told)
        return re.sub(r"-?[0-9][0-9,.]*", "0", re.sub(r"<tr>.*?</tr>", "", text))

    assert words(tmp_path / "a", list(records())) == words(tmp_path / "b", [])
    names = [re.findall(r'<th scope="row">(.*?)</th>', (tmp_path / one / "shared.html").read_text()) for one in "ab"]
    assert sorted(names[0]) == sorted(names[1]) == sorted([*OUTCOMES, "other", *RULES])


def test_the_ledger_is_told_before_the_file_is_there(tmp_path: Path) -> None:
    """One operation for each release; where the ledger cannot be written, nobody gets the file."""
    noted = list[Mapping[str, str]]()
    make(tmp_path, noted)
    assert [(one["query"], one["sensitivity"], one["scale"]) for one in noted] == [
        ("outcomes/1", "1", "10"),
        ("rules/1", str(RULES_MAX), str(10 * RULES_MAX)),
    ]
    assert noted[1]["left"] == str(Fraction(4, 5))

    def fails(details: Mapping[str, str]) -> None:
        raise OSError("full")

    (tmp_path / "shared.html").unlink()
    with pytest.raises(OSError, match="full"):
        report_shared(
            records(),
            lambda: HOLDS,
            framework="pipl",
            out=tmp_path / "shared.html",
            budget=Budget(tmp_path),
            note=fails,
            dataset="*",
            months=MONTHS,
            rules=RULES,
            now=NOW,
        )
    assert not (tmp_path / "shared.html").exists()


def test_a_second_report_has_the_same_numbers(tmp_path: Path) -> None:
    """Asking again, with more records even, is no way to average the noise away."""
    _, first = make(tmp_path, [])
    noted = list[Mapping[str, str]]()
    _, second = make(tmp_path, noted, told=[*records(), ("w", exchange(9, 9))])
    assert first == second
    assert {one["again"] for one in noted} == {"yes"}


def test_a_ledger_that_does_not_hold_is_not_shared(tmp_path: Path) -> None:
    """It says so, has no numbers, and costs nothing."""
    noted = list[Mapping[str, str]]()
    status, text = make(tmp_path, noted, verify=lambda: BROKEN)
    assert (status, noted) == (2, [])
    assert "THE LEDGER DOES NOT HOLD" in text
    assert "No figure was released." in text
    assert "数据缺失" not in text
    assert Budget(tmp_path).state("*", MONTHS[0])[0] == 0


def test_what_cannot_be_paid_for_is_said(tmp_path: Path) -> None:
    """A spent budget and a month that is not over end the command with a sentence, and leave no file."""
    with pytest.raises(CannotStart, match=r"this cannot be shared: this release costs ε = 2"):
        make(tmp_path, [], epsilon=Fraction(2))
    with pytest.raises(CannotStart, match="2026-12 is not over"):
        make(tmp_path, [], months=("2026-11", "2026-12"))
    assert not (tmp_path / "shared.html").exists()


def test_counts_are_those_of_one_tenant_and_of_whole_months() -> None:
    """An exchange of another tenant or month is not in them, and an outcome that is not known is another one."""
    told = [("w", one) for one in (exchange(1, 1), exchange(2, 2, tenant="甲公司"), exchange(3, 3, outcome=["?"]))]
    told.append(("w", exchange(1, 4) | {"time": "2026-12-01T00:00:00Z"}))
    assert count(told, dataset="甲公司", months=MONTHS, rules=()).outcomes == {"ok": 1}
    assert count(told, dataset="*", months=MONTHS, rules=()).outcomes == {"ok": 2, "other": 1}


def test_one_exchange_changes_no_more_than_the_sensitivity() -> None:
    """However many rules found something, and however often, an exchange counts once for three of them at most."""
    many = exchange(1, 1, findings=[finding(rule) for rule in (*RULES, *RULES, "unknown")] + [{"rule": []}])
    found = count([("w", many)], dataset="*", months=MONTHS, rules=RULES).found
    assert found == {"cn.id_card": 1, "cn.mobile": 1, "email": 1}
    assert found.total() <= RULES_MAX
