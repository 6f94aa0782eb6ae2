"""As much of requests and replies as is needed to know whether a reply answers the request.

Source: the Open Inference Protocol's description of `$inference_request` and `$inference_response`, and its servers'
extension for binary tensor data. The bytes of both go through as they are; messages hold nothing of them.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, cast

import msgspec

from yumen import DATATYPES, Datatype, EngineError, RequestRefused, check_binary_elements, check_json_elements

JSON_LENGTH_HEADER = "inference-header-content-length"
JSON_LENGTH = re.compile(r"[0-9]{1,15}")
TENSORS_MAX = 1_000
DIMENSIONS_MAX = 64
# So many texts of a reply are taken: see docs/limits.md.
TEXTS_MAX = 200_000
NO_DATA, NULL = msgspec.Raw(), msgspec.Raw(b"null")
Dimension = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]
Shape = Annotated[list[Dimension], msgspec.Meta(max_length=DIMENSIONS_MAX)]


class _Named(msgspec.Struct):
    name: str


class _Input(msgspec.Struct):
    name: str
    shape: Shape


class Asked(msgspec.Struct):
    """A request: its id, the shapes of its inputs, and the outputs that it wants, all where there are none."""

    inputs: Annotated[list[_Input], msgspec.Meta(min_length=1, max_length=TENSORS_MAX)]
    id: str | None = None
    outputs: Annotated[list[_Named], msgspec.Meta(max_length=TENSORS_MAX)] | None = None

    def rows(self) -> int:
        """How many rows each input has. Error: `RequestRefused` where that is not one number."""
        rows = {one.shape[0] if one.shape else -1 for one in self.inputs}
        if len(rows) > 1 or -1 in rows:
            raise RequestRefused("The inputs have not all the same number of rows.", param="inputs")
        return rows.pop()


class _Parameters(msgspec.Struct):
    binary_data_size: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _Output(msgspec.Struct):
    name: str
    datatype: str
    shape: Shape
    parameters: _Parameters | None = None
    data: msgspec.Raw = NO_DATA


class _Reply(msgspec.Struct):
    outputs: Annotated[list[_Output], msgspec.Meta(min_length=1, max_length=TENSORS_MAX)]
    id: str | None = None
    error: msgspec.Raw = NO_DATA


class _Refusal(msgspec.Struct):
    error: str


# How servers write what JSON has no form for.
NOT_FINITE = re.compile(rb"[\[,:]\s*-?(NaN|nan|Infinity|inf)\s*[,\]}]")
NO_JSON = "An output holds a number that JSON has no form for (NaN or infinity); ask for it with `binary_data`."
decode_asked = msgspec.json.Decoder(Asked).decode
decode_reply = msgspec.json.Decoder(_Reply).decode
decode_refusal = msgspec.json.Decoder(_Refusal).decode


def read(body: bytes, json_bytes: int) -> Asked:
    """A request of which the first `json_bytes` are JSON, 0 for all. Error: `RequestRefused`."""
    try:
        return decode_asked(memoryview(body)[: json_bytes or len(body)])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise RequestRefused(
            "The body is no inference request: an input needs a name and a shape.", param="inputs"
        ) from None


def json_length(values: list[str], length: int) -> int:
    """How much of a reply of `length` bytes is JSON, by its header. Error: `EngineError`."""
    if not values:
        return length
    if len(values) > 1 or not JSON_LENGTH.fullmatch(values[0]) or not 0 < int(values[0]) <= length:
        raise EngineError("the upstream's reply is not as long as its Inference-Header-Content-Length says")
    return int(values[0])


def check(asked: Asked, rows: int | None, body: bytes, json_bytes: int) -> None:
    """Whether a reply is one to the request, with `rows` rows in each output, None for any number.

    Errors: `EngineError`.
    """
    view = memoryview(body)
    try:
        reply = decode_reply(view[:json_bytes])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        if NOT_FINITE.search(view[:json_bytes]):
            # It is mostly what the caller's own numbers come to, and must not count against the upstream.
            raise RequestRefused(NO_JSON, param="outputs") from None
        raise EngineError("the upstream's reply is no inference reply in JSON") from None
    if reply.error not in (NO_DATA, NULL):
        raise EngineError("the upstream's reply holds tensors and an error")
    if asked.id and reply.id and reply.id != asked.id:
        raise EngineError("the upstream's reply is one to another request")
    names = {one.name for one in reply.outputs}
    if len(names) < len(reply.outputs):
        raise EngineError("the upstream's reply names an output twice")
    if not names.issuperset(one.name for one in asked.outputs or ()):
        raise EngineError("the upstream's reply lacks an output that was asked for")
    _check_tensors(reply.outputs, view[json_bytes:])
    if rows is not None and any(one.shape[:1] != [rows] for one in reply.outputs):
        raise EngineError("the upstream answered with another number of rows")


def _check_tensors(outputs: list[_Output], tail: memoryview) -> None:
    position = texts = 0
    for index, one in enumerate(outputs):
        if one.datatype not in DATATYPES:
            raise EngineError(f"output {index} of the upstream's reply is of no type of the protocol")
        datatype, shape = cast(Datatype, one.datatype), tuple(one.shape)
        texts += math.prod(shape) if datatype == "BYTES" else 0
        if texts > TEXTS_MAX:
            # To look at each of them would hold everybody up, and all for nothing.
            raise EngineError(f"the upstream's reply holds more than {TEXTS_MAX} texts")
        size = one.parameters.binary_data_size if one.parameters is not None else None
        if (size is None) is (one.data in (NO_DATA, NULL)):
            raise EngineError(f"output {index} of the upstream's reply has not one of `data` and `binary_data_size`")
        try:
            if size is None:
                check_json_elements(one.data, datatype, shape)
            elif size > len(tail) - position:
                raise ValueError("its `binary_data_size` is more than there is")
            else:
                check_binary_elements(tail[position : position + size], datatype, shape)
                position += size
        except ValueError as error:
            raise EngineError(f"output {index} of the upstream's reply: {error}") from None
    if position != len(tail):
        raise EngineError("the upstream's reply is longer than its tensors say")


def is_refusal(body: bytes) -> bool:
    """Whether an error reply is one of the protocol: an object whose `error` is a text."""
    try:
        decode_refusal(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True
