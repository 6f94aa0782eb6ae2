"""What is kept of an exchange, and how it is written down."""

from __future__ import annotations

import math

import msgspec

from yumen import Kept

# Changes when an entry's form does; what was written in another is passed over.
FORMAT = 1


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A reply and where it comes from. Nothing here is anybody's own: the reply and the question are the masked ones.

    `tenant` and `subject` are of the exchange that the engine answered; `stored_at` is in seconds since the epoch. `question`
    and `vector` (32-bit floats) serve likeness, and are empty where nobody asks for it; `context` is a digest of all else.
    """

    kept: Kept
    tenant: str
    subject: str
    policy: str
    stored_at: float
    ttl_s: float
    question: str = ""
    context: bytes = b""
    vector: bytes = b""

    def fresh(self, now: float) -> bool:
        """Whether it may still be given; one from the future may not."""
        return self.stored_at - 1 <= now < self.stored_at + self.ttl_s


class Purge(msgspec.Struct, frozen=True):
    """What is to go: of a tenant, of a subject of it, of what was stored before a moment; an empty word stands for all."""

    tenant: str = ""
    subject: str = ""
    before: float = math.inf

    def takes(self, tenant: str, subject: str, stored_at: float) -> bool:
        """Whether an entry goes."""
        return (
            stored_at < self.before
            and (not self.tenant or tenant == self.tenant)
            and (not self.subject or subject == self.subject)
        )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[int, Entry])


def packed(entry: Entry) -> bytes:
    """An entry as bytes."""
    return _encoder.encode((FORMAT, entry))


def unpacked(data: bytes) -> Entry:
    """The entry. Error: ValueError for anything else."""
    try:
        written, entry = _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ValueError("this is no entry") from None
    if written != FORMAT:
        raise ValueError("this entry is of another form")
    return entry
