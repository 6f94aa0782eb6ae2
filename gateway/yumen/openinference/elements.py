"""The elements of a tensor, in JSON and in binary data, as arrays and back.

Source: the protocol's description, "Tensor Data", and its servers' binary tensor data extension: little-endian, row by row,
without gaps; `BOOL` a byte of 0 or 1; each element of `BYTES` four bytes of length and so many bytes, which are UTF-8 here.
FP16 may stand in JSON as numbers; BF16 has no form there.

The messages of every ValueError are for the caller, and hold nothing of the payload.
"""

from __future__ import annotations

import math
import re
import types
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np

from yumen.tensors.types import DATATYPES, Datatype, Tensor

LENGTH_BYTES = 4
NESTED = re.compile(rb"\s*\[\s*\[")
FLOATS = frozenset({"FP16", "FP32", "FP64"})
NO_JSON = "BF16 has no form in JSON; it comes as binary data"


def _element_type(datatype: Datatype) -> Any:
    """What one element is in JSON, with its range; of numbers of 64 bits without a sign numpy knows the upper end."""
    if datatype == "BOOL":
        return bool
    if datatype == "BYTES":
        return str
    if datatype in FLOATS:
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


def from_json(data: msgspec.Raw | bytes, datatype: Datatype, shape: tuple[int, ...]) -> Tensor:
    """The array of a tensor's `data`, which is nested as its shape says, or flat. Error: ValueError."""
    if datatype == "BF16":
        raise ValueError(NO_JSON)
    nested = len(shape) > 1 and NESTED.match(data) is not None
    try:
        values = _decoder(datatype, len(shape) if nested else 1).decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ValueError(f"an element is no {datatype}, or `data` is not nested as `shape` says") from None
    array = _array(values, datatype)
    count = math.prod(shape)
    if array.size != count or (nested and count and array.shape != shape):
        raise ValueError("`data` has not the elements that `shape` says")
    return array.reshape(shape)


def _array(values: list[Any], datatype: Datatype) -> Tensor:
    wide = np.float64 if datatype in FLOATS else DATATYPES[datatype]
    try:
        array: Tensor = np.array(values, dtype=wide)
    except OverflowError:
        raise ValueError(f"an element is no {datatype}") from None
    except ValueError:  # numpy's own message is about its own words
        raise ValueError("the rows of `data` are not of one length") from None
    if datatype in ("FP16", "FP32"):
        with np.errstate(over="ignore"):
            array = array.astype(DATATYPES[datatype])
        if not np.isfinite(array).all():
            raise ValueError(f"an element is no {datatype}")
    return array


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
        raise ValueError("its binary data are not as long as `shape` and `datatype` say")
    if not count:
        return np.empty(shape, dtype)
    array: Tensor = np.frombuffer(data, dtype.newbyteorder("<"))
    if datatype == "BOOL" and array.view(np.uint8).max() > 1:
        raise ValueError("an element is no BOOL")
    # Runtimes may load several elements at once, which some machines do at even addresses only.
    return (array if array.flags.aligned else array.copy()).reshape(shape)


def _texts(data: memoryview, count: int) -> list[str]:
    texts: list[str] = []
    position = 0
    while position < len(data) and len(texts) < count:
        start = position + LENGTH_BYTES
        position = start + int.from_bytes(data[position:start], "little")
        if position > len(data):
            raise ValueError("its binary data are shorter than its elements say")
        try:
            texts.append(str(data[start:position], "utf-8"))
        except UnicodeDecodeError:
            raise ValueError("an element is not UTF-8") from None
    if len(texts) != count or position != len(data):
        raise ValueError("its binary data have not the elements that `shape` says")
    return texts


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
