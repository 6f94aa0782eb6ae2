"""Whether rows come to the same together as each by itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from yumen.tensors.types import Datatype, Tensor

# How far numbers may differ, absolutely and in proportion: sums of other lengths are rounded in another order.
TOLERANCES: dict[Datatype, tuple[float, float]] = {
    "FP64": (1e-8, 1e-6),
    "FP32": (1e-4, 1e-3),
    "FP16": (1e-2, 1e-2),
    "BF16": (5e-2, 5e-2),
}


class Difference(NamedTuple):
    """The largest differences, absolute and in proportion to the expected number; `within` says if they are tolerable."""

    absolute: float
    relative: float
    within: bool


def difference(datatype: Datatype, given: Tensor, expected: Tensor) -> Difference:
    """How far an output is from what is expected. Numbers are compared as float64; whole numbers, flags and texts must be
    the same, and differ by 1 where they are not; so do shapes.
    """
    if given.shape != expected.shape:
        return Difference(1.0, 1.0, within=False)
    tolerance = TOLERANCES.get(datatype)
    if tolerance is None:
        same = bool((given == expected).all())
        return Difference(0.0 if same else 1.0, 0.0 if same else 1.0, within=same)
    one, other = _wide(datatype, given), _wide(datatype, expected)
    with np.errstate(all="ignore"):  # a model may give numbers that are none
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        apart = np.where(same, 0.0, np.abs(one - other))
        size = np.abs(other)
        relative = np.where(same, 0.0, apart / np.where(size > 0, size, 1.0))
        absolute_max, relative_max = tolerance
        tolerable = np.isfinite(apart) & (apart <= absolute_max + relative_max * size)
        within = bool((same | tolerable).all())
    return Difference(float(np.max(apart, initial=0.0)), float(np.max(relative, initial=0.0)), within)


def _wide(datatype: Datatype, array: Tensor) -> Tensor:
    if datatype == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return array.astype(np.float64)
