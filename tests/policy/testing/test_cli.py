"""`yumen policy test` as a person or a pipeline uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.policy.testing.bench import FILES, GATEWAY, case, chain, plugin, run, write

GOOD = case("hello", expect={"decision": "allow"})
BAD = {**case("禁止 13812345678", expect={"forwarded": {"includes": ["13812345678"]}}), "name": "the other 另一个"}
TODO = case("hello", expect={"decision": "block"}, todo="wait for the list 等名单")
TWO = {
    "gateway.yaml": chain("words"),
    "words.yaml": plugin("guard_words", config={"note": ["猎鹰"], "block": ["禁止"]}),
}
FOUND = case("猎鹰", expect={"findings": ["note.猎鹰"]})
READY = case("hello", expect={"decision": "allow"}, todo="wait for the list")


def test_all_pass(tmp_path: Path) -> None:
    """Exit 0, a table by file, and a last line with the counts; nothing on standard error."""
    result = run(str(write(tmp_path, GOOD, GOOD)))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "2 cases: 2 passed, 0 failed"
    assert "cases.test.yaml" in result.stdout
    assert result.stderr == ""


def test_one_fails(tmp_path: Path) -> None:
    """Exit 2, and a line that leads to the case and names the condition, and no text of it."""
    folder = write(tmp_path, GOOD, BAD)
    result = run(str(folder))
    assert result.exit_code == 2
    assert result.stdout.splitlines()[0] == (
        f"{folder}/cases.test.yaml:4: the other 另一个: expect.forwarded (the engine was not asked; the caller got the"
        " error policy_blocked: rule block.禁止)"
    )
    assert "13812345678" not in result.output
    assert result.stderr == "yumen: 1 case failed\n"


def test_values_are_shown_when_asked_for(tmp_path: Path) -> None:
    """`--var-values` shows what was expected and what came, which a log of a pipeline better does not hold."""
    wrong = case("电话13812345678", expect={"reply": {"equals": "电话13987654321"}})
    folder = str(write(tmp_path, wrong))
    assert run(folder, "--var-values").stdout.splitlines()[1:3] == [
        "    expected: 电话13987654321", "    actual:   电话13812345678"
    ]  # fmt: skip
    for quiet in (run(folder).output, run(folder, "--json").output):
        assert "138" not in quiet
        assert "139" not in quiet


def test_todo_cases_fail_nothing(tmp_path: Path) -> None:
    """They are run, listed and counted; one that passes by now says so."""
    folder = write(tmp_path, GOOD, TODO, READY)
    result = run(str(folder))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[:2] == [
        f"{folder}/cases.test.yaml:4: a case: todo: wait for the list 等名单",
        f"{folder}/cases.test.yaml:5: a case: passes now, remove its todo",
    ]
    assert result.stdout.splitlines()[-1] == "3 cases: 1 passed, 0 failed, 2 to do (1 of them ready)"


def test_cases_are_chosen_by_their_names(tmp_path: Path) -> None:
    """`--run` takes a regular expression; what it does not match does not run."""
    folder = str(write(tmp_path, GOOD, BAD))
    assert run(folder, "--run", "^a c").exit_code == 0
    assert run(folder, "--run", "另一个|nothing").exit_code == 2
    broken = run(folder, "--run", "(")
    assert (broken.exit_code, broken.stdout) == (1, "")


def test_no_case_at_all(tmp_path: Path) -> None:
    """A bundle without cases passes, unless somebody wants cases."""
    folder = str(write(tmp_path, GOOD))
    assert run(folder, "--run", "nothing").exit_code == 0
    empty = run(folder, "--run", "nothing", "--fail-on-empty")
    assert (empty.exit_code, empty.stderr) == (2, "yumen: there are no cases\n")
    assert run(folder, "--fail-on-empty").exit_code == 0


def test_coverage_and_its_threshold(tmp_path: Path) -> None:
    """Rules that no case reaches are listed with their places; below the threshold the exit status is 2."""
    folder = write(tmp_path, FOUND, files=TWO)
    covered = run(str(folder), "--coverage")
    assert covered.exit_code == 0
    assert f"{folder}/words.yaml:1: words: block.禁止: no case reaches it" in covered.stdout
    assert "1 of 2 rules reached, 50.0 %" in covered.stdout
    assert run(str(folder), "--threshold", "50").exit_code == 0
    below = run(str(folder), "--threshold", "50.1")
    assert (below.exit_code, below.stderr) == (2, "yumen: 50.0 % of the rules are reached, and 50.1 % must be\n")


def test_survivors(tmp_path: Path) -> None:
    """`--mutate` lists the rules whose loss no case notices, and fails where there are any."""
    folder = write(tmp_path, FOUND, files=TWO)
    result = run(str(folder), "--mutate")
    assert result.exit_code == 2
    assert f"{folder}/words.yaml:1: words: block.禁止: no case notices its loss" in result.stdout
    assert "2 rules switched off one at a time; cases noticed 1" in result.stdout
    both = write(tmp_path, FOUND, case("禁止", expect={"decision": "block"}), files=TWO)
    assert run(str(both), "--mutate").exit_code == 0
    failing = run(str(write(tmp_path, case("禁止", expect={"decision": "allow"}), files=TWO)), "--mutate")
    assert "no rule was switched off: first let the cases pass" in failing.stdout


def test_json(tmp_path: Path) -> None:
    """One object with everything, without texts of cases."""
    folder = write(tmp_path, GOOD, BAD, READY)
    result = run(str(folder), "--json", "--mutate", "--coverage")
    shown: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == 2
    assert (shown["ok"], shown["wrong"]) == (False, ["1 case failed"])
    assert (shown["passed"], shown["failed"], shown["todo"], shown["mutation"]) == (1, 1, 1, None)
    assert [one["status"] for one in shown["cases"]] == ["passed", "failed", "ready"]
    assert shown["cases"][1]["conditions"][0]["name"] == "expect.forwarded"
    assert shown["coverage"]["total"] == 7
    assert "13812345678" not in result.stdout


@pytest.mark.parametrize("as_json", [True, False])
def test_a_bundle_that_does_not_hold(tmp_path: Path, as_json: bool) -> None:
    """Its diagnostics are printed as `check` prints them, and nothing is run."""
    folder = write(tmp_path, case("a", expects={}), files=FILES)
    result = run(str(folder), *(["--json"] if as_json else []))
    assert result.exit_code == 2
    if as_json:
        shown = json.loads(result.stdout)
        assert shown["ok"] is False
        assert [one["code"] for one in shown["diagnostics"]] == ["policy.missing-key", "policy.unknown-key"]
    else:
        assert f"{folder}/cases.test.yaml:3:5: policy.missing-key: " in result.stdout


def test_what_could_not_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No such bundle, a plugin that does not start, a report that cannot be written: a sentence, and exit 1."""
    assert run("no-such-bundle").exit_code == 1
    monkeypatch.setattr("yumen_plugins.limits.Limits.start", _refuse)
    files = {"gateway.yaml": chain("limits"), "limits.yaml": plugin("limits")}
    refused = run(str(write(tmp_path, GOOD, files=files)))
    assert (refused.exit_code, refused.stderr) == (1, "yumen: plugin limits: it cannot\n")
    written = run(str(write(tmp_path, GOOD)), "--junit", str(tmp_path))
    assert written.exit_code == 1
    assert "cannot write" in written.stderr


