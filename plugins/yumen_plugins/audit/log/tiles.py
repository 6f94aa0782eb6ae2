"""The files of a tiled log: https://c2sp.org/tlog-tiles.

A tile of level L holds up to 256 hashes, each the root over 256^L leaves; a bundle holds up to 256 entries, each behind its
length in two bytes. Full ones never change. What is not full yet has its width in its name: `000.p/17`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from yumen_plugins.audit.log.merkle import HASH_BYTES

WIDTH = 256
HEIGHT = 8
ENTRY_BYTES_MAX = 65_535
ENTRIES = "entries"
BUNDLE_BYTES_MAX = WIDTH * (ENTRY_BYTES_MAX + 2)


def index_path(index: int) -> str:
    """The index in groups of three digits, all but the last behind an `x`: 1234067 is `x001/x234/067`."""
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.append(f"x{index % 1000:03d}")
    return "/".join(reversed(parts))


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """The path of a tile, or of a bundle of `entries`, below the log's folder."""
    return f"tile/{level}/{index_path(index)}" + (f".p/{width}" if width < WIDTH else "")


def bundled(entries: list[bytes]) -> bytes:
    """The content of a bundle. Error: OverflowError for an entry of more than 65,535 bytes."""
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def unbundled(content: bytes) -> list[bytes] | None:
    """The entries of a bundle, or None where it is none."""
    entries, position, end = [], 0, len(content)
    while position + 2 <= end:
        start = position + 2
        position = start + (content[position] << 8 | content[position + 1])
        entries.append(content[start:position])
    return entries if position == end and len(entries) <= WIDTH else None


def hashes_in(content: bytes) -> list[bytes] | None:
    """The hashes of a tile, or None where it is none."""
    count, rest = divmod(len(content), HASH_BYTES)
    if rest or not 0 < count <= WIDTH:
        return None
    return [content[start : start + HASH_BYTES] for start in range(0, len(content), HASH_BYTES)]


def is_number(name: str) -> bool:
    """Whether a file's name is a number. Of other digits than ASCII's some are none that can be counted with."""
    return name.isascii() and name.isdigit()


def full_indices(folder: Path, level: int | str) -> Iterator[int]:
    """The indices of the full tiles of a level, or of the full bundles, that are there, in no order."""
    root = folder / "tile" / str(level)
    for parent, _, files in os.walk(root):
        parts = Path(parent).relative_to(root).parts
        if not all(len(part) == 4 and part[0] == "x" and is_number(part[1:]) for part in parts):
            continue
        above = 0
        for part in parts:
            above = above * 1000 + int(part[1:])
        for name in files:
            if len(name) == 3 and is_number(name):
                yield above * 1000 + int(name)


def write_whole(path: Path, content: bytes) -> None:
    """Put a file there at once, whole or not at all; syncing it is the caller's. Error: OSError."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)
    temporary.replace(path)


def sync_file(path: Path) -> None:
    """Make a file durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Make the entries of a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
