"""How the test embedder learns, with numpy alone.

A sentence is the sum of the vectors of its tokens and of its pairs of neighbouring tokens (hashed), scaled to length 1.
Wordings of one meaning are drawn together and other meanings apart: multiple-negatives ranking (Henderson et al. 2017, arXiv
1705.00652) over each batch, and hinges that fix what a cosine is worth: at least `NEAR` for one meaning, at most `FAR` for
others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

DIM, PAIRS, FACTOR = 96, 16_384, 31_337
# Rows of the table that stand for no word: the special tokens.
SPECIAL = 4
NEAR, FAR, TEMPERATURE = 0.92, 0.45, 0.06
# How much the hinges count beside the ranking.
NEAR_WEIGHT, FAR_WEIGHT = 6.0, 6.0
TOKENS_MAX = 64
# How long the vector of a pair is to begin with, where that of a word has about 1.
PAIR_SPREAD = 0.2


class Weights(NamedTuple):
    """`words` has shape `(tokens, DIM)`, `pairs` `(PAIRS, DIM)`."""

    words: Floats
    pairs: Floats


class Batch(NamedTuple):
    """Tokens of some sentences, 0 behind their ends, and for each two of them how alike they are to be.

    `same` is 1 where two sentences mean the same, `weak` where they only have one intent; neither is another meaning.
    """

    tokens: Ints
    same: NDArray[np.bool_]
    weak: NDArray[np.bool_]


def begin(tokens: int, seed: int) -> Weights:
    """Random vectors, so that what training never sees still differs from everything else."""
    random = np.random.default_rng(seed)
    words = random.normal(0, DIM**-0.5, (tokens, DIM)).astype(np.float32)
    words[:SPECIAL] = 0
    return Weights(words, random.normal(0, PAIR_SPREAD * DIM**-0.5, (PAIRS, DIM)).astype(np.float32))


def padded(rows: Sequence[Sequence[int]]) -> Ints:
    """Rows of tokens as one array."""
    width = min(TOKENS_MAX, max(map(len, rows)))
    array = np.zeros((len(rows), width), np.int64)
    for number, row in enumerate(rows):
        array[number, : min(len(row), width)] = row[:width]
    return array


def hashed(tokens: Ints) -> tuple[Ints, Floats]:
    """The rows of the pairs' table, and 1 where there is such a pair; one less than tokens."""
    left, right = tokens[:, :-1], tokens[:, 1:]
    there = ((left >= SPECIAL) & (right >= SPECIAL)).astype(np.float32)
    return (left * FACTOR + right) % PAIRS, there


def summed(weights: Weights, tokens: Ints) -> Floats:
    """The sentences before they are scaled."""
    rows, there = hashed(tokens)
    total: Floats = weights.words[tokens].sum(1) + np.einsum("nld,nl->nd", weights.pairs[rows], there)
    return total


def embedded(weights: Weights, tokens: Ints) -> Floats:
    """The sentences, of length 1."""
    total = summed(weights, tokens)
    unit: Floats = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)
    return unit


def slope(unit: Floats, batch: Batch) -> tuple[float, Floats]:
    """The loss of a batch, and its slope by the cosine of each two sentences."""
    count = len(unit)
    cosines = unit @ unit.T
    itself = np.eye(count, dtype=bool)
    good = (batch.same | batch.weak) & ~itself
    scores = cosines / TEMPERATURE
    scores[itself] = -np.inf
    # One positive at a time competes with all negatives, and not with the other positives.
    negative = np.exp(np.where(good, -np.inf, scores) - 1 / TEMPERATURE)
    below = negative.sum(1, keepdims=True)
    positive = np.where(good, np.exp(np.where(good, scores, 0) - 1 / TEMPERATURE), 0)
    share = np.where(good, below / (below + positive), 0)
    each = np.where(batch.weak, 0.3, 1.0) / np.maximum(good.sum(), 1)
    loss = float((each * np.where(good, -np.log(np.maximum(1 - share, 1e-12)), 0)).sum())
    down = -each * share / TEMPERATURE
    pushed = np.where(good, each / (below + positive), 0).sum(1, keepdims=True) * negative / TEMPERATURE
    change = down + pushed
    close = batch.same & ~itself
    short = np.where(close, np.maximum(NEAR - cosines, 0), 0)
    over = np.where(good | itself, 0, np.maximum(cosines - FAR, 0))
    pulled, parted = max(1, int(close.sum())), max(1, int((over > 0).sum()))
    loss += float(NEAR_WEIGHT * (short**2).sum() / pulled + FAR_WEIGHT * (over**2).sum() / parted)
    change -= 2 * NEAR_WEIGHT * short / pulled
    change += 2 * FAR_WEIGHT * over / parted
    return loss, change.astype(np.float32)


class Learner:
    """Adam, on the rows that a batch touches."""

    def __init__(self, weights: Weights, rate: float) -> None:
        self.weights = weights
        self.rate = rate
        self._first = Weights(*map(np.zeros_like, weights))
        self._second = Weights(*map(np.zeros_like, weights))
        self._steps = 0

    def step(self, batch: Batch, rate: float) -> float:
        """Learn from a batch; returns its loss."""
        self._steps += 1
        total = summed(self.weights, batch.tokens)
        length = np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)
        unit = total / length
        loss, change = slope(unit, batch)
        towards = (change + change.T) @ unit
        inner = (towards - (towards * unit).sum(1, keepdims=True) * unit) / length
        rows, there = hashed(batch.tokens)
        words = batch.tokens.ravel()
        self._move(0, words, np.repeat(inner, batch.tokens.shape[1], axis=0), words >= SPECIAL, rate)
        self._move(1, rows.ravel(), np.repeat(inner, rows.shape[1], axis=0), there.ravel() > 0, rate)
        return loss

    def _move(self, table: int, rows: Ints, slopes: Floats, counts: NDArray[np.bool_], rate: float) -> None:
        rows, slopes = rows[counts], slopes[counts]
        order = np.argsort(rows, kind="stable")
        rows, slopes = rows[order], slopes[order]
        starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
        touched, slopes = rows[starts], np.add.reduceat(slopes, starts, axis=0)
        first, second = self._first[table], self._second[table]
        first[touched] = 0.9 * first[touched] + 0.1 * slopes
        second[touched] = 0.99 * second[touched] + 0.01 * slopes**2
        corrected = rate * (1 - 0.99**self._steps) ** 0.5 / (1 - 0.9**self._steps)
        self.weights[table][touched] -= corrected * first[touched] / (np.sqrt(second[touched]) + 1e-6)
