"""Whether a tensor has the elements that its shape and type say, in JSON or as binary data, without making arrays of it.

Source: the Open Inference Protocol's description, "Tensor Data", and its servers' binary tensor data extension: row by row
without gaps; `BOOL` a byte of 0 or 1; each element of `BYTES` four bytes of length, little-endian, and so many bytes.
"""

from __future__ import annotations

import math
import re
import types
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np

from yumen import DATATYPES, Datatype

LENGTH_BYTES = 4
UINT64_MAX = (1 << 64) - 1
# From here on a number is rounded to infinity: half a step above the largest number of the type.
ROUNDED_UP = {"FP16": 65520.0, "FP32": 3.4028235677973366e38}
NESTED = re.compile(rb"\s*\[\s*\[")


@lru_cache(1_024)
def _decoder(datatype: Datatype, depth: int) -> msgspec.json.Decoder[Any]:
    nested = _element_type(datatype)
    for _ in range(depth):
        nested = types.GenericAlias(list, (nested,))
    return msgspec.json.Decoder(nested)


def _element_type(datatype: Datatype) -> Any:
    if datatype == "BYTES":
        return str
    if datatype == "BOOL":
        return bool
    if datatype in ROUNDED_UP:
        limit = ROUNDED_UP[datatype]
        return Annotated[float, msgspec.Meta(gt=-limit, lt=limit)]
    if datatype == "FP64":
        return float
    if datatype == "UINT64":  # its upper end is more than msgspec takes
        return Annotated[int, msgspec.Meta(ge=0)]
    limits = np.iinfo(DATATYPES[datatype])
    return Annotated[int, msgspec.Meta(ge=int(limits.min), le=int(limits.max))]


def check_json(data: msgspec.Raw, datatype: Datatype, shape: tuple[int, ...]) -> None:
    """Of a tensor's `data`, nested as its shape says, or flat. Error: ValueError, whose message holds none of it."""
    if datatype == "BF16":
        raise ValueError("BF16 has no form in JSON")
    nested = len(shape) > 1 and NESTED.match(data) is not None
    try:
        values = _decoder(datatype, len(shape) if nested else 1).decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ValueError(f"an element is no {datatype}, or `data` is not nested as `shape` says") from None
    if not _has_shape(values, shape if nested else (math.prod(shape),), datatype == "UINT64"):
        raise ValueError("`data` has not the elements that `shape` says")


def _has_shape(values: list[Any], shape: tuple[int, ...], unsigned: bool) -> bool:
    if len(values) != shape[0]:
        return False
    if len(shape) == 1:
        return not unsigned or max(values, default=0) <= UINT64_MAX
    return all(_has_shape(one, shape[1:], unsigned) for one in values)


def check_bytes(data: memoryview, datatype: Datatype, shape: tuple[int, ...]) -> None:
    """Of a tensor's binary data. Error: ValueError, whose message holds none of it."""
    count = math.prod(shape)
    if datatype == "BYTES":
        _check_texts(data, count)
    elif len(data) != count * DATATYPES[datatype].itemsize:
        raise ValueError("its binary data are not as long as `shape` and `datatype` say")
    elif datatype == "BOOL" and max(data, default=0) > 1:
        raise ValueError("an element is no BOOL")


def _check_texts(data: memoryview, count: int) -> None:
    position = found = 0
    while position < len(data) and found < count:
        start = position + LENGTH_BYTES
        if start > len(data):
            break
        position = start + int.from_bytes(data[position:start], "little")
        found += 1
    if found != count or position != len(data):
        raise ValueError("its binary data have not the elements that `shape` says")
