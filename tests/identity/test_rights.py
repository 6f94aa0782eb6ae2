"""Rights of keys: who may do more than every operator, and that nobody gets a right by accident."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from yumen import CannotStart, Secret
from yumen.cli import main
from yumen.identity import Keys
from yumen.keyfile import KeyFile


def test_a_right_is_kept_with_its_key(keys: Keys, tmp_path: Path, secret: Secret) -> None:
    """A key has the rights that it was made with, once each, also for other processes; by default it has none."""
    entry, key = keys.create(tenant="t", app="a", role="admin", rights=["reveal", "reveal"])
    assert entry.rights == ("reveal",)
    found = Keys.open(tmp_path, secret).find(key)
    assert found is not None
    assert found.rights == ("reveal",)
    assert keys.create(tenant="t", app="a", role="admin")[0].rights == ()


@pytest.mark.parametrize(("role", "right"), [("app", "reveal"), ("admin", "揭示"), ("admin", "REVEAL"), ("admin", "")])
def test_what_is_no_right_is_refused(keys: Keys, role: str, right: str) -> None:
    """Unknown rights, and rights of keys that never reach the control plane, make no key."""
    with pytest.raises(ValueError, match="right"):
        keys.create(tenant="t", app="a", role="admin" if role == "admin" else "app", rights=[right])
    assert keys.list() == []


def test_files_of_before_stay_readable(keys: Keys, tmp_path: Path) -> None:
    """A file whose keys have no word about rights is read, and nobody in it has any."""
    keys.create(tenant="t", app="a", role="admin")
    path = tmp_path / "keys.json"
    content = json.loads(path.read_text())
    del content["keys"][0]["rights"]
    path.write_text(json.dumps(content))
    assert [entry.rights for entry in KeyFile(tmp_path).read()] == [()]


def test_a_right_that_nobody_knows_makes_the_file_unreadable(keys: Keys, tmp_path: Path) -> None:
    """It is not passed over: a newer version may have meant something by it."""
    keys.create(tenant="t", app="a", role="admin", rights=["reveal"])
    path = tmp_path / "keys.json"
    path.write_text(path.read_text().replace('"reveal"', '"erase"'))
    with pytest.raises(CannotStart, match="not a key file"):
        KeyFile(tmp_path).read()


def test_the_command_line_makes_and_shows_it(tmp_path: Path) -> None:
    """`--may reveal` gives it, and lists show it; without `--role admin` it is refused with a sentence."""
    env = {"YUMEN_DATA": str(tmp_path)}
    made = ["keys", "create", "--tenant", "t", "--app", "a", "--may", "reveal"]
    refused = CliRunner().invoke(main, made, env=env)
    assert refused.exit_code == 2
    assert "--role admin" in refused.output
    result = CliRunner().invoke(main, [*made, "--role", "admin", "--json"], env=env)
    assert json.loads(result.stdout)["rights"] == ["reveal"]
    listed = CliRunner().invoke(main, ["keys", "list", "--json"], env=env)
    assert [one["rights"] for one in json.loads(listed.stdout)] == [["reveal"]]
    assert "reveal" in CliRunner().invoke(main, ["keys", "list"], env=env).stdout
