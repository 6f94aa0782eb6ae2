"""The first runs of a model: they take the memory and choose the kernels that later ones find ready, and they show whether
rows that run together leave one another alone.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from yumen import DATATYPES, Signature, Tensor, TensorSpec

Run = Callable[[dict[str, Tensor]], Sequence[Tensor]]

SIZES = (1, 2, 4, 8, 16, 32)
# Elements of one input that are made up at most: a warm-up must not need more memory than serving does.
ELEMENTS_MAX = 1 << 24
# What a size stands for that the model leaves open, where rows are compared.
OPEN_SIZE = 4
# How long all of it may take: a model may be made to run without end.
WARM_UP_S = 120.0


@contextmanager
def limited(runtime: Any, seconds: float) -> Iterator[Any]:
    """Options of ONNX Runtime with which runs end after so many seconds. They say by `terminate` that it came to that."""
    options = runtime.RunOptions()
    timer = threading.Timer(seconds, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()


def sizes(rows_max: int) -> list[int]:
    """The numbers of rows of batches that come often, up to a limit, which is one of them."""
    return sorted({one for one in SIZES if one < rows_max} | {rows_max}) if rows_max else []


def known(signature: Signature) -> bool:
    """Whether every size of what the model takes is known, but for the number of rows."""
    return all(size >= 0 for one in signature.inputs for size in one.shape[1 if signature.batch_max else 0 :])


def warm(run: Run, signature: Signature, rows_max: int) -> list[int]:
    """Run batches of every usual size. Returns which were run. Errors: those of the model."""
    if not known(signature):
        return []
    done = []
    for rows in sizes(min(signature.batch_max, rows_max)) or [0]:
        if too_large(signature, rows):
            break
        run(zeros(signature, rows))
        done.append(rows)
    return done


def too_large(signature: Signature, rows: int) -> bool:
    """Whether a batch of so many rows has more elements than are made up here."""
    return any(math.prod(_shape(one, rows)) > ELEMENTS_MAX for one in signature.inputs)


def zeros(signature: Signature, rows: int) -> dict[str, Tensor]:
    """What a batch of so many rows may be made of; 0 for a model without rows."""
    return {one.name: _made(one, rows, 0) for one in signature.inputs}


def rows_are_apart(run: Run, signature: Signature) -> bool | None:
    """Whether two rows come to the same together as each by itself; None where the model does not take what is made up here.

    A first dimension that is no batch, or a model that compares its rows, would mix what callers are told.
    """
    if too_large(signature, 2):
        return None
    pair = [{one.name: _made(one, 1, row) for one in signature.inputs} for row in (0, 1)]
    both = {name: np.concatenate([pair[0][name], pair[1][name]]) for name in pair[0]}
    try:
        alone = [run(one) for one in pair]
        together = run(both)
    except Exception:  # a made-up value or size that this model refuses says nothing about it
        return None
    return all(
        _alike(whole, spec, [one[number] for one in alone])
        for number, (spec, whole) in enumerate(zip(signature.outputs, together, strict=True))
    )


def _alike(whole: Tensor, spec: TensorSpec, alone: Sequence[Tensor]) -> bool:
    if len(whole) != 2 or any(len(one) != 1 or one.shape[1:] != whole.shape[1:] for one in alone):
        return False
    joined = np.concatenate(list(alone))
    if spec.datatype == "BF16":  # by their bits, of which the last two may differ as rounding does
        return bool((np.abs(joined.astype(np.int64) - whole.astype(np.int64)) <= 2).all())
    if spec.datatype in ("FP16", "FP32", "FP64"):
        wide = 1e-2 if spec.datatype == "FP16" else 1e-3
        with np.errstate(all="ignore"):  # a model may give numbers that are none
            return bool(np.allclose(whole, joined, rtol=wide, atol=wide, equal_nan=True))
    return bool((whole == joined).all())


def _made(spec: TensorSpec, rows: int, row: int) -> Tensor:
    """A tensor that most models take: zeros, or ones for the other row; `rows` in place of the first size if not 0."""
    shape = _shape(spec, rows)
    if spec.datatype == "BYTES":
        return np.full(shape, "b" if row else "a", object)
    kind = DATATYPES[spec.datatype]
    if not row:
        return np.zeros(shape, kind)
    if spec.datatype == "BF16":
        return np.full(shape, 0x3F80, kind)
    return np.ones(shape, kind)


def _shape(spec: TensorSpec, rows: int) -> list[int]:
    return [rows if rows and not place else (size if size >= 0 else OPEN_SIZE) for place, size in enumerate(spec.shape)]
