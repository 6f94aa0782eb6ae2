"""The classifier as training sees it: softmax regression on tf-idf features, fitted by numpy alone.

A question becomes a vector of `ln(1 + count) * idf` over hashed columns, scaled to length 1; one linear layer and a
softmax turn it into a probability for each label. The idf is the smoothed one, `ln((1 + n) / (1 + df)) + 1`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from yumen_engines.faq.features import COLUMNS, featurise

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

# L2 penalty on the weights and number of steps, chosen by cross-validation on the training phrasings.
PENALTY = 1e-5
STEPS = 200


class Weights(NamedTuple):
    """`idf` has shape `(COLUMNS,)`, `table` shape `(COLUMNS, labels)`."""

    idf: Floats
    table: Floats

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """What the trained classifier says; the exported model says the same up to rounding."""
        return softmax(vectors(count_matrix(texts), self.idf) @ self.table)


def count_matrix(texts: Sequence[str]) -> Floats:
    """Counts of columns, one row for each text."""
    matrix = np.zeros((len(texts), COLUMNS), dtype=np.float32)
    for row, text in enumerate(texts):
        for column, count in featurise(text).items():
            matrix[row, column] = count
    return matrix


def inverse_frequency(counts: Floats) -> Floats:
    """The idf of every column; a column that no text has gets the highest."""
    containing = np.count_nonzero(counts, axis=0)
    idf: Floats = (np.log((1 + len(counts)) / (1 + containing)) + 1).astype(np.float32)
    return idf


def vectors(counts: Floats, idf: Floats) -> Floats:
    """tf-idf rows of length 1; a text without features stays zero."""
    weighted = np.log1p(counts) * idf
    lengths = np.linalg.norm(weighted, axis=1, keepdims=True)
    scaled: Floats = (weighted / np.maximum(lengths, 1e-6)).astype(np.float32)
    return scaled


def softmax(logits: Floats) -> Floats:
    """Probabilities, row by row."""
    powers: Floats = np.exp(logits - np.max(logits, axis=1, keepdims=True), dtype=np.float32)
    rows: Floats = np.divide(powers, np.sum(powers, axis=1, keepdims=True), dtype=np.float32)
    return rows


def fit_dual(gram: Floats, targets: Ints, label_count: int) -> Floats:
    """Fit softmax regression given the inner products of the training vectors; return one coefficient row for each text.

    Weights that start at zero and follow the gradient are always a combination of the training vectors, so the fit can run
    on their inner products: `table = vectors.T @ coefficients`. That is several times smaller than the table itself.
    The method is Nesterov's accelerated gradient with the step that the largest eigenvalue of `gram` allows.
    """
    size = len(targets)
    wanted = np.eye(label_count, dtype=np.float32)[targets]
    step = 1 / (0.5 * _largest_eigenvalue(gram) / size + PENALTY)
    coefficients = np.zeros((size, label_count), dtype=np.float32)
    ahead = coefficients.copy()
    momentum = 1.0
    for _ in range(STEPS):
        gradient = (softmax(gram @ ahead) - wanted) / size + PENALTY * ahead
        moved: Floats = (ahead - step * gradient).astype(np.float32, copy=False)
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = (moved + (momentum - 1) / following * (moved - coefficients)).astype(np.float32, copy=False)
        coefficients, momentum = moved, following
    return coefficients


def _largest_eigenvalue(gram: Floats) -> float:
    """By power iteration; `gram` has no negative entries, so a start of ones is not orthogonal to the answer."""
    direction: Floats = np.ones(len(gram), dtype=np.float32)
    length = 1.0
    for _ in range(30):
        direction = (gram @ direction).astype(np.float32, copy=False)
        length = float(np.linalg.norm(direction))
        direction /= length
    return length


def fit(texts: Sequence[str], targets: Ints, label_count: int) -> Weights:
    """Train on all texts."""
    counts = count_matrix(texts)
    idf = inverse_frequency(counts)
    rows = vectors(counts, idf)
    return Weights(idf, rows.T @ fit_dual(rows @ rows.T, targets, label_count))


def out_of_fold(texts: Sequence[str], targets: Ints, label_count: int, *, folds: int, seed: int) -> Floats:
    """Probabilities for each training text from a model that has not seen it: honest confidences to choose by.

    Folds are drawn for each label, so that every label is in every fold. The idf is that of all texts.
    """
    counts = count_matrix(texts)
    rows = vectors(counts, inverse_frequency(counts))
    gram = rows @ rows.T
    generator = np.random.default_rng(seed)
    fold_of = np.empty(len(texts), dtype=np.int64)
    for label in range(label_count):
        members = generator.permutation(np.flatnonzero(targets == label))
        fold_of[members] = np.arange(len(members)) % folds
    result = np.empty((len(texts), label_count), dtype=np.float32)
    for fold in range(folds):
        inside, outside = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        coefficients = fit_dual(gram[np.ix_(inside, inside)], targets[inside], label_count)
        logits: Floats = (gram[np.ix_(outside, inside)] @ coefficients).astype(np.float32, copy=False)
        result[outside] = softmax(logits)
    return result
