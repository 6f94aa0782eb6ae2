"""The vectors of one context: which of them are like another one.

Few are compared one by one, which is exact. Where there are more, and `usearch` is installed (the extra `semantic`), a graph
of them is searched (HNSW: Y. Malkov and D. Yashunin, "Efficient and robust approximate nearest neighbor search using
hierarchical navigable small world graphs", IEEE TPAMI 42(4), 2020); it finds nearly always what is there.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
Found = list[tuple[int, float]]

# Up to so many are compared one by one, in a third of a millisecond for vectors of 256 numbers.
EXACT_MAX = 4_000
# So many questions of a tenant may be remembered where `usearch` is not installed.
EXACT_ONLY_MAX = 10_000
# How many of them move into the graph with each new one, which takes a quarter of a millisecond each.
MOVED = 2
# So many numbers are multiplied at once: with more, the library behind numpy wakes threads that wait for each other.
BLOCK = 1 << 18


@cache
def graph_type() -> Any:
    """The class of graphs, or None where `usearch` is not installed."""
    try:
        from usearch.index import Index
    except ImportError:
        return None
    return Index


class Vectors:
    """Vectors of length 1, by number."""

    __slots__ = ("_graph", "_scan")

    def __init__(self, dimension: int) -> None:
        self._scan = Scan(dimension)
        self._graph: Graph | None = None

    def add(self, number: int, vector: Vector) -> None:
        """Take one more."""
        if self._graph is None and len(self._scan) >= EXACT_MAX and graph_type() is not None:
            self._graph = Graph(len(vector))
        if self._graph is None:
            self._scan.add(number, vector)
            return
        self._graph.add(number, vector)
        for _ in range(min(MOVED, len(self._scan))):
            self._graph.add(*self._scan.pop())

    def remove(self, number: int) -> None:
        """Let go of one. Error: KeyError where it is not there."""
        if number in self._scan or self._graph is None:
            self._scan.remove(number)
        else:
            self._graph.remove(number)

    def nearest(self, vector: Vector, count: int, least: float) -> Found:
        """The numbers of those whose cosine is at least `least`, and that cosine; at most `count`, the best first."""
        found = self._scan.nearest(vector, count, least)
        if self._graph is not None:
            found += self._graph.nearest(vector, count, least)
            found.sort(key=lambda one: -one[1])
        return found[:count]


class Scan:
    """Compares with all of them."""

    __slots__ = ("_numbers", "_rows", "_slots")

    def __init__(self, dimension: int) -> None:
        self._rows: Vector = np.empty((1, dimension), np.float32)
        self._numbers: list[int] = []
        self._slots: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, number: int) -> bool:
        return number in self._slots

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

    def pop(self) -> tuple[int, Vector]:
        """Let go of the last one, and return it. Error: IndexError where there is none."""
        number = self._numbers[-1]
        vector = self._rows[len(self._numbers) - 1].copy()
        self.remove(number)
        return number, vector

    def nearest(self, vector: Vector, count: int, least: float) -> Found:
        """See `Vectors`."""
        size, step = len(self._numbers), max(1, BLOCK // len(vector))
        if size <= step:
            scores = self._rows[:size] @ vector
        else:
            scores = np.concatenate([self._rows[at : min(at + step, size)] @ vector for at in range(0, size, step)])
        alike = np.flatnonzero(scores >= least)
        if len(alike) > count:
            alike = alike[np.argpartition(-scores[alike], count - 1)[:count]]
        best = alike[np.argsort(-scores[alike], kind="stable")]
        return [(self._numbers[slot], float(scores[slot])) for slot in best]


class Graph:
    """Looks where the like ones are."""

    __slots__ = ("_index",)

    def __init__(self, dimension: int) -> None:
        self._index: Any = graph_type()(ndim=dimension, metric="ip", dtype="f16")

    def __len__(self) -> int:
        return len(self._index)

    @property
    def capacity(self) -> int:
        """How many vectors there is memory for."""
        return int(self._index.capacity)

    def add(self, number: int, vector: Vector) -> None:
        """Take one more."""
        self._index.add(number, vector, threads=1)

    def remove(self, number: int) -> None:
        """Let go of one; its place in the graph is used again. Error: KeyError."""
        if not self._index.remove(number):
            raise KeyError(number)

    def nearest(self, vector: Vector, count: int, least: float) -> Found:
        """See `Vectors`."""
        found = self._index.search(vector, count, threads=1)
        alike = zip(found.keys.tolist(), found.distances.tolist(), strict=True)
        return [(number, 1.0 - distance) for number, distance in alike if 1.0 - distance >= least]
