"""The file of marks, one JSON object on a line, which every process on this machine appends to and reads.

A line counts when its end is there: what a crash has cut is passed over, and cut off by whoever appends next. A line that
cannot be read stands for everything that was kept so far, since nobody knows what it took. The file is written anew
(temporary file, fsync, rename, fsync of the folder) where that makes it smaller; a reader tells it from the old one, which
it holds open, by its inode. All of this may wait for the disk, and runs in threads.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec

from yumen import plain_content, plain_file
from yumen_plugins.cache.folders import sync_folder
from yumen_plugins.cache.marks.table import MARKS_MAX, Mark, Table

NAME = "purges"
LINES_MAX = 2 * MARKS_MAX
# Some times what so many lines take.
FILE_BYTES_MAX = 64 << 20
# How long a process may hold the lock: another one is writing, or hangs.
LOCK_S, LOCK_AGAIN_S = 5.0, 0.01
encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Mark).decode


class MarksFile:
    """For any thread. `now` is in seconds since the epoch. Error of every method: OSError."""

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._now = now
        self._reading = threading.Lock()
        self._held: BinaryIO | None = None
        self._lines = 0
        # Whether a line was met that cannot be read.
        self._broken = False
        # What was read and nobody has taken yet; a reader that is called off in between loses nothing.
        self.found: deque[Mark] = deque()

    def look(self) -> None:
        """Read what has come since the last look into `found`; where the file is another one, all of it."""
        with self._reading:
            try:
                status = self._path.stat()
            except FileNotFoundError:
                self._close()
                return
            if status.st_size > FILE_BYTES_MAX:
                raise OSError(errno.EFBIG, f"this is larger than {FILE_BYTES_MAX} bytes", str(self._path))
            if self._held is not None:
                held = os.fstat(self._held.fileno())
                same = (held.st_dev, held.st_ino) == (status.st_dev, status.st_ino)
                if not same or status.st_size < self._held.tell():
                    self._close()
            if self._held is None:
                self._held = plain_file(self._path)
                self._lines, self._broken = 0, False
            for line in _whole_lines(self._held):
                self._lines += 1
                self.found.append(self._read(line))

    @property
    def untidy(self) -> bool:
        """Whether it should be written anew."""
        return self._lines > LINES_MAX or self._broken

    def append(self, marks: Iterable[Mark]) -> None:
        """Add marks, durably. Where that fails, the file is as it was, as far as the disk lets it."""
        self._make_folder()
        with self._locked():
            new = not self._path.exists()
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                size = _cut_off_torn(descriptor)
                try:
                    _write(descriptor, b"".join(encode(mark) + b"\n" for mark in marks))
                except OSError:
                    os.ftruncate(descriptor, size)
                    raise
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if new:
                sync_folder(self._folder)

    def tidy(self) -> None:
        """Write the file anew where some of it takes nothing any more, or cannot be read."""
        if not self._path.exists():
            return
        with self._locked():
            lines = plain_content(self._path, FILE_BYTES_MAX).split(b"\n")[:-1]
            table = Table()
            for line in lines:
                table.add(self._read(line))
            table.prune(self._now())
            if len(table) == len(lines) and not self._broken:
                return
            temporary = self._folder / f".{NAME}.new"
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                _write(descriptor, b"".join(encode(mark) + b"\n" for mark in table))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(self._path)
            sync_folder(self._folder)

    def close(self) -> None:
        """Let go of the file."""
        with self._reading:
            self._close()

    def _close(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _read(self, line: bytes) -> Mark:
        try:
            mark = decode(line)
            if (mark.tenant or not mark.subject) and abs(mark.before) < 1e12 and abs(mark.at) < 1e12:
                return mark
        except (msgspec.MsgspecError, ValueError):
            pass
        self._broken = True
        now = self._now()
        return Mark("", "", now, now)

    def _make_folder(self) -> None:
        missing = [path for path in (self._folder, *self._folder.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(mode=0o700, exist_ok=True)
            sync_folder(path.parent)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Among all processes. Error: TimeoutError, an OSError, where another one does not let go."""
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + LOCK_S
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise TimeoutError("another process holds the lock of the purges") from None
                    time.sleep(LOCK_AGAIN_S)
            yield
        finally:
            os.close(descriptor)


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines from where the file stands; one without an end is left for later."""
    while True:
        start = file.tell()
        line = file.readline()
        if not line.endswith(b"\n"):
            file.seek(start)
            return
        yield line


def _cut_off_torn(descriptor: int) -> int:
    """Cut off what stands behind the last end of a line; returns how many bytes are left."""
    size = os.fstat(descriptor).st_size
    if not size or os.pread(descriptor, 1, size - 1) == b"\n":
        return size
    whole = os.pread(descriptor, size, 0).rfind(b"\n") + 1
    os.ftruncate(descriptor, whole)
    return whole


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
