"""What verifying a ledger found: in each of three lists, what is wrong and what is worth knowing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from yumen_plugins.audit.old.verify import WriterReport, printable

Part = Literal["integrity", "continuity", "completeness"]
Severity = Literal["wrong", "note"]

# Every code: in which list it stands, and how serious it is where nothing excuses it. docs/ledger-verify.md explains them.
CODES: Mapping[str, tuple[Part, Severity]] = {
    "key-not-pinned": ("integrity", "wrong"),
    "key-not-trusted": ("integrity", "wrong"),
    "keys": ("integrity", "wrong"),
    "key": ("integrity", "wrong"),
    "era": ("integrity", "wrong"),
    "old-key": ("integrity", "wrong"),
    "signature": ("integrity", "wrong"),
    "changed": ("integrity", "wrong"),
    "fork": ("integrity", "wrong"),
    "statement": ("integrity", "wrong"),
    "retention": ("integrity", "wrong"),
    "head-missing": ("integrity", "wrong"),
    "journal-missing": ("integrity", "wrong"),
    "bundle-missing": ("integrity", "wrong"),
    "tile-missing": ("integrity", "wrong"),
    "sequence": ("integrity", "wrong"),
    "form": ("integrity", "wrong"),
    "parts": ("integrity", "wrong"),
    "link": ("integrity", "wrong"),
    "old": ("integrity", "wrong"),
    "not-verified": ("integrity", "wrong"),
    "found-broken": ("continuity", "wrong"),
    "early": ("continuity", "wrong"),
    "future": ("continuity", "wrong"),
    "clock": ("continuity", "note"),
    "killed": ("continuity", "note"),
    "no-stop": ("continuity", "note"),
    "no-start": ("continuity", "wrong"),
    "recovery": ("continuity", "note"),
    "failure": ("continuity", "note"),
    "quiet": ("continuity", "note"),
    "torn-tail": ("continuity", "note"),
    "unsettled": ("continuity", "note"),
    "intent-open": ("completeness", "wrong"),
    "egress-unannounced": ("completeness", "wrong"),
    "log-missing": ("completeness", "wrong"),
    "tail-missing": ("completeness", "wrong"),
    "dropped": ("completeness", "note"),
    "dropped-early": ("completeness", "wrong"),
    "not-dropped": ("completeness", "note"),
    "foreign": ("completeness", "note"),
}
# So many things are named for each log and code; the others are counted.
WRONG_MAX = 1_000
WHAT_CHARS_MAX = 400


class Wrong(msgspec.Struct, frozen=True):
    """Something that was found: in which file, or in which record of a log, and whether the ledger is wrong by it.

    `seq` is the record's number where `file` is a log, else 0.
    """

    file: str
    seq: int
    code: str
    what: str
    severity: Severity = "wrong"

    def __str__(self) -> str:
        return f"{self.file}:{self.seq}: {self.code}: {self.what}"


class LogReport(msgspec.Struct):
    """What was found of one log. Times are those of records; `dropped` are those that retention took."""

    log: str
    size: int = 0
    root: str = ""
    key: int = 0
    running: bool = False
    kinds: dict[str, int] = {}
    dropped: int = 0
    first: str = ""
    last: str = ""
    bytes: int = 0
    wrong: int = 0
    notes: int = 0


class LedgerReport(msgspec.Struct):
    """What was found of a ledger. It holds where `ok`; `left_out` counts what was found and is not named.

    `keys` are the gateway's verifier keys, the first one first; `old` are the writers of version 1 that were verified.
    """

    ok: bool = False
    gateway: str = ""
    keys: list[str] = []
    logs: list[LogReport] = []
    old: list[WriterReport] = []
    integrity: list[Wrong] = []
    continuity: list[Wrong] = []
    completeness: list[Wrong] = []
    left_out: int = 0

    @property
    def found(self) -> list[Wrong]:
        """All three lists, one after the other."""
        return [*self.integrity, *self.continuity, *self.completeness]

    @property
    def wrong(self) -> list[Wrong]:
        """What makes the ledger wrong."""
        return [one for one in self.found if one.severity == "wrong"]

    @property
    def exit_status(self) -> int:
        """0 where it holds, 2 where something is wrong."""
        return 0 if self.ok else 2


class Findings:
    """Collects what is found in one log, or in the ledger itself where `log` is empty."""

    def __init__(self, log: str = "") -> None:
        self.log = printable(log)
        self.found: list[Wrong] = []
        self.left_out = 0
        self.wrong = self.notes = 0
        self._counts: dict[str, int] = {}

    def add(self, code: str, what: str, *, seq: int = 0, file: str = "", severity: Severity | None = None) -> None:
        """Add something under its code; `file` lies below the log's folder, and without it `seq` is a record of the log."""
        severity = severity or CODES[code][1]
        if severity == "wrong":
            self.wrong += 1
        else:
            self.notes += 1
        count = self._counts[code] = self._counts.get(code, 0) + 1
        if count > WRONG_MAX:
            self.left_out += 1
            return
        place = "/".join(part for part in (self.log, printable(file)) if part)
        self.found.append(Wrong(place, seq, code, printable(what[:WHAT_CHARS_MAX]), severity))

    def into(self, report: LedgerReport) -> None:
        """Put what was found into its lists."""
        for one in self.found:
            lists = {
                "integrity": report.integrity,
                "continuity": report.continuity,
                "completeness": report.completeness,
            }
            lists[CODES[one.code][0]].append(one)
        report.left_out += self.left_out
        report.ok = report.ok and not self.wrong
