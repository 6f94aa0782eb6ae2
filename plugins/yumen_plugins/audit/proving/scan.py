"""Goes through records that follow each other, and keeps what matters about them: as little as possible of each."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

TIME_CHARS = 27  # 2026-11-24T23:26:19.294227Z
KINDS_MAX = 64
WRONG_MAX = 1_000
PART = "part"
# Kinds that say something about the log itself; they carry the time at which they were written.
EVENTS = frozenset(("start", "stop", "key", "checkpoint", "recovery", "failure", "retention"))
KNOWN = EVENTS | {"exchange", "intent", "operation", PART}


class Leaf(msgspec.Struct, gc=False):
    """What is read of every record."""

    seq: int
    kind: str
    time: str = ""
    id: str = ""
    egress: str = ""
    parts: int = 0


class _Outcome(msgspec.Struct):
    outcome: str = ""


class _Least(msgspec.Struct, gc=False):
    """What a record of a kind that is newer than this reader has in any case."""

    seq: int
    kind: str
    time: str = ""


class OldHead(msgspec.Struct):
    """How far a writer of version 1 had come: the number of its records, and the code of the last one."""

    records: int = 0
    code: str = ""


class Event(msgspec.Struct, rename={"from_time": "from", "to_time": "to"}):
    """A record that says something about the log itself; see docs/ledger.md for the members of each kind."""

    seq: int
    kind: str
    time: str
    log: str = ""
    key: int = 0
    broken: list[str] | str = []
    version_1: dict[str, OldHead] = {}
    number: int = 0
    statement: str = ""
    before: str = ""
    note: str = ""
    file: str = ""
    cut_bytes: int = 0
    first: int = -1
    end: int = -1
    days: int = 0
    from_time: str = ""
    to_time: str = ""
    root: str = ""


class Sent(msgspec.Struct, gc=False, array_like=True):
    """An exchange whose text left to a remote engine, and for which no intent was seen before it."""

    id: str
    seq: int
    time: str
    outcome: str


class Scan(msgspec.Struct, array_like=True):
    """What was seen in records from `first` on.

    `events` have with them the latest time of another record before them and since the event before, as has the end
    (`peak`). `low` and `high` are the earliest and the latest time, with their seqs. `lead` parts stand at the beginning,
    before a record that says it has `lead_parts` (-1: there is no such record), and `tail` parts at the end.
    """

    first: int
    size: int = 0
    kinds: dict[str, int] = {}
    events: list[tuple[Event, str]] = []
    peak: str = ""
    low: str = ""
    low_seq: int = 0
    high: str = ""
    high_seq: int = 0
    first_time: str = ""
    last_time: str = ""
    intents: dict[str, int] = {}
    sent: list[Sent] = []
    lead: int = 0
    lead_parts: int = -1
    tail: int = 0
    wrong: list[tuple[int, str, str]] = []
    left_out: int = 0

    def note(self, seq: int, code: str, what: str) -> None:
        """Note something that is wrong with a record."""
        if len(self.wrong) < WRONG_MAX:
            self.wrong.append((seq, code, what))
        else:
            self.left_out += 1


_leaf = msgspec.json.Decoder(Leaf).decode
_least = msgspec.json.Decoder(_Least).decode
_event = msgspec.json.Decoder(Event).decode
# msgspec raises the last of them where JSON is nested too deep, and UnicodeDecodeError is a ValueError.
ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)


def seconds(time: str) -> float | None:
    """Seconds since 1970 of a time as in RFC 3339, or None where it is none."""
    try:
        return datetime.fromisoformat(time).timestamp() if time else None
    except (ValueError, OverflowError):
        return None


def moment(at: float) -> str:
    """A time as records have it, which can be compared as text."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def scan(entries: Iterable[bytes], first: int) -> Scan:
    """Go through entries from index `first` on."""
    out = Scan(first)
    kinds, intents = out.kinds, out.intents
    low, high, peak = "~", "", ""
    low_seq = high_seq = parts = 0
    index, leading = first - 1, True
    for index, entry in enumerate(entries, first):
        try:
            leaf = _leaf(entry)
        except ERRORS:
            odd = _odd(out, index, entry)
            if odd is None:
                continue
            leaf = odd
        kind, time = leaf.kind, leaf.time
        if leaf.seq != index:
            out.note(index, "sequence", f"record {leaf.seq} stands where {index} belongs")
        if kind in kinds:
            kinds[kind] += 1
        elif len(kinds) < KINDS_MAX:
            kinds[kind] = 1
        if kind == PART:
            parts += 1
            continue
        if leading:
            out.lead, out.lead_parts, leading, parts = parts, leaf.parts, False, 0
        elif parts or leaf.parts:
            check_parts(out, index, parts, leaf.parts)
            parts = 0
        if len(time) != TIME_CHARS or time[-1] != "Z":
            time = _odd_time(out, index, time)
        if time < low:
            low, low_seq = time, index
        if time > high:
            high, high_seq = time, index
        if kind == "exchange":
            if leaf.egress == "remote" and intents.pop(leaf.id, None) is None:
                out.sent.append(Sent(leaf.id, index, time, _outcome(entry)))
        elif kind == "intent":
            intents[leaf.id] = index
        elif kind in EVENTS:
            if (event := _read_event(out, index, entry)) is not None:
                event.time = time
                out.events.append((event, peak))
                peak = ""
            continue
        if time > peak:
            peak = time
    out.size = index + 1 - first
    out.peak = peak
    out.low, out.low_seq, out.high, out.high_seq = low, low_seq, high, high_seq
    out.tail = parts
    out.lead = parts if leading else out.lead
    return out


def check_parts(out: Scan, index: int, found: int, said: int) -> None:
    """Note where a record has not the parts right before it that it says it has."""
    if found < said:
        out.note(index, "parts", f"the record has {said} parts, and {found} stand before it")
    elif found > said:
        out.note(index, "form", f"{found - said} parts before it belong to no record")


def _odd(out: Scan, index: int, entry: bytes) -> Leaf | None:
    """A record that has not the form of those we know: fine where its kind is newer."""
    try:
        least = _least(entry)
    except ERRORS:
        out.note(index, "form", "it has not the form of a record")
        return None
    if least.kind in KNOWN:
        out.note(index, "form", "it has not the form of its kind")
    return Leaf(least.seq, least.kind if least.kind not in KNOWN else "?", least.time)


def _odd_time(out: Scan, index: int, time: str) -> str:
    at = seconds(time)
    if at is None or not 0 <= at < 253402300800:
        out.note(index, "form", "its time is none")
        return moment(0) if not out.high else out.high
    return moment(at)


def _outcome(entry: bytes) -> str:
    try:
        return msgspec.json.decode(entry, type=_Outcome).outcome
    except ERRORS:
        return ""


def _read_event(out: Scan, index: int, entry: bytes) -> Event | None:
    try:
        return _event(entry)
    except ERRORS:
        out.note(index, "form", "it has not the form of its kind")
        return None
