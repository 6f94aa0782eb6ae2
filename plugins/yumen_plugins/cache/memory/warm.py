"""The most useful entries of a process that ends, in a file, for one that starts.

A file is a row of chunks, each a length (4 bytes, big-endian) and so many bytes that `Seal` made of a MessagePack array of
keys and packed entries. Each is sealed for its place: what the file is for, its name, the form of entries, the number of the
chunk, and whether it is the last one. So no file passes for another, and none is used of which a chunk is missing, changed
or moved.

Files belong to nobody until a process takes one, by deleting its name: of several that try, one succeeds, and whatever ends
that process, nobody uses the file a second time.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from yumen_plugins.cache.entry import FORMAT, Entry, unpacked
from yumen_plugins.cache.folders import sync_folder
from yumen_plugins.cache.sealing import Seal

FILES_MAX = 16
CHUNK_BYTES = 256 << 10
# Longer entries are not saved, so that no chunk is longer than this and CHUNK_BYTES.
ENTRY_BYTES_MAX = 8 << 20
LENGTH_BYTES = 4
# With room for the seal and for how MessagePack frames the smallest items.
LENGTH_MAX = 2 * (CHUNK_BYTES + ENTRY_BYTES_MAX)
# Of a file that is being written; what was left by a process that ended in its middle is deleted by a later one.
PART = ".part"
PART_S_MAX = 3600.0
NAME = re.compile(r"[0-9]{20}-[0-9a-f]{16}\.warm")

Item = tuple[bytes, bytes]
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(tuple[Item, ...])


def save(folder: Path, seal: Seal, place: bytes, items: Iterable[Item], bytes_max: int) -> int:
    """Write keys and packed entries, the most useful ones first, to a new file; returns how many.

    At most `bytes_max` bytes of them, and no file where there is none. The oldest of more than 16 files go. Error: OSError;
    nothing half written is left.
    """
    chunks = _chunks(items, bytes_max)
    chunk = next(chunks, ())
    if not chunk:
        return 0
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"{time.time_ns():020d}-{secrets.token_hex(8)}.warm"
    part = folder / f"{name}{PART}"
    count = number = 0
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            while chunk:
                after = next(chunks, ())
                sealed = seal.sealed(_encode(chunk), _place(place, name, number, not after))
                _write(descriptor, len(sealed).to_bytes(LENGTH_BYTES, "big") + sealed)
                count += len(chunk)
                number += 1
                chunk = after
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        part.replace(folder / name)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _tidy(folder)
    sync_folder(folder)
    return count


def load(
    folder: Path, seal: Seal, place: bytes, report: Callable[[str], None] | None = None
) -> Iterator[tuple[bytes, Entry]]:
    """Take the newest whole file there is, and give its keys and entries, the most useful ones last.

    Then a queue that lets the oldest go keeps those longest. Files that are not whole, or not of this gateway, place or
    form, are deleted, and `report` is told why, in words that say nothing of their content. Raises nothing for any file.
    """
    tell = report or (lambda why: None)
    for path in _saved(folder)[:FILES_MAX]:
        file = _taken(path, tell)
        if file is None:
            continue
        with file:
            try:
                offsets = _checked(file, seal, place, path.name)
            except (OSError, ValueError):
                tell(f"{path.name} is not whole, or was not saved here; deleted")
                continue
            try:
                for number in reversed(range(len(offsets))):
                    file.seek(offsets[number])
                    chunk = _opened(_sealed(file), seal, _place(place, path.name, number, number == len(offsets) - 1))
                    yield from [(key, unpacked(data)) for key, data in reversed(chunk)]
            except (OSError, ValueError):
                tell(f"{path.name} cannot be read to its end; deleted")
            return


def _chunks(items: Iterable[Item], bytes_max: int) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    size = 0
    for key, data in items:
        more = len(key) + len(data)
        if more > min(bytes_max, ENTRY_BYTES_MAX):
            continue
        bytes_max -= more
        size += more
        chunk.append((key, data))
        if size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _place(place: bytes, name: str, number: int, last: bool) -> bytes:
    return _encode((place, name, FORMAT, number, last))


def _checked(file: BinaryIO, seal: Seal, place: bytes, name: str) -> list[int]:
    """Where each chunk begins, of a file that is whole. Errors: OSError; ValueError where it is not."""
    size = os.fstat(file.fileno()).st_size
    offsets: list[int] = []
    while file.tell() < size:
        offsets.append(file.tell())
        sealed = _sealed(file)
        for _, data in _opened(sealed, seal, _place(place, name, len(offsets) - 1, file.tell() == size)):
            unpacked(data, events=False)
    if not offsets:
        raise ValueError("the file is empty")
    return offsets


def _sealed(file: BinaryIO) -> bytes:
    """The next chunk as it was sealed. Errors: OSError; ValueError where there is none."""
    length = int.from_bytes(file.read(LENGTH_BYTES), "big")
    if length > LENGTH_MAX:
        raise ValueError("this is no chunk")
    return file.read(length)


def _opened(sealed: bytes, seal: Seal, place: bytes) -> tuple[Item, ...]:
    """Error: ValueError where it was not sealed for this place."""
    try:
        return _decoder.decode(seal.opened(sealed, place))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ValueError("this is no chunk") from None


def _saved(folder: Path) -> list[Path]:
    """Whole files, the newest first."""
    try:
        names = [name for name in os.listdir(folder) if NAME.fullmatch(name)]
    except OSError:
        return []
    return [folder / name for name in sorted(names, reverse=True)]


def _taken(path: Path, tell: Callable[[str], None]) -> BinaryIO | None:
    """Open a file and delete its name; None where another process was faster, or it is none."""
    try:
        # Neither a link nor a pipe that nobody writes to may lead this process elsewhere, or hold it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        tell(f"{path.name} cannot be opened")
        return None
    try:
        path.unlink()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.fdopen(descriptor, "rb")
        tell(f"{path.name} is no file; deleted")
    except FileNotFoundError:
        pass
    except OSError:
        tell(f"{path.name} cannot be deleted")
    os.close(descriptor)
    return None


def _tidy(folder: Path) -> None:
    """Delete the oldest of too many files, and what others left half written."""
    for path in [*_saved(folder)[FILES_MAX:], *folder.glob(f"*{PART}")]:
        # Others tidy up here at the same time.
        with suppress(OSError):
            if path.suffix != PART or time.time() - path.stat().st_mtime > PART_S_MAX:
                path.unlink()


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
