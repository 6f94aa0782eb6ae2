"""The columns of a table of records, and a record as a row of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from yumen_plugins.audit.formats.jsonl import encoded
from yumen_plugins.audit.formats.reading import EPOCH, moment

# A column is of a plain type; `map` of one, by name; or a list of structures with members of plain types.
Column = str | Mapping[str, str]
TEXT: Column = {
    "path": "string",
    "kind": "string",
    "role": "string",
    "chars": "int64",
    "raw_chars": "int64",
    "text": "string",
    "digest": "string",
    "sealed": "bool",
}
FINDING: Column = {
    "rule": "string",
    "category": "string",
    "path": "string",
    "start": "int64",
    "end": "int64",
    "score": "double",
    "direction": "string",
    "plugin": "string",
    "shadow": "bool",
}
CALL: Column = {
    "plugin": "string",
    "hook": "string",
    "decision": "string",
    "reason": "string",
    "edits": "int64",
    "shadow": "bool",
    "ms": "double",
}
COLUMNS: Mapping[str, Column] = {
    "seq": "int64",
    "kind": "string",
    "time": "time",
    "id": "string",
    "receipt": "string",
    "tenant": "string",
    "app": "string",
    "key": "string",
    "trusted": "bool",
    "subject": "string",
    "client": "string",
    "route": "string",
    "path": "string",
    "dialect": "string",
    "model": "string",
    "engine": "string",
    "engine_version": "string",
    "streamed": "bool",
    "policy": "string",
    "plugins": "map string",
    "accept_raw": "string",
    "outcome": "string",
    "findings": FINDING,
    "trace": CALL,
    "request_bytes": "int64",
    "reply_bytes": "int64",
    "timings_ms": "map double",
    "egress": "string",
    "sent_form": "string",
    "sent_bytes": "int64",
    "cache": "string",
    "status": "int64",
    "finish_reason": "string",
    "usage": "map int64",
    "request": TEXT,
    "reply": TEXT,
    "operation": "string",
    "actor": "string",
    "details": "map string",
    # JSON of the members that have no column, or another type than their column.
    "rest": "string",
}
MAP = "map "
# RFC 3339 in UTC with microseconds, as records have it; anything finer, or in another zone, would come back changed.
TIME_CHARS_MAX = len("2026-11-24T23:26:19.294227Z")


def row(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record by column, times in microseconds since the epoch; columns that it has nothing for are missing."""
    made: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in record.items():
        column = COLUMNS.get(name) if name != "rest" else None
        if column == "time":
            value, fitting = _microseconds(value)
        else:
            fitting = column is not None and _fits(column, value)
        (made if fitting else rest)[name] = value
    if rest:
        made["rest"] = encoded(rest).decode()
    return made


def _microseconds(value: Any) -> tuple[Any, bool]:
    exact = isinstance(value, str) and value.endswith("Z") and len(value) <= TIME_CHARS_MAX
    time = moment(value) if exact else None
    return (value, False) if time is None else ((time - EPOCH) // timedelta(microseconds=1), True)


def _fits(column: Column, value: Any) -> bool:
    if not isinstance(column, str):
        return isinstance(value, list) and all(isinstance(one, dict) and _has(column, one) for one in value)
    if column.startswith(MAP):
        kind = column.removeprefix(MAP)
        return isinstance(value, dict) and all(_plain(kind, one) for one in value.values())
    return _plain(column, value)


def _has(members: Mapping[str, str], value: dict[str, Any]) -> bool:
    return all(name in members and _plain(members[name], one) for name, one in value.items())


def _plain(kind: str, value: Any) -> bool:
    """Whether a value comes back from a column as it is. `type` and not `isinstance`: a truth value is no number."""
    if kind == "string":
        return type(value) is str
    if kind == "bool":
        return type(value) is bool
    if kind == "double":
        return type(value) is float or (type(value) is int and abs(value) <= 2**53)
    return type(value) is int and -(2**63) <= value < 2**63
