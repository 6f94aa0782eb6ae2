"""Verifies full bundles of a log against their tiles, a few at a time, so that several processes can share a log."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec

from yumen_plugins.audit.log.merkle import HASH_BYTES, root_of
from yumen_plugins.audit.log.tiles import BUNDLE_BYTES_MAX, ENTRIES, HEIGHT, WIDTH, hashes_in, tile_path, unbundled
from yumen_plugins.audit.proving.reading import content_of
from yumen_plugins.audit.proving.scan import Scan, scan

TILE_BYTES = WIDTH * HASH_BYTES
# Kinds whose note speaks of the log as it was right before them.
NOTED = frozenset(("checkpoint", "key"))

# The subtrees that a number of leaves below 256 is made of, the largest first, each with its height.
Edge = list[tuple[int, bytes]]


class Bundle(msgspec.Struct, array_like=True, gc=False):
    """One bundle. `own` is the root over its entries, `tile` that over its hashes in the tile of level 0; each is the other
    where one is not there, and both are empty where neither is. `at` is the first record in which they differ, or -1.

    `edges` are the edges of the log at sizes within the bundle, by its entries and by its tile.
    """

    number: int
    own: bytes
    tile: bytes
    has_entries: bool
    has_tile: bool
    at: int = -1
    edges: dict[int, tuple[Edge, Edge]] = {}


class Chunk(msgspec.Struct, array_like=True):
    """Bundles that follow each other, and a scan of each that is there. `changed` are files that are none of ours."""

    bundles: list[Bundle] = []
    scans: list[Scan] = []
    changed: list[str] = []
    bytes: int = 0


def read_chunk(folder: str, first: int, count: int, wanted: Sequence[int]) -> Chunk:
    """Read and compare `count` bundles from number `first` on. `wanted` are sizes whose edges are needed. Error: OSError."""
    chunk = Chunk()
    sizes: dict[int, set[int]] = {}
    for size in wanted:
        if size % WIDTH:
            sizes.setdefault(size // WIDTH, set()).add(size)
    for number in range(first, first + count):
        entries, content = _entries(chunk, folder, number)
        tile, hashes = _tile(chunk, folder, number)
        own = [sha256(b"\0" + entry).digest() for entry in entries] if entries else None
        chunk.bytes += len(content) + len(tile)
        at = -1
        if own and hashes and b"".join(own) != tile:
            at = number * WIDTH + next(place for place in range(WIDTH) if own[place] != hashes[place])
        left, right = own or hashes or [], hashes if hashes and (at >= 0 or not own) else own or []
        needed = sizes.get(number, set())
        if entries:
            needed.update(_scanned(chunk, entries, number * WIDTH))
        root = root_of(left) if left else b""
        chunk.bundles.append(
            Bundle(
                number,
                root,
                root_of(right) if at >= 0 else root,
                bool(own),
                bool(hashes),
                at,
                {size: _edges(size, left, right) for size in needed if left},
            )
        )
    return chunk


def edge(leaves: Sequence[bytes]) -> Edge:
    """The subtrees that fewer than 256 leaves are made of, the largest first."""
    found: Edge = []
    start = 0
    for height in range(HEIGHT - 1, -1, -1):
        if len(leaves) >> height & 1:
            found.append((height, root_of(leaves[start : start + (1 << height)])))
            start += 1 << height
    return found


def noted(found: Scan) -> Iterable[int]:
    """The sizes of which records say what the log was."""
    return (event.seq for event, _ in found.events if event.kind in NOTED)


def _edges(size: int, left: Sequence[bytes], right: Sequence[bytes]) -> tuple[Edge, Edge]:
    here = edge(left[: size % WIDTH])
    return here, here if left is right else edge(right[: size % WIDTH])


def _scanned(chunk: Chunk, entries: Sequence[bytes], first: int) -> Iterable[int]:
    found = scan(entries, first)
    chunk.scans.append(found)
    return [size for size in noted(found) if size % WIDTH and size // WIDTH == first // WIDTH]


def _entries(chunk: Chunk, folder: str, number: int) -> tuple[list[bytes] | None, bytes]:
    name = tile_path(ENTRIES, number)
    try:
        content = content_of(os.path.join(folder, name), BUNDLE_BYTES_MAX)
    except FileNotFoundError:
        return None, b""
    entries = unbundled(content) if content is not None else None
    if entries is None or len(entries) != WIDTH:
        chunk.changed.append(name)
        return None, content or b""
    return entries, content or b""


def _tile(chunk: Chunk, folder: str, number: int) -> tuple[bytes, list[bytes] | None]:
    name = tile_path(0, number)
    try:
        content = content_of(os.path.join(folder, name), TILE_BYTES)
    except FileNotFoundError:
        return b"", None
    hashes = hashes_in(content) if content is not None else None
    if hashes is None or len(hashes) != WIDTH:
        chunk.changed.append(name)
        return content or b"", None
    return content or b"", hashes
