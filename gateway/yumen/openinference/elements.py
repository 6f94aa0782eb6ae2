"""The elements of a tensor, in JSON and in binary data, as arrays and back; and whether they are what they should be.

Source: the protocol's description, "Tensor Data", and its servers' binary tensor data extension: little-endian, row by row,
without gaps; `BOOL` a byte of 0 or 1; each element of `BYTES` four bytes of length and so many bytes, which are UTF-8 here.
FP16 may stand in JSON as numbers; BF16 has no form there.

The messages of every ValueError are for the caller, and hold nothing of the payload.
"""

from __future__ import annotations

import math
import re
import types
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import Annotated, Any

import msgspec
import numpy as np

from yumen.tensors.types import DATATYPES, Datatype, Tensor

LENGTH_BYTES = 4
NESTED = re.compile(rb"\s*\[\s*\[")
UINT64_MAX = (1 << 64) - 1
FLOATS = frozenset({"FP16", "FP32", "FP64"})
# From here on a number is rounded to infinity: half a step above the largest number of the type.
ROUNDED_UP = {"FP16": 65520.0, "FP32": 3.4028235677973366e38}
NOT_AS_LONG = "its binary data are not as long as `shape` and `datatype` say"
NO_JSON = "BF16 has no form in JSON; it comes as binary data"


def _element_type(datatype: Datatype) -> Any:
    """What one element is in JSON, with its range; the upper end of UINT64 is more than msgspec takes."""
    if datatype == "BOOL":
        return bool
    if datatype == "BYTES":
        return str
    if datatype in ROUNDED_UP:
        limit = ROUNDED_UP[datatype]
        return Annotated[float, msgspec.Meta(gt=-limit, lt=limit)]
    if datatype == "FP64":
        return float
    if datatype == "UINT64":
        return Annotated[int, msgspec.Meta(ge=0)]
    limits = np.iinfo(DATATYPES[datatype])
    return Annotated[int, msgspec.Meta(ge=int(limits.min), le=int(limits.max))]


@lru_cache(len(DATATYPES) * 64)
def _decoder(datatype: Datatype, depth: int) -> msgspec.json.Decoder[Any]:
    nested = _element_type(datatype)
    for _ in range(depth):
        nested = types.GenericAlias(list, (nested,))
    return msgspec.json.Decoder(nested)


def _values(data: msgspec.Raw | bytes, datatype: Datatype, shape: tuple[int, ...]) -> tuple[list[Any], bool]:
    """The elements in JSON, and whether they are nested. Error: ValueError."""
    if datatype == "BF16":
        raise ValueError(NO_JSON)
    nested = len(shape) > 1 and NESTED.match(data) is not None
    try:
        return _decoder(datatype, len(shape) if nested else 1).decode(data), nested
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ValueError(f"an element is no {datatype}, or `data` is not nested as `shape` says") from None


def check_json_elements(data: msgspec.Raw | bytes, datatype: Datatype, shape: tuple[int, ...]) -> None:
    """Whether a tensor's `data` are what `from_json` would make an array of, without making one. Error: ValueError."""
    values, nested = _values(data, datatype, shape)
    if not _has_shape(values, shape if nested else (math.prod(shape),), unsigned=datatype == "UINT64"):
        raise ValueError("`data` has not the elements that `shape` says")


def _has_shape(values: list[Any], shape: tuple[int, ...], *, unsigned: bool) -> bool:
    if len(values) != shape[0]:
        return False
    # All arrays of one depth at a time, since there may be as many as there are elements.
    for size in shape[1:]:
        if not {size}.issuperset(map(len, values)):
            return False
        values = list(chain.from_iterable(values))
    return not unsigned or max(values, default=0) <= UINT64_MAX


def check_binary_elements(data: memoryview, datatype: Datatype, shape: tuple[int, ...]) -> None:
    """Whether a tensor's binary data have the elements that its shape says; texts need not be UTF-8. Error: ValueError."""
    count = math.prod(shape)
    if datatype == "BYTES":
        deque(_spans(data, count), maxlen=0)
    elif len(data) != count * DATATYPES[datatype].itemsize:
        raise ValueError(NOT_AS_LONG)
    elif datatype == "BOOL" and max(data, default=0) > 1:
        raise ValueError("an element is no BOOL")


