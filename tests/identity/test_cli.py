"""`yumen keys` as a person or a script uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from yumen import Secret
from yumen.cli import main
from yumen.identity import Keys


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["keys", *arguments], env={"YUMEN_DATA": str(folder)})


def opened(folder: Path) -> Keys:
    return Keys.open(folder, Secret.open(folder))


def test_a_created_key_works(tmp_path: Path) -> None:
    """Standard output is the key and nothing else, so that a script can take it."""
    result = run(tmp_path, "create", "--tenant", "t", "--app", "a")
    assert result.exit_code == 0
    entry = opened(tmp_path).find(result.stdout.strip())
    assert entry is not None
    assert (entry.tenant, entry.app, entry.role, entry.trusted) == ("t", "a", "app", False)


def test_json_holds_the_key_and_what_is_kept_of_it(tmp_path: Path) -> None:
    """The JSON form is an object with `key`, and without the digest."""
    result = run(tmp_path, "create", "--tenant", "t", "--app", "a", "--role", "admin", "--trusted", "--json")
    printed = json.loads(result.stdout)
    entry = opened(tmp_path).find(printed["key"])
    assert entry is not None
    assert printed["id"] == entry.id
    assert (printed["tenant"], printed["app"], printed["role"], printed["trusted"]) == ("t", "a", "admin", True)
    assert "hash" not in printed


@pytest.mark.parametrize("as_json", [False, True])
def test_the_list_never_shows_a_key(tmp_path: Path, as_json: bool) -> None:
    """The list names every key's id, tenant and app; neither key nor digest stands in it."""
    key = run(tmp_path, "create", "--tenant", "t" * 64, "--app", "b" * 64).stdout.strip()
    entry = opened(tmp_path).list()[0]
    result = run(tmp_path, "list", *(["--json"] if as_json else []))
    assert result.exit_code == 0
    assert all(part in result.stdout for part in (entry.id, "t" * 64, "b" * 64))
    assert key not in result.stdout
    assert entry.hash not in result.stdout
    if as_json:
        assert [item["id"] for item in json.loads(result.stdout)] == [entry.id]


def test_revoke_ends_a_key(tmp_path: Path) -> None:
    """A revoked key is refused, and the list says since when."""
    key = run(tmp_path, "create", "--tenant", "t", "--app", "a").stdout.strip()
    entry = opened(tmp_path).list()[0]
    assert run(tmp_path, "revoke", entry.id).exit_code == 0
    assert opened(tmp_path).find(key) is None
    assert opened(tmp_path).list()[0].revoked in run(tmp_path, "list").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--tenant", "租户", "--app", "a"),
        ("create", "--tenant", "t", "--app", "a b"),
        ("create", "--tenant", "t", "--app", ""),
        ("create", "--tenant", "t"),
        ("create", "--tenant", "t", "--app", "a", "--role", "root"),
        ("revoke", "k000"),
    ],
)
def test_what_is_wrong_ends_with_code_2_and_a_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Bad names and unknown ids change nothing and say what would be right."""
    result = run(tmp_path, *arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert opened(tmp_path).list() == []


def test_what_cannot_be_read_ends_with_code_1(tmp_path: Path) -> None:
    """A corrupt key file is told in a sentence, without a traceback."""
    (tmp_path / "keys.json").write_text("{")
    for arguments in (("list",), ("create", "--tenant", "t", "--app", "a"), ("revoke", "k1")):
        result = run(tmp_path, *arguments)
        assert result.exit_code == 1
        assert "restore it from a backup" in result.stderr
