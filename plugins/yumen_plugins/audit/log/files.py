"""Reads one log from its files, beside a gateway that writes it or on a copy. What is read here is not verified.

Everything below the first journal stands in full bundles and tiles; the rest is in the journals, and may be in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from yumen import plain_content, plain_file
from yumen_plugins.audit.log.appender import HEAD, HEAD_BYTES
from yumen_plugins.audit.log.journal import JOURNAL_BYTES_MAX, frames, journals
from yumen_plugins.audit.log.merkle import HASH_BYTES, consistency_proof, inclusion_proof, leaf_hash, root_of
from yumen_plugins.audit.log.note import checkpoint_of, parse_note
from yumen_plugins.audit.log.tiles import BUNDLE_BYTES_MAX, ENTRIES, HEIGHT, WIDTH, hashes_in, tile_path, unbundled

# A journal may go, its entries being in bundles by then, between the moment it is listed and the moment it is read.
READS = 5


class Missing(Exception):
    """Something that should be in the log's files is not there, or is not what it should be; the text says what."""


def head_size(log: Path) -> int | None:
    """How many entries a log's head speaks of, or None where there is no such head. Error: OSError."""
    try:
        with plain_file(log / HEAD) as file:
            found = checkpoint_of(parse_note(file.read(HEAD_BYTES + 1).rstrip(b" ")))
    except FileNotFoundError:
        return None
    return found.size if found is not None else None


class LogFiles:
    """One log as it was when this was made: `size` entries, of which those below `kept` may have been dropped.

    With `settled` a last batch is left out that its writer has not synced yet: it may still be given up, and others take its
    numbers. Error: OSError, also later.
    """

    def __init__(self, folder: Path, *, settled: bool = False) -> None:
        self.folder = folder
        self._settled = settled
        self.note = b""
        self._tail: list[bytes] = []
        self._start = 0
        for attempt in range(READS):
            try:
                self._read_journals()
                break
            except FileNotFoundError:
                if attempt == READS - 1:
                    raise
        self._hashes: dict[tuple[int, int], list[bytes]] = {}

    @property
    def size(self) -> int:
        """How many entries it has."""
        return self._start + len(self._tail)

    @property
    def journaled(self) -> int:
        """The first entry that stands in a journal; full bundles hold all before it."""
        return self._start

    def _read_journals(self) -> None:
        """Take all whole frames, one after the other; where they do not follow each other, what comes later is left out."""
        found = journals(self.folder)
        self._start = found[0][0] if found else 0
        self._tail, self.note = [], b""
        before = (0, b"")
        for _, path in found:
            for one in frames(plain_content(path, JOURNAL_BYTES_MAX)):
                known = self.size - one.first
                if not 0 <= known <= self.size - self._start:
                    return
                if one.entries[known:]:
                    before = (len(self._tail), self.note)
                self._tail += one.entries[known:]
                self.note = one.note
        # The head is read behind the journals: a writer notes it before it writes the next batch.
        if self._settled and self._tail and self._start + before[0] == head_size(self.folder):
            del self._tail[before[0] :]
            self.note = before[1]

    def entries(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """The entries from an index on that are there, each with its index; what was dropped is passed over."""
        index = start
        while index < self._start:
            bundle = self.bundle(index // WIDTH)
            if bundle is None:
                index = (index // WIDTH + 1) * WIDTH
                continue
            for entry in bundle[index % WIDTH :]:
                yield index, entry
                index += 1
        for entry in self._tail[index - self._start :]:
            yield index, entry
            index += 1

    def bundle(self, number: int) -> list[bytes] | None:
        """The entries of a full bundle, or None where it is not there or not whole."""
        try:
            found = unbundled(plain_content(self.folder / tile_path(ENTRIES, number), BUNDLE_BYTES_MAX))
        except FileNotFoundError:
            return None
        return found if found is not None and len(found) == WIDTH else None

    def entry(self, index: int) -> bytes:
        """One entry. Error: `Missing`."""
        if self._start <= index < self.size:
            return self._tail[index - self._start]
        bundle = self.bundle(index // WIDTH) if 0 <= index < self._start else None
        if bundle is None:
            raise Missing(f"record {index} is not there")
        return bundle[index % WIDTH]

    # Hashes, for proofs

    def subtree(self, start: int, end: int) -> bytes:
        """The root over leaves `start` to `end`. Error: `Missing`."""
        hashes: list[bytes] = []
        size = end - start
        if size <= WIDTH:
            return root_of([self._leaf(index) for index in range(start, end)])
        if size & (size - 1) == 0 and size.bit_length() - 1 >= HEIGHT and not start % size:
            # It stands in a tile, or is the root over hashes that stand in one.
            level = (size.bit_length() - 1) // HEIGHT
            step = 1 << HEIGHT * level
            hashes = [self._hash(level, at // step) for at in range(start, end, step)]
            return root_of(hashes)
        middle = 1 << (size - 1).bit_length() - 1
        return root_of([self.subtree(start, start + middle), self.subtree(start + middle, end)])

    def _leaf(self, index: int) -> bytes:
        if index >= self._start:
            return leaf_hash(self.entry(index))
        return self._tile(0, index // WIDTH)[index % WIDTH]

    def _hash(self, level: int, index: int) -> bytes:
        """A hash of a level: of a tile where that is full, else made of the full tile below it."""
        if (index // WIDTH + 1) * WIDTH << HEIGHT * level <= self._start:
            return self._tile(level, index // WIDTH)[index % WIDTH]
        if level == 0:
            return self._leaf(index)
        return root_of([self._hash(level - 1, index * WIDTH + one) for one in range(WIDTH)])

    def _tile(self, level: int, index: int) -> list[bytes]:
        """The hashes of a full tile. Error: `Missing`."""
        key = (level, index)
        if key not in self._hashes:
            try:
                found = hashes_in(plain_content(self.folder / tile_path(level, index), WIDTH * HASH_BYTES))
            except FileNotFoundError:
                found = None
            if found is None or len(found) != WIDTH:
                raise Missing(f"tile {level}/{index} is not there")
            if len(self._hashes) > 64:
                self._hashes.clear()
            self._hashes[key] = found
        return self._hashes[key]

    def root(self, size: int | None = None) -> bytes:
        """The root of the tree of the first `size` entries. Error: `Missing`."""
        size = self.size if size is None else size
        return self.subtree(0, size) if size else root_of([])

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The proof that an entry is in the tree of `size` entries. Errors: `Missing`; ValueError."""
        return inclusion_proof(index, size, self.subtree)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The proof that the tree of `old` entries is the beginning of that of `new`. Errors: `Missing`; ValueError."""
        return consistency_proof(old, new, self.subtree)