def from_json(data: msgspec.Raw | bytes, datatype: Datatype, shape: tuple[int, ...]) -> Tensor:
    """The array of a tensor's `data`, which is nested as its shape says, or flat. Error: ValueError."""
    values, nested = _values(data, datatype, shape)
    array = _array(values, datatype)
    count = math.prod(shape)
    # Of what is empty an array does not tell all dimensions.
    as_said = not nested or (array.shape == shape if count else _has_shape(values, shape, unsigned=False))
    if array.size != count or not as_said:
        raise ValueError("`data` has not the elements that `shape` says")
    return array.reshape(shape)


def _array(values: list[Any], datatype: Datatype) -> Tensor:
    # By way of 64 bits numbers are rounded once, as JSON's own are.
    wide = np.float64 if datatype in FLOATS else DATATYPES[datatype]
    try:
        array: Tensor = np.array(values, dtype=wide)
    except OverflowError:
        raise ValueError(f"an element is no {datatype}") from None
    except ValueError:  # numpy's own message is about its own words
        raise ValueError("the rows of `data` are not of one length") from None
    return array.astype(DATATYPES[datatype], copy=False)


def from_bytes(data: memoryview, datatype: Datatype, shape: tuple[int, ...]) -> Tensor:
    """The array of a tensor's binary data: a view of them, which cannot be written, where that is possible.

    Error: ValueError.
    """
    count = math.prod(shape)
    if datatype == "BYTES":
        # They are counted before there is room for as many as the caller says.
        found = _texts(data, count)
        texts = np.empty(count, dtype=object)
        texts[:] = found
        return texts.reshape(shape)
    dtype = DATATYPES[datatype]
    if len(data) != count * dtype.itemsize:
        raise ValueError(NOT_AS_LONG)
    if not count:
        return np.empty(shape, dtype)
    array: Tensor = np.frombuffer(data, dtype.newbyteorder("<"))
    if datatype == "BOOL" and array.view(np.uint8).max() > 1:
        raise ValueError("an element is no BOOL")
    # Runtimes may load several elements at once, which some machines do at even addresses only.
    return (array if array.flags.aligned else array.copy()).reshape(shape)


def _texts(data: memoryview, count: int) -> list[str]:
    try:
        return [str(data[start:stop], "utf-8") for start, stop in _spans(data, count)]
    except UnicodeDecodeError:
        raise ValueError("an element is not UTF-8") from None


def _spans(data: memoryview, count: int) -> Iterator[tuple[int, int]]:
    """Where each of so many elements of `BYTES` starts and stops. Error: ValueError."""
    position = found = 0
    while position < len(data) and found < count:
        start = position + LENGTH_BYTES
        position = start + int.from_bytes(data[position:start], "little")
        if position > len(data):
            raise ValueError("its binary data are shorter than its elements say")
        found += 1
        yield start, position
    if found != count or position != len(data):
        raise ValueError("its binary data have not the elements that `shape` says")


def to_json(array: Tensor, datatype: Datatype) -> list[Any]:
    """The elements for `data`, flat. Error: ValueError for what JSON cannot hold, or is not of the type."""
    if datatype == "BF16":
        raise ValueError(NO_JSON)
    if datatype in FLOATS and not np.isfinite(array).all():
        raise ValueError("a number is not finite, which JSON cannot hold")
    elements: list[Any] = array.ravel().tolist()
    if datatype == "BYTES" and not all(type(element) is str for element in elements):
        raise ValueError("an element is no text")
    return elements


def to_bytes(array: Tensor, datatype: Datatype) -> bytes:
    """The elements as binary data. Error: ValueError for what is not of the type."""
    if datatype == "BYTES":
        encoded = [element.encode() for element in to_json(array, datatype)]
        return b"".join(part for one in encoded for part in (len(one).to_bytes(LENGTH_BYTES, "little"), one))
    return array.astype(DATATYPES[datatype].newbyteorder("<"), copy=False).tobytes()