async def _refuse(self: Any, host: Any) -> None:
    from yumen import CannotStart

    raise CannotStart("it cannot")


def test_variables_for_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle whose upstream is not known here is tested all the same; without it the way out is said."""
    monkeypatch.delenv("SOME_URL", raising=False)
    files = {**FILES, "gateway.yaml": GATEWAY.replace("http://127.0.0.1:9/v1", "${env:SOME_URL}")}
    folder = str(write(tmp_path, GOOD, files=files))
    missing = run(folder)
    assert missing.exit_code == 2
    assert "policy.env: the variable SOME_URL is not set" in missing.stdout
    assert "--env NAME=VALUE" in missing.stderr
    assert run(folder, "--env", "SOME_URL=http://127.0.0.1:9/v1").exit_code == 0
    assert run(folder, "--env", "SOME_URL").exit_code == 1
    assert run(folder, SOME_URL="http://127.0.0.1:9/v1").exit_code == 0


def test_names_move_no_cursor(tmp_path: Path) -> None:
    """A case may be called anything; what it is called is printed on one line."""
    wrong = {**case("禁止", expect={"decision": "allow"}), "name": "\x1b[2J\r\nmine.yaml:1: 假的: passed"}
    first = run(str(write(tmp_path, wrong))).stdout.splitlines()[0]
    assert ": ?[2J??mine.yaml:1: 假的: passed: expect.decision" in first


def test_the_default_bundle_is_that_of_the_settings(tmp_path: Path) -> None:
    """Without an argument the bundle is the one that `serve` would take."""
    folder = write(tmp_path, GOOD)
    assert json.loads(run("--json", YUMEN_POLICIES=str(folder)).stdout)["bundle"] == "bundle"


def test_the_folder_of_a_run_is_where_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`TMPDIR` says where; a place where no folder can be made is a sentence, and exit 1."""
    folder = str(write(tmp_path, case("hello", expect={"audit": {"outcome": "ok"}})))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "there"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "there"))
    missing = run(folder)
    assert missing.exit_code == 1
    assert "cannot make a temporary folder" in missing.stderr
    (tmp_path / "there").mkdir()
    assert run(folder).exit_code == 0
    assert list((tmp_path / "there").iterdir()) == []


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """The data directory of the run is gone afterwards, and the one of the settings is not touched."""
    from yumen.policy.testing.harness import MEMORY

    before = set(MEMORY.glob("yumen-test-*"))
    data = tmp_path / "data"
    assert run(str(write(tmp_path, GOOD, BAD)), YUMEN_DATA=str(data)).exit_code == 2
    assert set(MEMORY.glob("yumen-test-*")) <= before
    assert not data.exists()
