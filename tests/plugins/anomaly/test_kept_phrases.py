"""What is kept of phrases is what would be read out of them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from yumen_plugins.anomaly.injection import HINTS, PHRASES, readings
from yumen_plugins.anomaly.injection.needles import chosen
from yumen_plugins.anomaly.injection.phrasebook import expressions
from yumen_plugins.anonymize import kept_files

SOME = ["忽略.{0,8}指令", r"\bignore (all|any) rules"]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has been read anew, in order; nothing is kept at first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    read: list[str] = []
    reading = readings.reading

    def noted(expression: str) -> readings.Reading:
        read.append(expression)
        return reading(expression)

    monkeypatch.setattr(readings, "reading", noted)
    return read


def only_file() -> Path:
    within = kept_files.folder()
    assert within is not None
    (path,) = within.iterdir()
    return path


def test_every_built_in_phrase_is_kept_as_it_is_read(asked: list[str]) -> None:
    """What comes from the disk equals what is read: no attack is missed because a gateway was started before."""
    every = [one for several in (*expressions(*PHRASES).values(), *HINTS.values()) for one in several]
    first = readings.readings(every)
    assert readings.readings(every) == first
    assert asked == every
    assert [{*map(frozenset, one.needed)} for one in first] == [{*chosen(one)} for one in every]
    assert all(one.instructions > 0 for one in first)


def test_other_phrases_and_other_readers_are_read_anew(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept depends on every phrase and on the sources of those who read them, so that no update finds what was."""
    readings.readings(SOME)
    readings.readings(SOME[:1])
    (tmp_path / "needles.py").write_text("# another version")
    monkeypatch.setattr(readings, "READERS", (tmp_path / "needles.py",))
    readings.readings(SOME)
    assert asked == [*SOME, SOME[0], *SOME]


@pytest.mark.parametrize("content", [b"", msgspec.msgpack.encode([[1, []]]), msgspec.msgpack.encode({"a": 1})])
def test_a_file_of_another_shape_is_replaced(asked: list[str], content: bytes) -> None:
    """What is no list of as many readings costs the time of reading, once."""
    readings.readings(SOME)
    kept_files.write(only_file().name, content)
    for _ in range(2):
        readings.readings(SOME)
    assert asked == [*SOME, *SOME]
