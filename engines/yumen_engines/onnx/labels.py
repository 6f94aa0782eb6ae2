"""Token classification: a model that says one of its labels of every token."""

from __future__ import annotations

from typing import Any

import numpy as np

from yumen import CannotStart
from yumen_engines.onnx.model import Model
from yumen_engines.onnx.windows import Said

LABELS_MAX, LABEL_CHARS_MAX = 4096, 200


class Labeller:
    """A model of token classification. `labels` by number, as its `config.json` has them."""

    def __init__(self, model: Model) -> None:
        self.labels = labels_of(model.described.id2label)
        self._output = _output(model, len(self.labels))
        self._model = model

    def said(self, rows: list[list[int]], options: Any) -> list[Said]:
        """For each row of tokens what the model says of them."""
        logits, mask = self._model.run(self._output, rows, options)
        if logits.shape != (*mask.shape, len(self.labels)):
            raise ValueError("the model's answer has another shape than what it was asked")
        spread = np.exp(logits - logits.max(axis=2, keepdims=True), dtype=np.float32)
        spread /= spread.sum(axis=2, keepdims=True)
        best, sure = spread.argmax(axis=2), spread.max(axis=2)
        first = len(self._model.before)
        spans = [slice(first, first + len(row)) for row in rows]
        return [(best[number, span], sure[number, span]) for number, span in enumerate(spans)]


def labels_of(id2label: dict[str, str]) -> list[str]:
    """The labels of a model by number. Error: `CannotStart` where they are not numbered, or no names."""
    count = len(id2label)
    labels = [id2label.get(str(number)) for number in range(min(count, LABELS_MAX + 1))]
    known = [label for label in labels if label is not None]
    if not known or len(known) != count or count > LABELS_MAX:
        raise CannotStart(f"`id2label` in config.json does not number 1 to {LABELS_MAX} labels from 0; export it again")
    # They become names in records and metrics.
    if not all(label.isprintable() and len(label) <= LABEL_CHARS_MAX for label in known):
        raise CannotStart(
            "a label of `id2label` in config.json is too long, or holds what cannot be printed; rename it"
        )
    return known


def _output(model: Model, labels: int) -> str:
    one = next((one for one in model.outputs if one.name == "logits"), model.outputs[0])
    if len(one.shape) != 3 or (isinstance(one.shape[2], int) and one.shape[2] != labels):
        raise CannotStart(f"the model does not say one of its {labels} labels of each token; name a model that does")
    name: str = one.name
    return name
