"""The vectors of one context: which of them are like another one.

All are compared, which is exact, and takes 0.1 ms for a thousand of 256 numbers and 1 ms for ten thousand; more are not
kept. A graph (HNSW) would be faster only beyond that. `usearch` was tried for it: its 2.25 loses keys and then hangs
where vectors are added and removed for long, and its 2.26.3 to 2.26.6 crash the process when onnxruntime is imported later.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]

# So many numbers are multiplied at once: with more, the library behind numpy wakes threads that wait for each other.
BLOCK = 1 << 18


class Vectors:
    """Vectors of length 1, by number."""

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
        """Let go of one. Error: KeyError where it is not there."""
        slot = self._slots.pop(number)
        last = self._numbers.pop()
        if last != number:
            self._rows[slot] = self._rows[len(self._numbers)]
            self._numbers[slot] = last
            self._slots[last] = slot

    def nearest(self, vector: Vector, count: int, least: float) -> list[tuple[int, float]]:
        """The numbers of those whose cosine is at least `least`, and that cosine; at most `count`, the best first."""
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
