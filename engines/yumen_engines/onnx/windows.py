"""Cuts long texts into rows that overlap, and puts what the model says of the rows together again.

Of the rows that hold a token, the one in which it stands farther from an edge says what it is: there the model sees more of
what stands around it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# The best label of each of some tokens, by number, and its probability.
Said = tuple[NDArray[np.int64], NDArray[np.float32]]
# Of a row so much is read again in the next one: a fourth.
OVERLAP = 4


class Row(NamedTuple):
    """Some tokens of a text: which text, which tokens, and which of them this row decides about."""

    text: int
    start: int
    end: int
    first: int
    last: int


def rows_of(lengths: Sequence[int], tokens_max: int) -> list[Row]:
    """The rows for texts of these lengths, in tokens; none for a text without any."""
    rows: list[Row] = []
    overlap = tokens_max // OVERLAP
    for text, length in enumerate(lengths):
        start = first = 0
        while first < length:
            end = min(start + tokens_max, length)
            last = length if end == length else end - overlap // 2
            rows.append(Row(text, start, end, first, last))
            first, start = last, end - overlap
    return rows


def batches(rows: Sequence[Row], rows_max: int) -> Iterator[list[Row]]:
    """The rows in batches of about the same length each, so that little is padded; short ones first."""
    ordered = sorted(rows, key=lambda row: row.end - row.start)
    for place in range(0, len(ordered), rows_max):
        yield ordered[place : place + rows_max]


class Joined:
    """What the rows of all texts come to: for each text the best label of its tokens by number, and how likely it is."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths
        self.texts: list[Said] = [(np.zeros(one, np.int64), np.zeros(one, np.float32)) for one in lengths]

    def put(self, row: Row, said: Said) -> None:
        """Take what a row decides about; `said` is for all of its tokens."""
        best, sure = self.texts[row.text]
        decided = slice(row.first - row.start, row.last - row.start)
        best[row.first : row.last] = said[0][decided]
        sure[row.first : row.last] = said[1][decided]
