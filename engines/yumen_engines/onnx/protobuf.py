"""Reads the wire format of protocol buffers, as far as one has to in order to look into an ONNX file without its library.

Source of the format: protobuf.dev, "Encoding". Nothing is copied: what a field holds is a view of the file's bytes. What the
library would read in another way than is read here is malformed: nothing may hide behind that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
VARINT_BYTES_MAX = 10
# The library cuts a key to 32 bits and a number to 64, and goes on with what is left.
KEY_MAX, NUMBER_MAX = (1 << 32) - 1, (1 << 64) - 1


class Malformed(Exception):
    """These bytes are no message."""


class Fixed(NamedTuple):
    """A number of so many bytes, which nobody here needs to know."""

    size: int


# A whole number, or the bytes of what a field holds.
Value = int | memoryview | Fixed


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """The fields of a message by number. Error: `Malformed`."""
    place, end = 0, len(message)
    while place < end:
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if key > KEY_MAX or not number:
            raise Malformed
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
        yield number, message[place : place + length] if kind == BYTES else Fixed(length)
        place += length


def integers(value: Value, most: int) -> list[int]:
    """What a repeated field of whole numbers holds, packed or not; up to `most` of them. Error: `Malformed`."""
    if isinstance(value, int):
        return [value]
    found: list[int] = []
    place, packed = 0, content(value)
    while place < len(packed) and len(found) < most:
        one, place = _varint(packed, place)
        found.append(one)
    if place < len(packed):
        raise Malformed
    return found


def content(value: Value) -> memoryview:
    """The bytes that a field holds. Error: `Malformed` where it holds a number."""
    if not isinstance(value, memoryview):
        raise Malformed
    return value


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    for byte in message[place : place + VARINT_BYTES_MAX]:
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > NUMBER_MAX:
                raise Malformed
            return value, place
        shift += 7
    raise Malformed
