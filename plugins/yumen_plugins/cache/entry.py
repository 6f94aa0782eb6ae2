"""What is kept of an exchange, and how it is written down."""

from __future__ import annotations

import math

import msgspec
from msgspec.structs import replace

from yumen import Kept

# Changes when an entry's form does; what was written in another is passed over.
FORMAT = 1


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A reply and where it comes from. Nothing here is anybody's own: the reply and the question are the masked ones.

    `tenant` and `subject` are of the exchange that the engine answered; `stored_at` is in seconds since the epoch.
    `question` and `vector` (16-bit floats) serve likeness, and are empty where nobody asks for it; `context` is a digest
    of all else.
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
_decoder = msgspec.msgpack.Decoder(tuple[int, Entry, memoryview])
_events_decoder = msgspec.msgpack.Decoder(tuple[bytes, ...])


def packed(entry: Entry) -> bytes:
    """An entry as bytes: the form's number, the entry without its events, and the events, framed once more.

    Apart from the rest they can be passed over at once: there are hundreds of them, and a plain reply needs none.
    """
    events = entry.kept.events
    if not events:
        return _encoder.encode((FORMAT, entry, b""))
    head = replace(entry, kept=replace(entry.kept, events=()))
    return _encoder.encode((FORMAT, head, _encoder.encode(events)))


def unpacked(data: bytes, *, events: bool = True) -> Entry:
    """The entry; without its events on request, of which it may then be given as a plain reply only.

    Error: ValueError for anything else.
    """
    try:
        written, entry, framed = _decoder.decode(data)
        if entry.kept.events:
            raise ValueError("events stand apart")
        if framed and events:
            entry = replace(entry, kept=replace(entry.kept, events=_events_decoder.decode(framed)))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ValueError("this is no entry") from None
    if written != FORMAT:
        raise ValueError("this entry is of another form")
    return entry


def weight(kept: Kept) -> int:
    """Bytes of a reply's own words."""
    neutral = 0 if kept.answer is None else sum(len(text.encode()) for text in kept.answer.texts)
    return max(len(kept.body), sum(map(len, kept.events)), neutral)
