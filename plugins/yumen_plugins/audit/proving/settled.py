"""Verifies the files of a log that follow from its entries: tiles of all levels, and tiles and bundles that are not full."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from yumen_plugins.audit.log.merkle import leaf_hash
from yumen_plugins.audit.log.tiles import (
    BUNDLE_BYTES_MAX,
    ENTRIES,
    HEIGHT,
    WIDTH,
    bundled,
    hashes_in,
    index_path,
    tile_path,
    unbundled,
)
from yumen_plugins.audit.proving.anchors import Trees
from yumen_plugins.audit.proving.chunk import TILE_BYTES
from yumen_plugins.audit.proving.reading import Snapshot, content_of
from yumen_plugins.audit.proving.report import Findings

PLACE = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
JOURNAL = re.compile(r"journal/[0-9]{12,}")
OURS = frozenset(("head", "checkpoint"))
# A process that died may have left one of these; it is no part of the log.
UNFINISHED = re.compile(r"(?:.*/)?\.[^/]+\.new")


class Settled:
    """The files of one log beside its entries. `running` excuses what is not written yet."""

    def __init__(self, folder: Path, trees: Trees, snapshot: Snapshot, findings: Findings, running: bool) -> None:
        self._folder, self._trees, self._snapshot = folder, trees, snapshot
        self._findings, self._running = findings, running

    def check(self) -> None:
        """Verify all of them. Error: OSError."""
        self._recent()
        self._levels()
        for name in self._names():
            match = PLACE.fullmatch(name)
            if match is None:
                if name not in OURS and not JOURNAL.fullmatch(name):
                    what = (
                        "a process that died was writing it"
                        if UNFINISHED.fullmatch(name)
                        else "it is no part of the log"
                    )
                    self._findings.add("foreign", what, file=name)
                continue
            index = 0
            for part in match[2].replace("x", "").split("/"):
                index = index * 1000 + int(part)
            if index_path(index) != match[2]:
                self._findings.add("foreign", "it is no part of the log", file=name)
            else:
                self._partial(name, match[1], index, int(match[3] or WIDTH))

    def _recent(self) -> None:
        """Bundles and tiles of entries that the journals still hold."""
        snapshot = self._snapshot
        for number in range(snapshot.start // WIDTH, snapshot.size // WIDTH):
            first = number * WIDTH - snapshot.start
            entries = snapshot.entries[first : first + WIDTH]
            self._same(tile_path(ENTRIES, number), bundled(entries), WIDTH)
            self._same(tile_path(0, number), b"".join(map(leaf_hash, entries)), WIDTH)

    def _levels(self) -> None:
        """Full tiles of hashes above those of leaves. They must be there where the journals do not hold what they say."""
        height = 1
        while len(self._trees.level(height)[0]) >= WIDTH:
            left, right = self._trees.level(height)
            for number in range(len(left) // WIDTH):
                name, place = tile_path(height, number), slice(number * WIDTH, (number + 1) * WIDTH)
                contents = {b"".join(row[place]) for row in (left, right)}
                settled = (number + 1) * WIDTH << HEIGHT * height <= self._snapshot.start
                content = self._read(name, TILE_BYTES)
                if content in contents:
                    continue
                if content == b"":
                    self._missing(name, settled)
                else:
                    self._findings.add("changed", "the tile is not what the log comes to", file=name)
            height += 1

    def _partial(self, name: str, level: str, index: int, width: int) -> None:
        """A tile or bundle, as far as the log goes: behind that lies what was never acknowledged, or is newer."""
        bundle = level == ENTRIES
        height = 0 if bundle else int(level)
        there = (self._trees.size >> HEIGHT * height) - index * WIDTH
        if width > WIDTH or (width == WIDTH and there >= WIDTH):
            return  # full ones within the log have been verified
        if there <= 0:
            if not self._running:
                self._findings.add("unsettled", "it lies behind the end of the log", file=name)
            return
        count = min(width, there)
        expected = self._expected(bundle, height, index, count)
        content = self._read(name, BUNDLE_BYTES_MAX if bundle else TILE_BYTES)
        if content == b"" or not expected:
            return
        matches = any(
            content == one if width <= there else content is not None and content.startswith(one) for one in expected
        )
        if not matches:
            self._findings.add("changed", f"it is not what the log comes to at record {index * WIDTH}", file=name)
        elif width > there and width < WIDTH and not self._running:
            what = f"it holds more than the log, which ends before record {self._trees.size}"
            self._findings.add("tail-missing", what, file=name)

    def _expected(self, bundle: bool, height: int, index: int, count: int) -> list[bytes]:
        """What the first hashes of a tile, or entries of a bundle, should be; nothing where nobody knows any more."""
        if height:
            return [b"".join(row[index * WIDTH : index * WIDTH + count]) for row in self._trees.level(height)]
        first = index * WIDTH - self._snapshot.start
        entries: list[bytes] | None
        if first >= 0:
            entries = self._snapshot.entries[first : first + count]
        else:
            content = self._read(tile_path(ENTRIES, index), BUNDLE_BYTES_MAX)
            entries = (unbundled(content or b"") or [])[:count]
            if not entries and not bundle:
                hashes = hashes_in(self._read(tile_path(0, index), TILE_BYTES) or b"")
                return [b"".join(hashes[:count])] if hashes else []
        if not entries:
            return []
        return [bundled(entries) if bundle else b"".join(map(leaf_hash, entries))]

    def _same(self, name: str, expected: bytes, width: int) -> None:
        content = self._read(name, BUNDLE_BYTES_MAX)
        if content == b"":
            self._missing(name, settled=False)
        elif content != expected:
            self._findings.add("changed", "it is not what the journal says", file=name)

    def _missing(self, name: str, settled: bool) -> None:
        if settled:
            self._findings.add("tile-missing", "the tile is not there", file=name)
        elif not self._running:
            self._findings.add("unsettled", "it is not written yet; the next start does that", file=name)

    def _read(self, name: str, bytes_max: int) -> bytes | None:
        """What a file holds: empty where it is not there, None where it is none of ours."""
        try:
            return content_of(self._folder / name, bytes_max)
        except FileNotFoundError:
            return b""

    def _names(self) -> Iterator[str]:
        for parent, folders, files in os.walk(self._folder):
            folders.sort()
            base = Path(parent).relative_to(self._folder)
            for name in sorted(files + [one for one in folders if os.path.islink(os.path.join(parent, one))]):
                yield (base / name).as_posix()
