"""Reads the wire format of protocol buffers, as far as one has to in order to look into an ONNX file without its library.

Source of the format: protobuf.dev, "Encoding". Nothing is copied: what a field holds is a view of the file's bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
VARINT_BYTES_MAX = 10


class Malformed(Exception):
    """These bytes are no message."""


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message by number: a whole number, or the bytes of what it holds. Error: `Malformed`."""
    place, end = 0, len(message)
    while place < end:
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == BYTES:
            length, place = _varint(message, place)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise Malformed
        if length > end - place:
            raise Malformed
        yield number, message[place : place + length]
        place += length


def integers(value: int | memoryview) -> list[int]:
    """What a repeated field of whole numbers holds, packed or not. Error: `Malformed`."""
    if isinstance(value, int):
        return [value]
    found, place = [], 0
    while place < len(value):
        one, place = _varint(value, place)
        found.append(one)
    return found


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    for byte in message[place : place + VARINT_BYTES_MAX]:
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise Malformed
