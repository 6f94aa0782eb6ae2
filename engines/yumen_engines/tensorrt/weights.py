"""Which other files an ONNX model takes its weights from.

A model may name any path there, so whoever reads it must look first: what is read is bounded to the model's own folder, and
counts for the key of its plan. Only the fields on the way to `TensorProto.external_data` are looked at; numbers of fields
are those of `onnx.proto3`, the form that of protocol buffers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Per message: the numbers of the fields that lead on, and to which message.
FIELDS: Mapping[str, Mapping[int, str]] = {
    "Model": {7: "Graph", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "Sparse"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "Sparse", 23: "Sparse"},
    "Sparse": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "Entry"},
}
DEPTH_MAX = 64
VARINT_BYTES_MAX = 10
VARINT, I64, BYTES, I32 = 0, 1, 2, 5


def locations(model: bytes) -> set[str]:
    """The names of the files, as the model writes them. Error: ValueError for what is no ONNX model."""
    found: set[str] = set()
    waiting: list[tuple[str, memoryview, int]] = [("Model", memoryview(model), 0)]
    while waiting:
        message, content, depth = waiting.pop()
        if depth > DEPTH_MAX:
            raise ValueError(f"nested deeper than {DEPTH_MAX}")
        for number, value in _fields(content):
            inner = FIELDS[message].get(number)
            if inner == "Entry":
                found |= _location(_bytes(value))
            elif inner is not None:
                waiting.append((inner, _bytes(value), depth + 1))
    return found


def _location(entry: memoryview) -> set[str]:
    """The value of an entry of `external_data` whose key is `location`."""
    said = {number: bytes(_bytes(value)) for number, value in _fields(entry) if number in (1, 2)}
    return {said.get(2, b"").decode("utf-8")} if said.get(1) == b"location" else set()


def _fields(content: memoryview) -> Iterator[tuple[int, Any]]:
    """The fields of a message: number, and content where that has a length, None else."""
    at = 0
    while at < len(content):
        tag, at = _varint(content, at)
        kind = tag & 7
        value: memoryview | None = None
        if kind == VARINT:
            _, at = _varint(content, at)
        elif kind == BYTES:
            size, at = _varint(content, at)
            value = content[at : at + size]
            at += size
        elif kind in (I64, I32):
            at += 8 if kind == I64 else 4
        else:
            raise ValueError("a field of no known kind")
        if at > len(content):
            raise ValueError("cut off")
        yield tag >> 3, value


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    number = 0
    for place in range(VARINT_BYTES_MAX):
        if at >= len(content):
            raise ValueError("cut off")
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return number, at
    raise ValueError("a number that is too long")


def _bytes(value: Any) -> memoryview:
    if value is None:
        raise ValueError("a field that holds no message")
    content: memoryview = value
    return content
