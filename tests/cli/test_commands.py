"""The command line as a person or a script uses it; keys and audit have tests of their own."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from yumen import registry
from yumen.cli import VERBS, main


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, list(arguments), env=env)


def commands(group: click.Group, *path: str) -> list[tuple[str, ...]]:
    """Every command below a group, as the words that call it."""
    found: list[tuple[str, ...]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += commands(command, *path, name)
    return found


@pytest.mark.parametrize("words", commands(main), ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...]) -> None:
    """`--help` of every command says in a sentence what it does."""
    result = run(*words, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage:")
    assert len(result.stdout.split("\n\n")[1].split()) > 2


def test_help_lists_every_verb() -> None:
    """The first thing somebody types shows all there is, contributed verbs too."""
    out = run("--help").stdout
    assert all(verb in out for verb in [*VERBS, "audit"])


def test_a_verb_that_cannot_be_imported_spoils_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken package that contributes a verb is named when it is called; the help and the others still work."""
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[yumen.commands]\nbroken = not_there:command\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "From broken." in run("--help").stdout
    assert run("plugins", "list").exit_code == 0
    result = run("broken")
    assert result.exit_code == 1
    assert "broken" in result.stderr
    assert "Traceback" not in result.output


def test_init_and_check(tmp_path: Path) -> None:
    """What init writes passes check, and is never written over anything."""
    folder = tmp_path / "新的"
    made = run("init", str(folder))
    assert made.exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        ".schema",
        "anomaly.yaml",
        "anonymize.yaml",
        "audit.yaml",
        "cache.yaml",
        "gateway.yaml",
        "limits.yaml",
    ]
    checked = run("policy", "check", str(folder))
    assert checked.exit_code == 0
    assert "audit → limits → anomaly → anonymize → cache" in checked.stdout
    again = run("init", str(folder))
    assert again.exit_code == 1
    assert "is not empty; name a new folder" in again.stderr
    assert run("init", str(tmp_path / "x"), "--from", "nothing").exit_code == 1


def test_check_says_what_is_wrong_with_exit_2(tmp_path: Path) -> None:
    """Every line begins with file, line and column; the JSON form holds the same; 1 is for what is not there."""
    run("init", str(tmp_path))
    (tmp_path / "limits.yaml").write_text("version: 1\nplugin: limits\nmodee: off\n")
    result = run("policy", "check", str(tmp_path))
    assert result.exit_code == 2
    assert result.stdout.startswith(f"{tmp_path}/limits.yaml:3:1: policy.unknown-key: nobody knows the key `modee`")
    printed = run("policy", "check", str(tmp_path), "--json")
    report = json.loads(printed.stdout)
    assert printed.exit_code == 2
    assert (report["ok"], report["hash"], report["routes"]) == (False, "", [])
    assert [(one["line"], one["column"], one["code"]) for one in report["diagnostics"]] == [
        (3, 1, "policy.unknown-key")
    ]
    assert run("policy", "check", str(tmp_path / "none")).exit_code == 1


def test_check_as_json() -> None:
    """A good bundle as a script sees it, by its name."""
    report = json.loads(run("policy", "check", "starter", "--json", YUMEN_UPSTREAM="http://127.0.0.1:9/v1").stdout)
    assert report["ok"]
    assert len(report["hash"]) == 64
    (route,) = report["routes"]
    assert (route["chain"], route["engine"], route["egress"]) == (
        ["audit", "limits", "anomaly", "anonymize", "cache"],
        "llm",
        "remote",
    )


@pytest.mark.parametrize(("kind", "some"), [("plugin", "anonymize"), ("engine", "faq")])
def test_lists(kind: str, some: str) -> None:
    """What is installed, as a table and as JSON, from metadata alone."""
    assert some in run(f"{kind}s", "list").stdout
    listed = json.loads(run(f"{kind}s", "list", "--json").stdout)
    assert [one["name"] for one in listed if one.get("kind") != "evaluator"] == registry.names(kind)
    assert all(one["distribution"] and one["version"] and ":" in one["target"] for one in listed)


@pytest.mark.parametrize(("name", "value"), [("PORT", "eighty"), ("PORT", "70000"), ("WORKERS", "0"), ("PORT", "٣")])
def test_settings_that_are_no_numbers(name: str, value: str) -> None:
    """A setting that cannot be is a sentence, not a traceback."""
    result = run("plugins", "list", **{f"YUMEN_{name}": value})
    assert result.exit_code == 1
    assert f"YUMEN_{name} must be a whole number" in result.stderr
