"""Records as entries of a log: JSON of at most 65,535 bytes, so that a large one stands in several.

What is large in a record, its lists and its sealed texts, then goes before it, in records of kind `part`: base64 of JSON
that was cut in pieces. `parts` says how many there are. Readers put them together again, and are never shown parts.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from yumen_plugins.audit.log.tiles import ENTRY_BYTES_MAX

PART = "part"
PART_BYTES = 45_000
# What `numbered` adds.
NUMBER_BYTES = 32
LARGE = ("findings", "trace", "request", "reply", "sealed", "details")
# A record fits one frame of a journal, of 64 MiB at most: so it has no more parts than this.
PARTS_MAX = 1024

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(dict[str, Any]).decode


def encoded(body: dict[str, Any]) -> list[bytes]:
    """The entries of a record, which have no numbers yet. Error: ValueError where it is too large all the same."""
    whole = encode(body)
    if len(whole) <= ENTRY_BYTES_MAX - NUMBER_BYTES:
        return [whole]
    detail = encode({name: body[name] for name in LARGE if name in body})
    pieces = [detail[start : start + PART_BYTES] for start in range(0, len(detail), PART_BYTES)]
    rest = {name: value for name, value in body.items() if name not in LARGE}
    last = encode({**rest, "parts": len(pieces)})
    if len(last) > ENTRY_BYTES_MAX - NUMBER_BYTES or len(pieces) > PARTS_MAX:
        raise ValueError("the record is too large")
    return [*(encode({"kind": PART, "data": base64.b64encode(piece).decode()}) for piece in pieces), last]


def numbered(first: int, entries: Sequence[bytes]) -> list[bytes]:
    """The entries with their numbers in front, from `first` on."""
    return [b'{"seq":%d,' % (first + index) + entry[1:] for index, entry in enumerate(entries)]


def decoded(entry: bytes) -> dict[str, Any] | None:
    """What stands in an entry, or None where it is no JSON object."""
    try:
        return decode(entry)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def joined(entries: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records in entries, each with its index; what is no record, or lacks parts, is passed over."""
    parts: list[str] = []
    for index, entry in entries:
        record = decoded(entry)
        if record is None:
            parts = []
        elif record.get("kind") == PART:
            parts.append(str(record.get("data")))
        else:
            count = record.pop("parts", 0)
            whole = record if not count else _whole(record, parts[-count:] if isinstance(count, int) else [], count)
            parts = []
            if whole is not None:
                yield index, whole


def _whole(record: dict[str, Any], parts: list[str], count: int) -> dict[str, Any] | None:
    if len(parts) != count:
        return None
    try:
        detail = decode(b"".join(base64.b64decode(part, validate=True) for part in parts))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return record | {name: value for name, value in detail.items() if name in LARGE}
