"""Appends to a file, for a collector on this machine."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from yumen_plugins.audit.log.tiles import sync_folder
from yumen_plugins.audit.sinks.config import FileSink
from yumen_plugins.audit.sinks.target import Batch, Unreached, errno_of

# How far back from the end a line that was never finished may begin.
TAIL_BYTES = 1 << 16


class FileTarget:
    """The file is opened for each batch, so one that was moved away by somebody else is begun anew.

    When it is full it is put aside as `<name>.<number>`, the numbers growing; of those the last `keep` stay.
    """

    def __init__(self, config: FileSink, data_dir: Path) -> None:
        self._path = data_dir / config.path
        self._rotate_bytes = config.rotate_bytes
        self._keep = config.keep

    async def deliver(self, batch: Batch) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._append(batch.body)
        except OSError as error:
            raise Unreached(f"file {errno_of(error)}") from None

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _append(self, data: bytes) -> None:
        descriptor = self._open()
        try:
            size = _cut_torn(descriptor)
            if size and size + len(data) > self._rotate_bytes:
                self._put_aside()
                os.close(descriptor)
                descriptor = self._open()
                size = 0
            _write(descriptor, data, size)
            if not size:
                sync_folder(self._path.parent)
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self._path, flags, 0o600)

    def _put_aside(self) -> None:
        numbers = self._numbers()
        self._path.rename(self._aside(numbers[-1] + 1 if numbers else 1))
        for number in numbers[: max(len(numbers) + 1 - self._keep, 0)] if self._keep else ():
            self._aside(number).unlink(missing_ok=True)
        sync_folder(self._path.parent)

    def _numbers(self) -> list[int]:
        form = re.compile(re.escape(self._path.name) + r"\.([0-9]{1,12})")
        return sorted(int(found[1]) for path in self._path.parent.iterdir() if (found := form.fullmatch(path.name)))

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number:06d}")


def _write(descriptor: int, data: bytes, size: int) -> None:
    """Append it durably, or leave the file at the size it had. Error: OSError."""
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def _cut_torn(descriptor: int) -> int:
    """Cut off a last line without an end, which a crash left of a batch that comes again. Returns the size of what stays."""
    size = os.fstat(descriptor).st_size
    if not size or os.pread(descriptor, 1, size - 1) == b"\n":
        return size
    end = size
    while end:
        start = max(end - TAIL_BYTES, 0)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    os.ftruncate(descriptor, end)
    return end
