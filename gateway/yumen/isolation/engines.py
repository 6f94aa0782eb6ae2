"""What passes between a plugin's process and the engines that it asks: batches, replies and failures.

Values of a batch are what MessagePack holds, and arrays of numbers of NumPy, which stand in extensions of type 1: the
dtype, the shape, and the elements in order of C (https://numpy.org/doc/stable/reference/arrays.interface.html, `typestr`).
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
import numpy as np
from msgspec.msgpack import Ext

from yumen.engine import EngineError, RequestRefused
from yumen.errors import Code

ARRAY = 1
DIMENSIONS_MAX = 32
# Booleans, integers and floating-point numbers; little-endian, or of one byte.
DTYPE = re.compile(r"\|b1|[|<][iu][1248]|<f[248]")


class Failed(msgspec.Struct, frozen=True, array_like=True):
    """An `EngineError`; `code` is that of a `RequestRefused`, and None for any other."""

    message: str
    timeout: bool = False
    again: bool = False
    retry_after_s: float | None = None
    well: bool = False
    param: str | None = None
    code: Code | None = None

    @classmethod
    def of(cls, error: EngineError) -> Failed:
        """As it is told."""
        param, code = (error.param, error.code) if isinstance(error, RequestRefused) else (None, None)
        what = str(error)[:500]
        return cls(what, error.timeout, error.again, error.retry_after_s, error.well, param, code)

    def error(self) -> EngineError:
        """As it is raised."""
        if self.code is not None:
            return RequestRefused(self.message, param=self.param, code=self.code)
        return EngineError(
            self.message, timeout=self.timeout, again=self.again, retry_after_s=self.retry_after_s, well=self.well
        )


def _pack(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{type(value).__name__} does not reach another process")
    array = np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False)
    if not DTYPE.fullmatch(array.dtype.str):
        raise TypeError(f"an array of {array.dtype} does not reach another process")
    # `ascontiguousarray` gives a scalar one dimension.
    return Ext(ARRAY, encode((array.dtype.str, value.shape, array.tobytes())))


def _unpack(code: int, data: memoryview) -> Any:
    if code != ARRAY:
        raise ValueError("there is no such value")
    dtype, shape, elements = msgspec.msgpack.decode(data, type=tuple[str, tuple[int, ...], bytes])
    if not DTYPE.fullmatch(dtype) or len(shape) > DIMENSIONS_MAX or any(one < 0 for one in shape):
        raise ValueError("this is no array")
    if math.prod(shape) * np.dtype(dtype).itemsize != len(elements):
        raise ValueError("this is no array")
    return np.frombuffer(elements, dtype).reshape(shape)


# Errors: TypeError for what does not pass; and for what is none, what the decoder raises, and ValueError.
encode = msgspec.msgpack.Encoder(enc_hook=_pack).encode
decode = msgspec.msgpack.Decoder(dict[str, Any], ext_hook=_unpack).decode
