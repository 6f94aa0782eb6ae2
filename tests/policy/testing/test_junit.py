"""The JUnit report: well-formed whatever the cases are called, and with the counts that CI systems show."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from tests.policy.testing.bench import case, report, run, write

from yumen.policy.testing import Condition, Coverage, Report, Result
from yumen.policy.testing.junit import junit

NAME = '<a href="x">&amp; 你好 \t\x00\x1b[31m\ud800\uffff ]]>'


def made(name: str, values: str = "") -> Report:
    """A report of three cases that are called so."""
    conditions = [Condition(f"expect.{name}", name, values, values)]
    common = {"file": f"{name}.yaml", "line": 3, "owner": ""}
    cases = [
        Result(name=name, status="passed", **common),  # type: ignore[arg-type]  # of mixed types, as they should be
        Result(name=name, status="failed", conditions=conditions, **common),  # type: ignore[arg-type]
        Result(name=name, status="unfinished", todo=name, conditions=conditions, **common),  # type: ignore[arg-type]
    ]
    coverage = Coverage(reached=0, total=0, instances=[])
    return Report(bundle=name, hash="", passed=1, failed=1, todo=1, seconds=0, cases=cases, coverage=coverage)


def test_names_are_put_in_whole() -> None:
    """What XML gives a meaning to is kept as it is, and what it cannot hold is replaced."""
    root = ElementTree.fromstring(junit(made(NAME)))
    (suite,) = root
    assert suite[0].get("name") == '<a href="x">&amp; 你好 \t��[31m�� ]]>'
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("3", "1", "1")
    assert [len(one) for one in suite] == [0, 1, 1]


@given(st.text(st.characters(codec=None, exclude_categories=[])), st.text(st.characters(codec=None)))
def test_it_is_always_well_formed(name: str, values: str) -> None:
    """No name, condition or value can make a report that a CI system cannot read."""
    root = ElementTree.fromstring(junit(made(name or "x", values)))
    assert len(root[0]) == 3


async def test_a_suite_for_every_file(tmp_path: Path) -> None:
    """Cases are found again by file and line, and a failure says what failed."""
    done = await report(
        tmp_path,
        case("禁止", expect={"decision": "allow"}),
        case("hello", expect={"decision": "allow"}),
        case("hello", expect={"decision": "block"}, todo="later"),
    )
    (suite,) = ElementTree.fromstring(junit(done))
    assert [(one.get("line"), [below.tag for below in one]) for one in suite] == [
        ("3", ["failure"]), ("4", []), ("5", ["skipped"])
    ]  # fmt: skip
    failure = suite[0][0]
    assert "expect.decision" in (failure.get("message") or "")
    assert "cases.test.yaml:3: expect.decision" in (failure.text or "")


def test_values_stand_in_it_only_when_asked_for(tmp_path: Path) -> None:
    """A report that CI keeps holds no text of a case, unless somebody wants it."""
    wrong = case("电话13812345678", expect={"forwarded": {"excludes": ["电话"]}})
    folder, file = str(write(tmp_path, wrong)), tmp_path / "report.xml"
    assert run(folder, "--junit", str(file)).exit_code == 2
    assert "电话" not in file.read_text()
    assert run(folder, "--junit", str(file), "--var-values").exit_code == 2
    assert "without 电话" in file.read_text()
