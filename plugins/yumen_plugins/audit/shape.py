"""What whoever reads records may rely on: members of these names have these types, whoever wrote the line.

Members may be missing in records that are older than they are, and there may be others, and other kinds.
"""

from __future__ import annotations

from typing import Any

import msgspec

from yumen import Finding, Trace, Usage


class Record(msgspec.Struct, tag_field="kind"):
    """What every record has. `broken` is set where a start found that something did not hold."""

    seq: int
    time: str = ""
    broken: str | list[str] | msgspec.UnsetType = msgspec.UNSET


class Header(Record, tag="header"):
    """The first record of a segment."""

    segment: int = 0
    writer: str = ""


class Start(Record, tag="start"):
    """A process began to write."""


class Recovery(Record, tag="recovery"):
    """Something was cut off, or found broken."""


class Failure(Record, tag="failure"):
    """Writing goes on after it had failed."""


class Checkpoint(Record, tag="checkpoint"):
    """What the log had come to an hour later."""

    note: str = ""


class Key(Record, tag="key"):
    """Another key signs from here on."""

    number: int = 0
    statement: str = ""
    before: str = ""


class Retention(Record, tag="retention"):
    """Records that had been kept long enough were dropped."""

    first: int = 0
    end: int = 0
    days: int = 0


class Intent(Record, tag="intent"):
    """Text was about to leave."""

    id: str = ""
    receipt: str = ""
    tenant: str = ""
    subject: str = ""
    route: str = ""
    policy: str = ""
    engine: str = ""


class Stop(Record, tag="stop"):
    """A process ended in good order."""


class OperationRecord(Record, tag="operation"):
    """Something was done to the gateway."""

    operation: str = ""
    actor: str = ""
    details: dict[str, str] = {}


class TextEntry(msgspec.Struct):
    """An entry of `request` or `reply`."""

    path: str = ""
    kind: str = ""
    chars: int = 0
    raw_chars: int = 0
    role: str = ""
    text: str = ""
    digest: str = ""
    sealed: bool = False


class ExchangeRecord(Record, tag="exchange"):
    """An exchange."""

    id: str = ""
    receipt: str = ""
    tenant: str = ""
    app: str = ""
    key: str = ""
    subject: str = ""
    trusted: bool = False
    client: str = ""
    route: str = ""
    path: str = ""
    dialect: str = ""
    model: str = ""
    engine: str = ""
    engine_version: str = ""
    plugins: dict[str, str] = {}
    cache: str = ""
    streamed: bool = False
    policy: str = ""
    accept_raw: str = ""
    outcome: str = ""
    egress: str = ""
    sent_form: str = ""
    sent_bytes: int = 0
    findings: list[Finding] = []
    findings_left_out: int = 0
    trace: list[Trace] = []
    trace_left_out: int = 0
    request_bytes: int = 0
    reply_bytes: int = 0
    timings_ms: dict[str, float] = {}
    request: list[TextEntry] = []
    reply: list[TextEntry] = []
    status: int = 0
    finish_reason: str = ""
    usage: Usage | None = None


class OtherRecord(msgspec.Struct):
    """A record of a kind that is newer than this reader."""

    kind: str
    seq: int
    time: str = ""
    broken: str | msgspec.UnsetType = msgspec.UNSET


_Known = (
    Header
    | Start
    | ExchangeRecord
    | OperationRecord
    | Recovery
    | Failure
    | Stop
    | Checkpoint
    | Key
    | Retention
    | Intent
)
_KINDS = frozenset(
    [
        "header",
        "start",
        "exchange",
        "operation",
        "recovery",
        "failure",
        "stop",
        "checkpoint",
        "key",
        "retention",
        "intent",
    ]
)
_known = msgspec.json.Decoder(_Known).decode
_other = msgspec.json.Decoder(OtherRecord).decode

# What an exchange has for every reader; where an older record has no such member, it is empty.
PROMISED: dict[str, type] = {
    **dict.fromkeys(("id", "time", "tenant", "app", "key", "path", "dialect", "model", "route"), str),
    **dict.fromkeys(("outcome", "policy"), str),
    **dict.fromkeys(("trusted", "streamed"), bool),
    **dict.fromkeys(("findings", "trace", "request"), list),
}


def shaped(line: bytes) -> Record | OtherRecord | None:
    """The record in a line, or None where it does not have the shape of its kind."""
    try:
        record: Record = _known(line)
        return record
    except (msgspec.MsgspecError, ValueError, RecursionError):
        try:
            other = _other(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        return None if other.kind in _KINDS else other


def shaped_record(record: dict[str, Any]) -> Record | OtherRecord | None:
    """The same of a record that was decoded already."""
    try:
        return shaped(msgspec.json.encode(record))
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
        return None


def completed(record: dict[str, Any]) -> dict[str, Any]:
    """A record of an exchange with every member that readers are promised."""
    for name, empty in PROMISED.items():
        if name not in record:
            record[name] = empty()
    return record
