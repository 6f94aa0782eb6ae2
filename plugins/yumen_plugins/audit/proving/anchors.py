"""Compares a log with every checkpoint of it that somebody signed, and says what does not fit together.

A log is read in two ways that should come to the same: by its entries, and by its tiles. Each checkpoint says what the log
was at one size. So where a record was changed, the checkpoints from there on do not fit; and where one does not fit although
a later one does, there are two histories, both signed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Literal, NamedTuple

from yumen_plugins.audit.log.merkle import Frontier, root_of
from yumen_plugins.audit.log.tiles import HEIGHT, WIDTH
from yumen_plugins.audit.proving.chunk import Edge

Kind = Literal["signed", "statement"]


class Anchor(NamedTuple):
    """What a log was at a size, as somebody signed it: a checkpoint, or a key statement that names it. `file` and `seq` say
    where that stands: in a record where `file` is empty.
    """

    size: int
    root: bytes
    file: str
    seq: int = 0
    kind: Kind = "signed"


class Trees:
    """The two readings of a log as far as they have come: by entries, and by tiles; and the hashes of their bundles."""

    def __init__(self) -> None:
        self.size = 0
        self.hashes: tuple[list[bytes], list[bytes]] = ([], [])
        self._fronts = (Frontier(), Frontier())
        self._row: list[bytes] = []
        self._levels: dict[tuple[int, int], tuple[list[bytes], list[bytes]]] = {}

    def bundle(self, own: bytes, tile: bytes) -> None:
        """Add the roots of a bundle."""
        for front, hashes, root in zip(self._fronts, self.hashes, (own, tile), strict=True):
            front.append_subtree(root, HEIGHT)
            hashes.append(root)
        self.size += WIDTH

    def leaf(self, new: bytes) -> None:
        """Add the hash of one leaf."""
        for front in self._fronts:
            front.append_subtree(new, 0)
        self._row.append(new)
        self.size += 1
        if len(self._row) == WIDTH:
            for hashes in self.hashes:
                hashes.append(root_of(self._row))
            self._row = []

    def roots(self, edges: tuple[Edge, Edge] = ([], [])) -> tuple[bytes, bytes]:
        """The roots, with edges behind what has been added."""
        found = []
        for front, edge in zip(self._fronts, edges, strict=True):
            if edge:
                front = deepcopy(front)
                for height, root in edge:
                    front.append_subtree(root, height)
            found.append(front.root())
        return found[0], found[1]

    def ranges(self, first: int, end: int) -> set[bytes]:
        """The roots over the leaves of whole bundles, by number."""
        return {root_of(hashes[first:end]) for hashes in self.hashes}

    def level(self, height: int) -> tuple[list[bytes], list[bytes]]:
        """The hashes of full tiles of a level, by both readings; level 1 is that of bundles."""
        if height == 1:
            return self.hashes
        key = (height, self.size)
        if key not in self._levels:
            left, right = (
                [root_of(row[start : start + WIDTH]) for start in range(0, len(row) - WIDTH + 1, WIDTH)]
                for row in self.level(height - 1)
            )
            self._levels[key] = (left, right)
        return self._levels[key]


class Anchors:
    """Collects checkpoints, and compares a log with each."""

    def __init__(self) -> None:
        self._wanted: dict[int, list[Anchor]] = {}
        self._failed: list[Anchor] = []
        # The largest size at which the log was what was signed, by its entries and by its tiles.
        self.good = [0, 0]
        self.checked = 0

    def want(self, anchor: Anchor) -> None:
        """Have an anchor compared when the log has come to its size."""
        self._wanted.setdefault(anchor.size, []).append(anchor)

    @property
    def sizes(self) -> list[int]:
        """The sizes at which something is to be compared."""
        return sorted(self._wanted)

    def compare(self, size: int, roots: tuple[bytes, bytes], more: Iterable[Anchor] = ()) -> None:
        """Compare the log at a size with what was signed of it."""
        for anchor in [*self._wanted.pop(size, ()), *more]:
            self.checked += 1
            for reading, root in enumerate(roots):
                if root == anchor.root:
                    self.good[reading] = max(self.good[reading], size)
            if anchor.root not in roots:
                self._failed.append(anchor)

    @property
    def left(self) -> list[Anchor]:
        """What could not be compared, since the log did not come to it or could not be read there."""
        return [anchor for anchors in self._wanted.values() for anchor in anchors]

    @property
    def holds(self) -> int:
        """Up to which size the log is what was signed, by one reading or the other."""
        return max(self.good)

    @property
    def forks(self) -> list[Anchor]:
        """What was signed as well, and contradicts what holds."""
        return sorted(one for one in self._failed if one.size <= self.holds)

    @property
    def broken(self) -> Sequence[Anchor]:
        """What the log should be behind where it holds, and is not, the first one first."""
        return sorted(one for one in self._failed if one.size > self.holds)
