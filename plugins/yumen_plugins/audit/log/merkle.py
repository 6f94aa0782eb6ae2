"""The Merkle tree of RFC 6962, section 2.1: hashes, proofs, and their verification after RFC 9162, section 2.1.3 and 2.1.4.

Hashes are 32 bytes of SHA-256. A tree is told by its size, the number of its leaves, and its root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

# The root over leaves `start` to `end` (exclusive) of a tree.
Subtree = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """The root over hashes of leaves, or of subtrees of one size."""
    if not hashes:
        return EMPTY_ROOT
    sha256, level = hashlib.sha256, list(hashes)
    while len(level) > 1:
        # The odd one at the end goes up as it is, which is what splitting at powers of two comes to.
        odd = level[-1:] if len(level) % 2 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [sha256(b"\1" + left + right).digest() for left, right in pairs] + odd
    return level[0]


class Frontier:
    """The right edge of a tree that grows: as many hashes as its size has bits that are set.

    `complete` takes the roots of subtrees of 256^n leaves, n > 0, in the order in which `extend` completed them.
    """

    __slots__ = ("_edge", "complete", "size")

    def __init__(self) -> None:
        self.size = 0
        self.complete: list[bytes] = []
        self._edge: list[bytes] = []

    def extend(self, hashes: Iterable[bytes]) -> None:
        """Add hashes of leaves."""
        sha256, edge, size = hashlib.sha256, self._edge, self.size
        for leaf in hashes:
            new, before, height = leaf, size, 0
            while before & 1:
                new = sha256(b"\1" + edge.pop() + new).digest()
                before >>= 1
                height += 1
                if not height & 7:
                    self.complete.append(new)
            edge.append(new)
            size += 1
        self.size = size

    def append_subtree(self, new: bytes, height: int) -> None:
        """Add the root over 2^`height` leaves at once. Error: ValueError where the size is no multiple of that."""
        if self.size & ((1 << height) - 1):
            raise ValueError("the tree does not end where such a subtree could begin")
        before = self.size >> height
        while before & 1:
            new = node_hash(self._edge.pop(), new)
            before >>= 1
        self._edge.append(new)
        self.size += 1 << height

    def root(self) -> bytes:
        """The root of the tree as it is."""
        if not self._edge:
            return EMPTY_ROOT
        root = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            root = node_hash(left, root)
        return root


def _split(size: int) -> int:
    """The largest power of two below `size`, which is at least 2."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The audit path of a leaf in the tree of `size` leaves (PATH of RFC 6962). Error: ValueError where it is not in it."""
    if not 0 <= index < size:
        raise ValueError("there is no such leaf in a tree of that size")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(subtree(middle, end))
            end = middle
        else:
            path.append(subtree(start, middle))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """That a tree of `old` leaves begins one of `new` (PROOF of RFC 6962). Error: ValueError unless 0 < old <= new."""
    if not 0 < old <= new:
        raise ValueError("consistency is proven from a smaller tree that is not empty to one at least as large")
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(subtree(middle, end))
            end = middle
        else:
            path.append(subtree(start, middle))
            start, whole = middle, False
    return ([] if whole else [subtree(start, end)]) + path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof shows that the leaf of this hash is at `index` of the tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, here = index, size - 1, leaf
    for one in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            here = node_hash(one, here)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            here = node_hash(here, one)
        at, last = at >> 1, last >> 1
    return last == 0 and here == root


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that one tree is the beginning of the other (RFC 9162, 2.1.4.2)."""
    if old == new:
        return not proof and old_root == new_root
    if not 0 < old < new or not proof:
        return False
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = path[0]
    for one in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node_hash(one, first), node_hash(one, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, one)
        at, last = at >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root
