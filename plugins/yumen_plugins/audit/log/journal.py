"""The journal of a log: what makes an append durable at once, before there are whole bundles and tiles of it.

A journal is a file of frames, one for each batch:

    magic "YMJ1" | body bytes, 4 | first index, 8 | entries, 2 | CRC-32 of the body, 4 | body
    body: for each entry its length, 2, and the entry; then the length of a note, 2, and the note

Numbers are big-endian. The note is the checkpoint of the log behind this batch, so everything that was acknowledged has been
signed. The file is named after its first index, of 12 digits or more. A new journal begins where a bundle does, with what
the bundle has so far; the one before goes once all bundles of it are on disk.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from yumen_plugins.audit.log.tiles import WIDTH, bundled, is_number

MAGIC = b"YMJ1"
HEAD = struct.Struct(">4sIQHI")
# A batch of as many entries as fit the count, each as long as it may be, would not fit; no writer makes one so large.
BODY_BYTES_MAX = 64 << 20
# A journal is as large as policy says, 1 GiB at most, and a batch.
JOURNAL_BYTES_MAX = (1 << 30) + (128 << 20)
FOLDER = "journal"


class Frame(NamedTuple):
    """One batch. `end` is the byte behind it in its file."""

    first: int
    entries: list[bytes]
    note: bytes
    end: int


def frame(first: int, entries: list[bytes], note: bytes) -> bytes:
    """A batch as it is written. Error: OverflowError or `struct.error` where something is too long."""
    body = bundled([*entries, note])
    if len(body) > BODY_BYTES_MAX:
        raise OverflowError("a batch is too large for a frame")
    return HEAD.pack(MAGIC, len(body), first, len(entries), zlib.crc32(body)) + body


def frames(content: bytes) -> Iterator[Frame]:
    """The frames at the beginning of a file, up to the first that is not whole."""
    position = 0
    while position + HEAD.size <= len(content):
        magic, size, first, count, crc = HEAD.unpack_from(content, position)
        start = position + HEAD.size
        body = content[start : start + size]
        if magic != MAGIC or size > BODY_BYTES_MAX or len(body) != size or zlib.crc32(body) != crc:
            return
        parts = _parts(body)
        if parts is None or len(parts) != count + 1:
            return
        position = start + size
        yield Frame(first, parts[:-1], parts[-1], position)


def _parts(body: bytes) -> list[bytes] | None:
    parts, position, end = [], 0, len(body)
    while position + 2 <= end:
        start = position + 2
        position = start + (body[position] << 8 | body[position + 1])
        parts.append(body[start:position])
    return parts if position == end else None


def torn(rest: bytes) -> bool:
    """Whether bytes behind the last whole frame are what a process leaves that died while writing one.

    They are one frame that is cut short, or whose body never reached the disk; behind it there is nothing.
    """
    if len(rest) < HEAD.size:
        return True
    magic, size, _, _, _ = HEAD.unpack_from(rest)
    # Where only the file's length had reached the disk, it is zeros.
    return not rest.strip(b"\0") or (magic == MAGIC and len(rest) <= HEAD.size + size)


def journal_path(folder: Path, first: int) -> Path:
    """The file of the journal that begins at an index."""
    return folder / FOLDER / f"{first:012d}"


def journals(folder: Path) -> list[tuple[int, Path]]:
    """The journals of a log with their first indices, in order; files with other names are none of ours."""
    try:
        names = [path.name for path in (folder / FOLDER).iterdir()]
    except FileNotFoundError:
        return []
    firsts = sorted(int(name) for name in names if len(name) >= 12 and is_number(name))
    return [(first, journal_path(folder, first)) for first in firsts if first % WIDTH == 0]
