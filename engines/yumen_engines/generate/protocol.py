"""What the gateway and the process of a model say to each other: frames of MessagePack, each behind its length.

Only tokens and the names of roles pass, never a text.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Literal

import msgspec

FRAME_BYTES_MAX, READ_BYTES = 64 << 20, 1 << 20
HEAD = struct.Struct("<I")
Finish = Literal["", "stop", "length", "failed"]


class Setup(msgspec.Struct):
    """What the process is started with, as an argument in JSON; `parent` is the id of the gateway's process."""

    folder: str
    device: str
    threads: int
    context_max: int
    parent: int


class Start(msgspec.Struct, tag="start"):
    """Begin an answer: the prompt as little-endian int32, options of the search, and how many tokens it may have."""

    id: int
    prompt: bytes
    search: dict[str, int | float | bool]
    tokens_max: int


class Drop(msgspec.Struct, tag="drop"):
    """Nobody waits for this answer any more. `Dropped` says that it takes no time and memory any more either."""

    id: int


class Dropped(msgspec.Struct, tag="dropped"):
    """Nothing more comes of this answer."""

    id: int


class Render(msgspec.Struct, tag="render"):
    """Write messages (JSON) by the model's chat template."""

    id: int
    messages: str


class Ready(msgspec.Struct, tag="ready"):
    """The model is loaded: what it is. `context` and `vocabulary` are numbers of tokens."""

    context: int
    device: str
    kind: str
    runtime: str
    vocabulary: int


class Refused(msgspec.Struct, tag="refused"):
    """The model cannot be loaded; why, in a sentence for the operator."""

    why: str


class Rendered(msgspec.Struct, tag="rendered"):
    """What the template wrote; None where it does not take these messages."""

    id: int
    text: str | None


class Said(msgspec.Struct, tag="said", array_like=True):
    """The next token of an answer, and whether it was the last one; `failed` has none, and `why` is a kind of error."""

    id: int
    token: int
    finish: Finish = ""
    why: str = ""


class Round(msgspec.Struct, tag="round"):
    """A token of every answer that is being written."""

    said: list[Said]


Order = Start | Drop | Render
Report = Ready | Refused | Rendered | Dropped | Round


def frame(message: Order | Report) -> bytes:
    """One message as it is sent."""
    body = msgspec.msgpack.encode(message)
    return HEAD.pack(len(body)) + body


class Frames:
    """Cuts what was read into bodies of messages. Error: ValueError for one that is too long."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The messages that are complete with `data`."""
        self._buffer += data
        while len(self._buffer) >= HEAD.size:
            (size,) = HEAD.unpack_from(self._buffer)
            if size > FRAME_BYTES_MAX:
                raise ValueError("a frame is too long")
            if len(self._buffer) < HEAD.size + size:
                return
            body = bytes(self._buffer[HEAD.size : HEAD.size + size])
            del self._buffer[: HEAD.size + size]
            yield body
