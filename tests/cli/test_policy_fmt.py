"""`yumen policy fmt` as a person, a script or an editor uses it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from yumen.cli import main

MESSY = "version:   1\nplugin: limits # 限\n"
TIDY = "version: 1\nplugin: limits  # 限\n"


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, ["policy", "fmt", *arguments], env=env)


def test_it_writes_what_is_not_in_the_form(tmp_path: Path) -> None:
    """A folder's policy and test files are written, and nothing else in it; a second run has nothing to do."""
    (tmp_path / "limits.yaml").write_text(MESSY)
    (tmp_path / "more.test.yaml").write_text("version:  1\n")
    (tmp_path / "other.yml").write_text(MESSY)
    result = run(str(tmp_path))
    assert result.exit_code == 0
    assert result.stdout == f"wrote {tmp_path}/limits.yaml\nwrote {tmp_path}/more.test.yaml\n"
    assert (tmp_path / "limits.yaml").read_text() == TIDY
    assert (tmp_path / "other.yml").read_text() == MESSY
    again = run(str(tmp_path))
    assert (again.exit_code, again.stdout) == (0, "")


def test_check_writes_nothing(tmp_path: Path) -> None:
    """`--check` lists what would change with exit status 2, `--diff` shows it too; 0 where nothing would."""
    path = tmp_path / "limits.yaml"
    path.write_text(MESSY)
    checked, shown = run("--check", str(path)), run("--diff", str(path))
    assert (checked.exit_code, checked.stdout) == (2, f"would change {path}\n")
    assert shown.exit_code == 2
    assert "-plugin: limits # 限\n+version: 1\n+plugin: limits  # 限\n" in shown.stdout
    assert path.read_text() == MESSY
    path.write_text(TIDY)
    assert (run("--check", str(path)).exit_code, run("--check", str(path)).stdout) == (0, "")


def test_as_json(tmp_path: Path) -> None:
    """One object with every file and everything that is wrong, as a script reads it."""
    (tmp_path / "a.yaml").write_text(MESSY)
    (tmp_path / "b.yaml").write_text("a: 1\na: 2\n")
    result = run("--diff", "--json", str(tmp_path))
    report = json.loads(result.stdout)
    assert (result.exit_code, report["ok"]) == (2, False)
    assert [(Path(one["file"]).name, one["changed"]) for one in report["files"]] == [
        ("a.yaml", True),
        ("b.yaml", False),
    ]
    assert "+version: 1" in report["files"][0]["diff"]
    assert [(one["line"], one["code"]) for one in report["diagnostics"]] == [(2, "yaml.duplicate-key")]
    written = json.loads(run("--json", str(tmp_path / "a.yaml")).stdout)
    assert written["ok"]
    assert (tmp_path / "a.yaml").read_text() == TIDY


def test_a_file_that_is_wrong_is_left_and_the_others_are_written(tmp_path: Path) -> None:
    """What is no plain YAML is named with its place and exit status 2; what can be done is done."""
    (tmp_path / "a.yaml").write_text("a: [\n")
    (tmp_path / "b.yaml").write_text(MESSY)
    result = run(str(tmp_path))
    assert result.exit_code == 2
    assert f"{tmp_path}/a.yaml:2:1: yaml.syntax: " in result.stdout
    assert (tmp_path / "a.yaml").read_text() == "a: [\n"
    assert (tmp_path / "b.yaml").read_text() == TIDY


def test_installed_bundles_are_not_written(tmp_path: Path) -> None:
    """An installed bundle can be checked by its name; writing into the installation is refused, a copy is offered."""
    assert run("--check", "starter").exit_code == 0
    refused = run("starter")
    assert refused.exit_code == 1
    assert "`yumen init --from starter FOLDER` makes a copy to work on" in refused.stderr
    missing = run(str(tmp_path / "没有.yaml"))
    assert missing.exit_code == 1
    assert "there is neither a file or folder" in missing.stderr


def test_without_a_name_it_is_about_the_bundle_of_the_settings(tmp_path: Path) -> None:
    """As with `check`, what `YUMEN_POLICIES` names is meant."""
    (tmp_path / "limits.yaml").write_text(MESSY)
    assert run(YUMEN_POLICIES=str(tmp_path)).stdout == f"wrote {tmp_path}/limits.yaml\n"
