"""Classification: a model that says of a whole text how likely each of its labels is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yumen import CannotStart
from yumen_engines.onnx.labels import labels_of
from yumen_engines.onnx.model import Model


class Classifier:
    """A model of text classification. `labels` by number, as its `config.json` has them. Error: `CannotStart`.

    The scores of a text add up to 1, or are independent of one another where `config.json` says that a text may have
    several labels, or where there is one label only.
    """

    def __init__(self, model: Model) -> None:
        self.labels = labels_of(model.described.id2label)
        self._model = model
        self._independent = model.described.problem_type == "multi_label_classification" or len(self.labels) == 1
        one = next((one for one in model.outputs if one.name == "logits"), model.outputs[0])
        if len(one.shape) != 2 or (isinstance(one.shape[1], int) and one.shape[1] != len(self.labels)):
            raise CannotStart(f"the model does not say {len(self.labels)} labels of a text; name a model that does")
        self._output: str = one.name

    def scores(self, rows: Sequence[Sequence[int]], options: Any) -> NDArray[np.float32]:
        """For each row of tokens how likely each label is, by number."""
        given, _ = self._model.run(self._output, rows, options)
        logits = np.asarray(given, np.float32)
        if logits.shape != (len(rows), len(self.labels)) or not np.isfinite(logits).all():
            raise ValueError("the model's answer is no score of each label")
        if self._independent:
            # In a form that overflows nowhere.
            half = np.exp(-np.abs(logits), dtype=np.float32)
            return np.where(logits >= 0, 1 / (1 + half), half / (1 + half)).astype(np.float32)
        spread = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float32)
        scores: NDArray[np.float32] = spread / spread.sum(axis=1, keepdims=True)
        return scores
