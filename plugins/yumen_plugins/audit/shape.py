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
    broken: str | msgspec.UnsetType = msgspec.UNSET


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


class ExchangeRecord(Record, tag="exchange"):
    """An exchange."""

    id: str = ""
    receipt: str = ""
    tenant: str = ""
    app: str = ""
    key: str = ""
    trusted: bool = False
    client: str = ""
    route: str = ""
    path: str = ""
    dialect: str = ""
    model: str = ""
    engine: str = ""
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


_Known = Header | Start | ExchangeRecord | OperationRecord | Recovery | Failure | Stop
_KINDS = frozenset({"header", "start", "exchange", "operation", "recovery", "failure", "stop"})
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


def completed(record: dict[str, Any]) -> dict[str, Any]:
    """A record of an exchange with every member that readers are promised."""
    for name, empty in PROMISED.items():
        if name not in record:
            record[name] = empty()
    return record
