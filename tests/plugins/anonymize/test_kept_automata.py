"""Compiled automata that are kept on disk: what is not ours or not whole costs time, not safety."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import hyperscan
import pytest

from yumen_plugins.anonymize import kept_files
from yumen_plugins.anonymize.kept_automata import Expressions, kept, made
from yumen_plugins.anonymize.kept_files import FILES_MAX, folder

FLAGS = hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_SINGLEMATCH
EXPRESSIONS = {0: (b"1[3-9][0-9]{9}", FLAGS), 7: ("身份证".encode(), FLAGS)}


class Compiler:
    """Compiles, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, expressions: Expressions) -> Any:
        self.times += 1
        return made(expressions)


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Compiler()


def matches(database: Any, text: str) -> list[int]:
    found: list[int] = []
    database.scan(text.encode(), match_event_handler=lambda number, *_: found.append(number))
    return sorted(found)


def only_file() -> Path:
    within = folder()
    assert within is not None
    (path,) = within.iterdir()
    return path


def test_what_is_kept_finds_the_same(compiler: Compiler) -> None:
    """The second time nothing is compiled, and what comes from the disk finds what the first one did, in both languages."""
    first, second = kept(EXPRESSIONS, compiler), kept(EXPRESSIONS, compiler)
    assert compiler.times == 1
    for text in ("call 13812345678", "我的身份证", "身份证 13812345678", "nothing 没有"):
        assert matches(first, text) == matches(second, text)
    assert matches(second, "身份证 13812345678") == [0, 7]


def test_other_expressions_are_another_file(compiler: Compiler) -> None:
    """Whatever differs, number, text or flags, is compiled for itself."""
    kept(EXPRESSIONS, compiler)
    kept({1: EXPRESSIONS[0]}, compiler)
    kept({0: (EXPRESSIONS[0][0], 0)}, compiler)
    assert compiler.times == 3


DAMAGE = [
    lambda whole: whole[:-1],
    lambda whole: whole[:40],
    lambda _: b"",
    lambda whole: whole + b"x",
    lambda whole: whole[:50] + bytes([whole[50] ^ 1]) + whole[51:],
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_made_anew(compiler: Compiler, damage: Any) -> None:
    """A file that is cut, longer or changed is not loaded; it is replaced."""
    kept(EXPRESSIONS, compiler)
    path = only_file()
    path.write_bytes(damage(path.read_bytes()))
    assert matches(kept(EXPRESSIONS, compiler), "13812345678") == [0]
    kept(EXPRESSIONS, compiler)
    assert compiler.times == 2


def test_what_others_may_write_is_not_trusted(compiler: Compiler, tmp_path: Path) -> None:
    """A file or folder that somebody else could have written is passed over, and so is a link."""
    kept(EXPRESSIONS, compiler)
    path = only_file()
    path.chmod(0o666)
    kept(EXPRESSIONS, compiler)
    assert compiler.times == 2
    path = only_file()
    target = tmp_path / "elsewhere"
    path.rename(target)
    path.symlink_to(target)
    kept(EXPRESSIONS, compiler)
    assert compiler.times == 3
    path.parent.chmod(0o777)
    assert folder() is None
    kept(EXPRESSIONS, compiler)
    assert compiler.times == 4


def test_no_place_is_no_fault(compiler: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be kept, everything works as before."""
    (tmp_path / "file").write_text("")
    for place in (str(tmp_path / "file"), "relative", "/proc/none"):
        monkeypatch.setenv("XDG_CACHE_HOME", place)
        assert matches(kept(EXPRESSIONS, compiler), "13812345678") == [0]
    assert compiler.times == 3


def test_old_ones_make_room(compiler: Compiler) -> None:
    """There are never more than so many files, and those that nobody asked for go first."""
    kept(EXPRESSIONS, compiler)
    asked = only_file()
    for number in range(FILES_MAX + 5):
        kept_files.write(f"{number}", b"an automaton")
        os.utime(asked.parent / f"{number}", (number, number))
        os.utime(asked, (0, 0))
        kept(EXPRESSIONS, compiler)
    assert compiler.times == 1
    names = os.listdir(asked.parent)
    assert len(names) == FILES_MAX
    assert {asked.name, f"{FILES_MAX + 4}"} <= {*names}
    assert "0" not in names


def test_all_of_them_have_a_limit(compiler: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    """However large they are, all files together stay below a limit, and one that is too large is not kept at all."""
    monkeypatch.setattr(kept_files, "FOLDER_BYTES_MAX", 1000)
    monkeypatch.setattr(kept_files, "FILE_BYTES_MAX", 500)
    for number in range(10):
        kept_files.write(f"{number}", b"x" * 300)
    kept_files.write("large", b"x" * 480)
    within = folder()
    assert within is not None
    assert sum(path.stat().st_size for path in within.iterdir()) <= 1000
    assert len(os.listdir(within)) == 3
    assert kept_files.read("large") is None
