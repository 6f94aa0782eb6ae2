"""The classification extension: of an output's numbers the highest, each as `value:index` or `value:index:label`.

Source: the extension's description. Of equal numbers the first comes first; where there are fewer than are asked for, all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from yumen.tensors.types import Datatype, Tensor

CLASSES_MAX = 10_000


def countable(datatype: Datatype) -> bool:
    """Whether numbers of this type can be ranked."""
    return datatype not in ("BOOL", "BYTES")


def classify(array: Tensor, datatype: Datatype, count: int, labels: Sequence[str] = (), *, batched: bool) -> Tensor:
    """An array of texts, `(rows, count)` where `batched` or `(count,)`. Error: ValueError where a number is none."""
    if datatype == "BF16":
        # The upper half of the same number with 32 bits.
        array = (array.astype(np.uint32) << 16).view(np.float32)
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError("a number is none, and has no place among others")
    rows = array.reshape(len(array), math.prod(array.shape[1:])) if batched and array.ndim else array.reshape(1, -1)
    classes = rows.shape[1]
    count = min(count, classes)
    # Backwards through an order that keeps equals as they are, from the back: the first of equals comes first.
    highest = classes - 1 - np.argsort(rows[:, ::-1], axis=1, kind="stable")[:, ::-1][:, :count]
    texts = np.empty((len(rows), count), dtype=object)
    for row, columns in enumerate(highest.tolist()):
        texts[row] = [_class(rows[row, column], column, labels) for column in columns]
    return texts if batched and array.ndim else texts[0]


def _class(value: object, index: int, labels: Sequence[str]) -> str:
    label = labels[index] if index < len(labels) else ""
    # numpy writes its own numbers with as few digits as tell them apart; formatting goes by way of one of 64 bits.
    text = str(value)
    return f"{text}:{index}:{label}" if label else f"{text}:{index}"
