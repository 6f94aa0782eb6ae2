"""A file for a collector on this machine: durable, whole lines, put aside when it is full."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.audit.sinks.carrying import FOREVER

from yumen_plugins.audit.sinks import Batch, FileSink
from yumen_plugins.audit.sinks.file import FileTarget, _cut_torn
from yumen_plugins.audit.sinks.target import Unreached


def deliver(data: Path, *lines: bytes, **more: Any) -> None:
    config = FileSink(**{"name": "siem", "path": "out/审计.jsonl", **more})
    asyncio.run(FileTarget(config, data).deliver(Batch(FOREVER, list(enumerate(lines)))))


def content(data: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data / "out").iterdir()}


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """As on a full disk: what would make a file larger is written in part, or not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_lines_are_appended_for_the_owner_alone(tmp_path: Path) -> None:
    """Records hold what people wrote, masked: nobody else on the machine may read them."""
    deliver(tmp_path, b"one", "二".encode())
    deliver(tmp_path, b"three")
    assert content(tmp_path) == {"审计.jsonl": "one\n二\nthree\n".encode()}
    assert (tmp_path / "out" / "审计.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("torn", [b"", b"half a li", b"x" * 200_000, "半行".encode()])
def test_a_torn_line_is_cut(tmp_path: Path, torn: bytes) -> None:
    """What a crash left of a line goes, however long, so that the next line is not glued to it."""
    deliver(tmp_path, b"one")
    with (tmp_path / "out" / "审计.jsonl").open("ab") as file:
        file.write(torn)
    deliver(tmp_path, b"two")
    assert content(tmp_path) == {"审计.jsonl": b"one\ntwo\n"}


@given(st.binary(max_size=300).map(lambda data: data.replace(b"x", b"\n")), st.integers(1, 1 << 18))
def test_cutting_keeps_every_whole_line(written: bytes, padding: int) -> None:
    """Whatever stands in the file: up to its last newline it stays as it is."""
    descriptor = os.memfd_create("torn")
    try:
        os.write(descriptor, b"first\n" + written + b"y" * padding)
        size = _cut_torn(descriptor)
        kept = os.pread(descriptor, 1 << 20, 0)
    finally:
        os.close(descriptor)
    assert (size, kept) == (len(kept), (b"first\n" + written)[: (b"first\n" + written).rfind(b"\n") + 1])


def test_a_full_disk_leaves_no_half_batch(tmp_path: Path) -> None:
    """A batch that was written in part is taken back, names no path, and comes as a whole when there is room."""
    deliver(tmp_path, b"a" * 3_000)
    with file_size_limit(4_096), pytest.raises(Unreached) as failed:
        deliver(tmp_path, b"b" * 600, b"c" * 600)
    assert failed.value.kind == "file EFBIG"
    assert content(tmp_path)["审计.jsonl"] == b"a" * 3_000 + b"\n"
    deliver(tmp_path, b"b" * 600, b"c" * 600)
    lines = content(tmp_path)["审计.jsonl"].split(b"\n")
    assert lines == [b"a" * 3_000, b"b" * 600, b"c" * 600, b""]


@pytest.mark.parametrize(("keep", "left"), [(0, [1, 2, 3, 4]), (2, [3, 4])])
def test_a_full_file_is_put_aside(tmp_path: Path, keep: int, left: list[int]) -> None:
    """Files put aside are numbered as they come, and of them as many stay as were asked for; no line is split."""
    for number in range(5):
        deliver(tmp_path, str(number).encode() * 3_000, rotate_bytes=4_096, keep=keep)
    aside = {f"审计.jsonl.{number:06d}": str(number - 1).encode() * 3_000 + b"\n" for number in left}
    assert content(tmp_path) == {**aside, "审计.jsonl": b"4" * 3_000 + b"\n"}


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    """As log rotation of the system does it."""
    deliver(tmp_path, b"one")
    (tmp_path / "out" / "审计.jsonl").rename(tmp_path / "out" / "old")
    deliver(tmp_path, b"two")
    assert content(tmp_path) == {"old": b"one\n", "审计.jsonl": b"two\n"}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Who can write into the folder must not choose which file records are appended to."""
    (tmp_path / "out").mkdir()
    (tmp_path / "victim").write_bytes(b"")
    (tmp_path / "out" / "审计.jsonl").symlink_to(tmp_path / "victim")
    with pytest.raises(Unreached, match="file ELOOP"):
        deliver(tmp_path, b"one")
    assert (tmp_path / "victim").read_bytes() == b""
