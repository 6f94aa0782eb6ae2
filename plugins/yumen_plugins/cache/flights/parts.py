"""What one process tells others of its call, and how it is written down.

A call is a list in the shared store, each item of which is a `Part` in MessagePack, sealed for its place: the key, the
owner's id, which is drawn anew for every call, and its number. So whoever can write to the store can neither make a part up
nor put one in another's place, nor leave one out without the rest being refused; what was written once he can show again
within `FRESH_S`, to whoever asks the same of the same space.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from yumen import Answer, Delta, Native
from yumen_plugins.cache.flights.buffer import Item
from yumen_plugins.cache.sealing import Seal

# Parts that are older were not written by a call that is under way.
FRESH_S = 3600.0
AHEAD_S = 60.0
# More goes into the next part; and a plain reply that is longer is not passed on.
PART_BYTES_MAX = 4 << 20


class Part(msgspec.Struct, frozen=True, array_like=True):
    """Items of a stream in their order, or a plain reply, `answer` or `body` of which `json_bytes` are JSON.

    `end` is empty while there is more to come; then `whole`, or `broken` where the call failed or its reply is not for
    others. `written_at` is in seconds since the epoch.
    """

    written_at: float
    items: tuple[Delta | bytes, ...] = ()
    answer: Answer | None = None
    body: bytes | None = None
    json_bytes: int = 0
    end: Literal["", "whole", "broken"] = ""

    @property
    def reply(self) -> Answer | Native | None:
        """The plain reply, if it is one."""
        return self.answer if self.body is None else Native(200, self.body, {}, self.json_bytes)

    @property
    def sign_of_life(self) -> bool:
        """Whether it says nothing but that its owner is there."""
        return not (self.items or self.end) and self.answer is None and self.body is None


def part_of(now: float, items: list[Item], whole: Answer | Native | None, end: Literal["", "whole", "broken"]) -> Part:
    """A part that is written now."""
    if isinstance(whole, Native):
        return Part(now, body=whole.body, json_bytes=whole.json_bytes, end=end)
    return Part(now, tuple(items), answer=whole, end=end)


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Part)


class Parts:
    """Writes and reads the parts of one call: of the `owner` of a key of 24 bytes."""

    def __init__(self, seal: Seal, key: bytes, owner: bytes) -> None:
        self._seal = seal
        self._key = key
        self._owner = owner

    def sealed(self, part: Part, number: int) -> bytes:
        """A part for its place."""
        return self._seal.sealed(_encode(part), self._place(number))

    def opened(self, data: bytes, number: int, now: float) -> Part:
        """The part at a place. Error: ValueError for anything else, and for one of another time."""
        try:
            part = _decoder.decode(self._seal.opened(data, self._place(number)))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ValueError("this is no part of a reply") from None
        if not now - FRESH_S < part.written_at < now + AHEAD_S:
            raise ValueError("this part is of another time")
        return part

    def _place(self, number: int) -> bytes:
        return _encode(("flight", self._key, self._owner, number))
