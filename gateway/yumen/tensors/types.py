"""The types of tensors, by the names of the Open Inference Protocol, and what a model takes and gives.

Source: the protocol's published description, "Tensor Data Types". numpy has no bfloat16: such a tensor is an array of the
same bits as uint16. The elements of `BYTES` are Python strings, in an array of objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "FP32", "FP64", "BF16", "BYTES",
]  # fmt: skip
Tensor = NDArray[Any]
Tensors = Mapping[str, Tensor]
Scalar = str | int | float | bool

# The numpy type of each datatype.
DATATYPES: Mapping[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BF16": np.dtype(np.uint16),
    "BYTES": np.dtype(object),
}


class TensorSpec(msgspec.Struct, frozen=True):
    """A tensor that a model takes or gives; -1 in its `shape` stands for any size."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]


class Signature(msgspec.Struct, frozen=True):
    """What a model takes and gives.

    `batch_max` is how many rows one run may have, rows being the first dimension of every tensor; 0 where the first
    dimension is no batch, so that a request runs alone, as it is.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batch_max: int = 0


class Rows(msgspec.Struct, frozen=True):
    """What one run of a model is given: `inputs` by name, the same number of rows in each.

    `outputs` are the names of those that are wanted, all where it is empty; `parameters` what the caller asks for beside,
    the same for every row.
    """

    inputs: Tensors
    outputs: tuple[str, ...] = ()
    parameters: Mapping[str, Scalar] = {}
