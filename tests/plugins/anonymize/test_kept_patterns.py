"""Compiled patterns that are kept on disk are the very patterns that `re` would make."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from yumen_plugins.anonymize import kept_files, kept_patterns
from yumen_plugins.anonymize.detectors import CATALOGUE
from yumen_plugins.anonymize.kept_patterns import Code, code_of, compiled, prepare

EVERY = sorted({pattern for one in CATALOGUE for pattern in one.patterns})
LONG = [f"(?P<value>{'王|李|' * 200}Smith)(?P<rest>[0-9]?)", f"(?i:{'name|' * 200}姓名)"]


class Process:
    """What one process has compiled; `begin` stands for the next one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.times = 0
        monkeypatch.setattr(kept_patterns, "code_of", self._code_of)
        self.begin()

    def begin(self) -> None:
        self._monkeypatch.setattr(kept_patterns, "_made", {})

    def _code_of(self, pattern: str) -> Code:
        self.times += 1
        return code_of(pattern)


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Process:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return Process(monkeypatch)


def only_file() -> Path:
    within = kept_files.folder()
    assert within is not None
    (path,) = within.iterdir()
    return path


@pytest.mark.slow
def test_every_built_in_pattern_is_the_one_that_re_makes(process: Process) -> None:
    """What comes from the disk equals, in flags, code, groups and names, what `re` compiles: no detector finds less."""
    prepare(EVERY)
    made = process.times
    process.begin()
    prepare(EVERY)
    assert process.times == made == len(EVERY)
    for pattern in EVERY:
        one, other = compiled(pattern), re.compile(pattern)
        assert one == other
        assert (one.groups, one.groupindex) == (other.groups, other.groupindex)


def test_more_patterns_join_those_that_are_kept(process: Process) -> None:
    """Another choice of detectors compiles what is new, and what was kept stays."""
    prepare(LONG[:1])
    process.begin()
    prepare(LONG)
    process.begin()
    prepare(LONG)
    assert process.times == 2
    found = compiled(LONG[0]).search("我叫王5")
    assert found is not None
    assert found.group("value", "rest") == ("王", "5")


WRONG = [
    b"",
    msgspec.msgpack.encode([1]),
    msgspec.msgpack.encode({LONG[0]: [0, [99, 99, 99], 2, {"value": 1}]}),
    msgspec.msgpack.encode({LONG[0]: [0, [-1], 2, {"value": 1}]}),
    msgspec.msgpack.encode({LONG[0]: [0, [1 << 40], 2, {"value": 1}]}),
    msgspec.msgpack.encode({LONG[0]: [0, [], 0, {"value": 9}]}),
]


@pytest.mark.parametrize("content", WRONG)
def test_code_that_the_engine_refuses_is_made_anew(process: Process, content: bytes) -> None:
    """A file of another shape, or with code that is none, costs the time of compiling, and is replaced."""
    prepare(LONG[:1])
    path = only_file()
    kept_files.write(path.name, content)
    for _ in range(2):
        process.begin()
        prepare(LONG[:1])
        assert compiled(LONG[0]) == re.compile(LONG[0])
    assert process.times == 2


def test_it_never_grows_without_end(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patterns of versions that have gone do not stay for ever: a file that is full begins anew."""
    monkeypatch.setattr(kept_patterns, "PATTERNS_MAX", 1)
    prepare(LONG[:1])
    prepare(LONG)
    process.begin()
    prepare(LONG[1:])
    assert process.times == 2
    assert len(msgspec.msgpack.decode(kept_files.read(only_file().name) or b"")) == 1
