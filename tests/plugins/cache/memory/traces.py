"""Who asks for what, as traces of numbers, and a plain LRU to compare with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

KINDS = ("zipf", "one-hit wonders", "scans", "shifts")
SCAN_EVERY, SCAN_SHARE = 20, 0.25
SHIFTS = 8


def trace(kind: str, exponent: float, length: int, objects: int, seed: int = 1) -> list[int]:
    """Numbers of objects whose popularity follows Zipf's law: the k-th is asked for in proportion to k ** -exponent.

    With `one-hit wonders` three of ten requests are for something that nobody else ever asks for; with `scans` as many in a
    row as a quarter of the requests, twenty times; with `shifts` a quarter of the objects is replaced by others eight times.
    """
    draw = np.random.default_rng(seed)
    weights = np.arange(1, objects + 1) ** -exponent
    asked = draw.permutation(objects)[draw.choice(objects, size=length, p=weights / weights.sum())]
    if kind == "one-hit wonders":
        once = draw.random(length) < 0.3
        asked[once] = np.arange(objects, objects + int(once.sum()))
    elif kind == "scans":
        scan = int(length / SCAN_EVERY * SCAN_SHARE)
        parts = np.array_split(asked, SCAN_EVERY)
        scans = [np.arange(scan) + objects + number * scan for number in range(SCAN_EVERY)]
        asked = np.concatenate([one for pair in zip(parts, scans, strict=True) for one in pair])
    elif kind == "shifts":
        moved = asked + objects * (np.arange(length) * SHIFTS // length)
        asked = np.where(asked % 4 == 0, moved, asked)
    return [int(one) for one in asked]


def sizes(count: int, seed: int = 2) -> list[int]:
    """Bytes of replies: half of them above 4,000, one in ten above 14,000 (log-normal)."""
    return [int(one) for one in 400 + np.random.default_rng(seed).lognormal(8.3, 1.0, count)]


class Lru:
    """Lets go of what was not asked for longest; all costs are in bytes."""

    def __init__(self, bytes_max: int) -> None:
        self._left = bytes_max
        self._costs: OrderedDict[int, int] = OrderedDict()

    def hits(self, asked: Sequence[int], costs: Sequence[int]) -> int:
        """How many of the requests it answers, keeping what it does not have."""
        found = 0
        for number in asked:
            if number in self._costs:
                self._costs.move_to_end(number)
                found += 1
                continue
            self._costs[number] = costs[number]
            self._left -= costs[number]
            while self._left < 0:
                self._left += self._costs.popitem(last=False)[1]
        return found
