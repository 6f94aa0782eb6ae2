"""Replies as real writers of the protocol make them: what they write is an answer, and any byte less or more is none."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen import DATATYPES, Datatype, EngineError, Tensor, TensorSpec
from yumen.openinference.wire import InferRequest, Wanted, write
from yumen_engines.kserve import wire

SHAPES = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(lambda dims: [2, *dims])
ASKED = wire.read(b'{"inputs":[{"name":"x","shape":[2]}]}', 0)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[Datatype, Tensor]:
    """A tensor of two rows, of any type, any numbers in it but those that JSON cannot hold."""
    datatype = cast(Datatype, draw(st.sampled_from(sorted(DATATYPES))))
    shape = draw(SHAPES)
    count = int(np.prod(shape))
    if datatype == "BYTES":
        elements: Any = draw(st.lists(st.text('a中🙂\0"', max_size=3), min_size=count, max_size=count))
        array = np.empty(count, dtype=object)
        array[:] = elements
        return datatype, array.reshape(shape)
    dtype = DATATYPES[datatype]
    raw = np.frombuffer(draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize)), np.uint8)
    numbers = (raw & 1).view(dtype) if datatype == "BOOL" else raw.copy().view(dtype)
    return datatype, (np.nan_to_num(numbers) if numbers.dtype.kind == "f" else numbers).reshape(shape)


@given(st.lists(tensors(), min_size=1, max_size=3), st.data())
def test_what_the_gateway_itself_writes_is_an_answer(
    outputs: list[tuple[Datatype, Tensor]], data: st.DataObject
) -> None:
    """Every reply of the protocol's writer passes, in JSON and binary; a byte less or more of binary data does not."""
    specs = [TensorSpec(f"y{at}", datatype, array.shape) for at, (datatype, array) in enumerate(outputs)]
    wanted = tuple(Wanted(one.name, one.datatype == "BF16" or data.draw(st.booleans())) for one in specs)
    arrays = {spec.name: array for spec, (_, array) in zip(specs, outputs, strict=True)}
    reply = write(InferRequest(inputs={}, outputs=wanted), "m", "1", specs, arrays)
    json_bytes = reply.json_bytes or len(reply.body)
    wire.check(ASKED, 2, reply.body, json_bytes)
    for rows in (1, 3):
        with pytest.raises(EngineError, match="number of rows"):
            wire.check(ASKED, rows, reply.body, json_bytes)
    for body in (reply.body[:-1], reply.body + b"\0"):
        with pytest.raises(EngineError):
            wire.check(ASKED, 2, body, min(json_bytes, len(body)))


@given(st.binary(max_size=200), st.integers(1, 200))
def test_no_bytes_do_anything_but_fail(body: bytes, json_bytes: int) -> None:
    """Whatever a server sends, the only exception that it causes is an engine error."""
    with pytest.raises(EngineError):
        wire.check(ASKED, None, body, min(json_bytes, len(body)))


@pytest.mark.parametrize(("value", "datatype", "taken"), [
    ("127", "INT8", True), ("128", "INT8", False), ("-1", "UINT8", False), ("1.5", "INT32", False),
    ("18446744073709551615", "UINT64", True), ("18446744073709551616", "UINT64", False), ("-1", "UINT64", False),
    ("9223372036854775807", "INT64", True), ("9223372036854775808", "INT64", False),
    ("3.4028235e+38", "FP32", True), ("3.5e38", "FP32", False), ("65504", "FP16", True), ("65520", "FP16", False),
    ("1e308", "FP64", True), ("1", "FP64", True), ("true", "BOOL", True), ("1", "BOOL", False),
    ('"中"', "BYTES", True), ("1", "BYTES", False), ("1", "BF16", False),
])  # fmt: skip
def test_elements_are_of_their_type(value: str, datatype: str, taken: bool) -> None:
    """A number that its type cannot hold, or what is none of it, would be read as another by the client."""
    told = f'{{"outputs":[{{"name":"y","datatype":"{datatype}","shape":[1],"data":[{value}]}}]}}'.encode()
    try:
        wire.check(ASKED, 1, told, len(told))
    except EngineError:
        assert not taken
    else:
        assert taken
