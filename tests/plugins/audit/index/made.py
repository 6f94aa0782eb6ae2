"""Records and sources for tests of the index."""

from __future__ import annotations

from typing import Any

from yumen_plugins.audit.index import Row, row_of

LOG = "8d0eb8ae/keep-183d"
OTHER_LOG = "1f00aa31/forever"


def exchange(seq: int, **members: Any) -> dict[str, Any]:
    """An exchange as a reader gets it, one second after the one before it."""
    minutes, second = divmod(seq, 60)
    hours, minute = divmod(minutes, 60)
    return {
        "seq": seq,
        "kind": "exchange",
        "time": f"2026-11-24T{hours:02}:{minute:02}:{second:02}.000000Z",
        "id": f"{seq:032x}",
        "receipt": f"8d0eb8ae.{seq + 1:032x}",
        "tenant": "default",
        "app": "default",
        "key": "k62ee510ea0",
        "subject": "5e" * 16,
        "route": "chat",
        "policy": "9565ce19b647",
        "streamed": False,
        "outcome": "ok",
        "findings": [],
        "trace": [],
        "timings_ms": {"engine": 2.43, "total": 3.666},
        "egress": "local",
        **members,
    }


def finding(rule: str, category: str = "pii") -> dict[str, Any]:
    """A finding of a rule."""
    return {"rule": rule, "category": category, "path": "messages[0].content", "start": 0, "end": 4, "shadow": False}


def call(decision: str, reason: str = "", shadow: bool = False) -> dict[str, Any]:
    """A hook call that decided."""
    return {"plugin": "anomaly", "hook": "on_request", "decision": decision, "reason": reason, "shadow": shadow}


def row(seq: int, log: str = LOG, **members: Any) -> Row:
    """The row of an exchange."""
    made = row_of(log, exchange(seq, **members))
    assert made is not None
    return made


class Written:
    """A ledger in memory: for each log, what stands at each seq, where an entry may be a part, which nobody reads."""

    def __init__(self, **logs: list[dict[str, Any] | None]) -> None:
        self.entries = {name.replace("_", "/"): entries for name, entries in logs.items()}
        self.reads: list[tuple[str, int, int]] = []

    def logs(self) -> dict[str, int]:
        return {name: len(entries) for name, entries in self.entries.items()}

    def read(self, log: str, start: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
        self.reads.append((log, start, limit))
        found = self.entries[log][start : start + limit]
        return [(seq, record) for seq, record in enumerate(found, start) if record is not None]
