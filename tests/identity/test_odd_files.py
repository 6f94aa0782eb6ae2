"""What stands in the place of a file of the data directory: said in a sentence, never waited for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from yumen import CannotStart, Secret
from yumen.identity import Keys
from yumen.reloadfile import ReloadFile


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a pipe": (os.mkfifo, "this is not a file"),
    "a device without end": (lambda path: path.symlink_to("/dev/zero"), "this is not a file"),
    "a folder": (Path.mkdir, "Is a directory"),
    "a link in a circle": (lambda path: path.symlink_to(path.name), "Too many levels of symbolic links"),
    "what is larger than memory": (large, "(is not|is larger than)"),
    "no text": (lambda path: path.write_bytes(b'{"version":1,"keys":["\xff\xfe"]}'), "is not"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("odd", ODD)
def test_nothing_odd_is_waited_for(tmp_path: Path, secret: Secret, odd: str) -> None:
    """Reading a pipe would stop the whole gateway for as long as nobody writes to it."""
    put, says = ODD[odd]
    for name in ("secret", "keys.json", "reload.json"):
        put(tmp_path / name)
    with pytest.raises(CannotStart, match=rf"secret\b.*{says}.*; "):
        Secret.open(tmp_path)
    with pytest.raises(CannotStart, match=rf"keys\.json\b.*{says}.*; "):
        Keys.open(tmp_path, secret)
    assert ReloadFile(tmp_path).new() == ""
