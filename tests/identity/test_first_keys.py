"""The first keys of a gateway, generated or given by the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from yumen import CannotStart, Secret, Settings
from yumen.identity import Keys, ensure_first_keys


def opened(folder: Path) -> Keys:
    return Keys.open(folder, Secret.open(folder))


def test_the_first_start_makes_one_key_of_each_role(tmp_path: Path) -> None:
    """Both keys are returned once, work, and are not made again."""
    folder = tmp_path / "data"
    made = ensure_first_keys(Settings(data_dir=folder))
    keys = opened(folder)
    assert list(made) == ["app", "admin"]
    for role, key in made.items():
        entry = keys.find(key)
        assert entry is not None
        assert (entry.role, entry.tenant, entry.app, entry.trusted) == (role, "default", "default", False)
    assert ensure_first_keys(Settings(data_dir=folder)) == {}


def test_given_keys_are_taken_and_not_shown(tmp_path: Path) -> None:
    """A key that the operator fixed works and is not printed."""
    settings = Settings(data_dir=tmp_path, app_key="fixed-app-key", admin_key="fixed-admin-key")
    assert ensure_first_keys(settings) == {}
    keys = opened(tmp_path)
    app, admin = keys.find("fixed-app-key"), keys.find("fixed-admin-key")
    assert app is not None
    assert admin is not None
    assert (app.role, admin.role) == ("app", "admin")


def test_a_given_key_is_added_later_too(tmp_path: Path) -> None:
    """Setting the variable on a gateway that has keys adds the key beside them, once."""
    made = ensure_first_keys(Settings(data_dir=tmp_path))
    for _ in range(2):
        assert ensure_first_keys(Settings(data_dir=tmp_path, app_key="given-later")) == {}
    keys = opened(tmp_path)
    assert keys.find("given-later") is not None
    assert keys.find(made["app"]) is not None
    assert len(keys.list()) == 3


def test_a_given_key_that_was_revoked_stays_revoked(tmp_path: Path) -> None:
    """A restart with the same environment does not undo a revocation."""
    settings = Settings(data_dir=tmp_path, app_key="fixed-app-key")
    ensure_first_keys(settings)
    keys = opened(tmp_path)
    entry = keys.find("fixed-app-key")
    assert entry is not None
    keys.revoke(entry.id)
    assert ensure_first_keys(settings) == {}
    assert opened(tmp_path).find("fixed-app-key") is None


def test_revoking_every_key_does_not_make_new_ones(tmp_path: Path) -> None:
    """Only a gateway that never had a key of a role gets one by itself."""
    ensure_first_keys(Settings(data_dir=tmp_path))
    keys = opened(tmp_path)
    for entry in keys.list():
        keys.revoke(entry.id)
    assert ensure_first_keys(Settings(data_dir=tmp_path)) == {}


@pytest.mark.parametrize(
    "key", [" ", "short-7", "has a blank", "tab\tinside", "nul\x00inside", "钥匙钥匙钥匙钥匙", "x" * 257, "line\nbreak"]
)
@pytest.mark.parametrize("role", ["app", "admin"])
def test_a_bad_fixed_key_is_refused(tmp_path: Path, key: str, role: str) -> None:
    """What a header cannot carry or anybody could guess is refused with the variable's name, without the key."""
    settings = Settings(data_dir=tmp_path, app_key=key) if role == "app" else Settings(data_dir=tmp_path, admin_key=key)
    with pytest.raises(CannotStart, match=f"YUMEN_{role.upper()}_KEY") as caught:
        ensure_first_keys(settings)
    assert key == " " or key not in str(caught.value)
    assert not (tmp_path / "keys.json").exists()


def test_one_key_cannot_have_two_roles(tmp_path: Path) -> None:
    """An app key that also opened the control plane would be found out too late."""
    with pytest.raises(CannotStart, match="the same"):
        ensure_first_keys(Settings(data_dir=tmp_path, app_key="one-for-all", admin_key="one-for-all"))
    ensure_first_keys(Settings(data_dir=tmp_path, app_key="one-for-all"))
    with pytest.raises(CannotStart, match="already known as app key"):
        ensure_first_keys(Settings(data_dir=tmp_path, admin_key="one-for-all"))


def test_a_corrupt_file_stops_the_start(tmp_path: Path) -> None:
    """Keys are never silently made anew over a file that cannot be read."""
    (tmp_path / "keys.json").write_text("{}")
    with pytest.raises(CannotStart, match="restore it from a backup"):
        ensure_first_keys(Settings(data_dir=tmp_path))
