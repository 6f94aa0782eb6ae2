"""The vectors of one context: which of them are like another one.

Few are compared one by one, which is exact: a thousand of 256 numbers take about 30 microseconds. Where there are more, and
`usearch` is installed (`pip install 'yumen[semantic]'`), a graph of them is searched instead (HNSW: Y. Malkov and D. Yashunin,
"Efficient and robust approximate nearest neighbor search using hierarchical navigable small world graphs", IEEE TPAMI 42(4),
2020); it finds nearly always what is there. Without it the exact way goes on.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]

# Up to so many the exact way is taken.
EXACT_MAX = 1_000
# What a graph costs per vector beside its numbers (16-bit ones): measured at 10,000 of them, rounded up.
NODE_BYTES = 400


@cache
def graph_type() -> Any:
    """The class of graphs, or None where `usearch` is not installed; imported when there is need for one."""
    try:
        from usearch.index import Index
    except ImportError:
        return None
    return Index


class Vectors(Protocol):
    """Vectors of length 1 by number."""

    def add(self, number: int, vector: Vector) -> None: ...
    def remove(self, number: int) -> None: ...
    def nearest(self, vector: Vector, count: int, least: float) -> list[tuple[int, float]]:
        """The numbers of those whose cosine is at least `least`, and that cosine; at most `count`, the best first."""
        ...


class Scan:
    """Compares with all of them."""

    __slots__ = ("_numbers", "_rows", "_slots")

    def __init__(self, dimension: int) -> None:
        self._rows: Vector = np.empty((1, dimension), np.float32)
        self._numbers: list[int] = []
        self._slots: dict[int, int] = {}

    def add(self, number: int, vector: Vector) -> None:
        """Take one more."""
        slot = len(self._numbers)
        if slot == len(self._rows):
            rows: Vector = np.empty((slot + max(1, slot // 2), len(vector)), np.float32)
            rows[:slot] = self._rows
            self._rows = rows
        self._rows[slot] = vector
        self._numbers.append(number)
        self._slots[number] = slot

    def remove(self, number: int) -> None:
        """Let go of one. Error: KeyError."""
        slot = self._slots.pop(number)
        last = self._numbers.pop()
        if last != number:
            self._rows[slot] = self._rows[len(self._numbers)]
            self._numbers[slot] = last
            self._slots[last] = slot

    def nearest(self, vector: Vector, count: int, least: float) -> list[tuple[int, float]]:
        """See `Vectors`."""
        scores = self._rows[: len(self._numbers)] @ vector
        alike = np.flatnonzero(scores >= least)
        if len(alike) > count:
            alike = alike[np.argpartition(-scores[alike], count - 1)[:count]]
        best = alike[np.argsort(-scores[alike], kind="stable")]
        return [(self._numbers[slot], float(scores[slot])) for slot in best]

    def graph(self) -> Graph:
        """All of them as a graph."""
        graph = Graph(self._rows.shape[1])
        for number, row in zip(self._numbers, self._rows, strict=False):
            graph.add(number, row)
        return graph


class Graph:
    """Looks where the like ones are."""

    __slots__ = ("_index",)

    def __init__(self, dimension: int) -> None:
        self._index: Any = graph_type()(ndim=dimension, metric="ip", dtype="f16")

    def add(self, number: int, vector: Vector) -> None:
        """Take one more."""
        self._index.add(number, vector, threads=1)

    def remove(self, number: int) -> None:
        """Let go of one; its place in the graph is used again."""
        self._index.remove(number)

    def nearest(self, vector: Vector, count: int, least: float) -> list[tuple[int, float]]:
        """See `Vectors`."""
        found = self._index.search(vector, count, threads=1)
        alike = zip(found.keys.tolist(), found.distances.tolist(), strict=True)
        return [(number, 1.0 - distance) for number, distance in alike if 1.0 - distance >= least]


def grown(vectors: Vectors, size: int) -> Vectors:
    """These vectors in the form that is best for so many."""
    if size > EXACT_MAX and isinstance(vectors, Scan) and graph_type() is not None:
        return vectors.graph()
    return vectors
