"""What the environment and the command line say about reloading."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from yumen.cli.serve import joined
from yumen.errors import CannotStart
from yumen.settings import Settings


@pytest.mark.parametrize(("value", "watch"), [("", True), ("1", True), ("0", False)])
def test_watching(value: str, watch: bool) -> None:
    """Policies are watched unless somebody says otherwise."""
    assert Settings.from_env({"YUMEN_WATCH": value}).watch is watch


@pytest.mark.parametrize("value", ["no", "2", "false"])
def test_what_watching_cannot_be(value: str) -> None:
    """A word that could be meant either way is refused."""
    with pytest.raises(CannotStart, match="YUMEN_WATCH must be a whole number from 0 to 1"):
        Settings.from_env({"YUMEN_WATCH": value})


def test_keys_of_signers() -> None:
    """Every key reaches the workers by its whole path, wherever they run; without any, nothing is required."""
    paths = (Path("签名.pem"), Path("/etc/yumen/other key.pem"))
    settings = Settings.from_env({"YUMEN_REQUIRE_SIGNED": joined(paths)})
    assert settings.require_signed == (Path.cwd() / "签名.pem", Path("/etc/yumen/other key.pem"))
    assert Settings.from_env({}).require_signed == ()
    with pytest.raises(CannotStart, match="the path of a key cannot hold"):
        joined((Path(f"a{os.pathsep}b.pem"),))
