"""The tree of a log as it grows, and the bundles and tiles that follow: full ones are written once, the others on demand."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from yumen import plain_content
from yumen_plugins.audit.log.merkle import HASH_BYTES, Frontier, root_of
from yumen_plugins.audit.log.tiles import (
    ENTRIES,
    HEIGHT,
    WIDTH,
    bundled,
    hashes_in,
    is_number,
    sync_file,
    sync_folder,
    tile_path,
    write_whole,
)

PARTIALS_KEPT = 2


class TileMissing(Exception):
    """A full tile is not there, or is none; the text says which."""


class Growth:
    """What a log of `folder` holds besides its journal. Errors of all that write: OSError.

    `tree` is the tree of all entries; `pending` are those that do not fill a bundle.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = Frontier()
        self.pending: list[bytes] = []
        # The hashes of each level that do not fill a tile.
        self._levels: list[list[bytes]] = [[]]
        self._unsynced: deque[Path] = deque()

    def resume(self, first: int) -> None:
        """Take the tree of the first entries from full tiles; so many as fill bundles. Errors: `TileMissing`; OSError."""
        level, count = 0, first >> HEIGHT
        while count:
            count, rest = count >> HEIGHT, count & (WIDTH - 1)
            self._levels.append([root_of(self._tile(level, (count << HEIGHT) + one)) for one in range(rest)])
            level += 1
        for height in range(len(self._levels) - 1, 0, -1):
            for one in self._levels[height]:
                self.tree.append_subtree(one, HEIGHT * height)

    def _tile(self, level: int, index: int) -> list[bytes]:
        path = self.folder / tile_path(level, index)
        try:
            hashes = hashes_in(plain_content(path, WIDTH * HASH_BYTES))
        except FileNotFoundError:
            hashes = None
        if hashes is None or len(hashes) != WIDTH:
            raise TileMissing(f"tile {level}/{index} is not there, or is none")
        return hashes

    def add(self, entries: Sequence[bytes], hashes: Sequence[bytes]) -> None:
        """Put entries that are in the tree into bundles and tiles; those that have become full are written."""
        complete, self.tree.complete = iter(self.tree.complete), []
        start, end = self.tree.size - len(entries), self.tree.size
        at = start
        while at < end:
            upto = min(end, (at // WIDTH + 1) * WIDTH)
            self.pending += entries[at - start : upto - start]
            self._levels[0] += hashes[at - start : upto - start]
            at = upto
            if len(self.pending) == WIDTH:
                self._put(tile_path(ENTRIES, at // WIDTH - 1), bundled(self.pending))
                self.pending = []
                self._fill(at, complete)

    def _fill(self, index: int, complete: Iterator[bytes]) -> None:
        """Write the tiles that are full with `index` leaves, from the lowest level up; `complete` has their roots."""
        level = 0
        while len(self._levels[level]) == WIDTH:
            hashes, self._levels[level] = self._levels[level], []
            self._put(tile_path(level, (index >> HEIGHT * (level + 1)) - 1), b"".join(hashes))
            level += 1
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(next(complete))

    def _put(self, name: str, content: bytes) -> None:
        path = self.folder / name
        write_whole(path, content)
        self._unsynced.append(path)
        fragments = path.with_name(f"{path.name}.p")
        if fragments.exists():
            shutil.rmtree(fragments)

    def write_partials(self) -> None:
        """Write the tiles and the bundle that are not full, durably."""
        paths = []
        size = self.tree.size
        rows: list[tuple[int | str, list[bytes], bytes]] = [(ENTRIES, self.pending, bundled(self.pending))]
        rows += [(level, hashes, b"".join(hashes)) for level, hashes in enumerate(self._levels)]
        for level, held, content in rows:
            if not held:
                continue
            height = HEIGHT * ((level if isinstance(level, int) else 0) + 1)
            path = self.folder / tile_path(level, size >> height, len(held))
            if not path.exists():
                write_whole(path, content)
                paths.append(path)
        self._sync(paths)

    def drop_partials(self) -> None:
        """Remove tiles that are not full, but those of this checkpoint and of the one before, which somebody may read by."""
        for parent in self.folder.glob("tile/*/**/*.p"):
            widths = sorted(
                (path for path in parent.iterdir() if is_number(path.name)), key=lambda path: int(path.name)
            )
            for path in widths[:-PARTIALS_KEPT]:
                path.unlink()

    def sync(self) -> None:
        """Make everything durable that was written."""
        self._sync([self._unsynced.popleft() for _ in range(len(self._unsynced))])

    def _sync(self, paths: Sequence[Path]) -> None:
        for path in paths:
            sync_file(path)
        for folder in {path.parent for path in paths}:
            for one in (folder, *folder.parents):
                sync_folder(one)
                if one == self.folder:
                    break
