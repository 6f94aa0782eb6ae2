"""What a replay tells: numbers by rule and kind of change, with some record ids or all of them."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from yumen.policy.replay.recorded import Recorded
from yumen.policy.replay.verdict import SECTIONS, UNKNOWNS, Difference, Section, Verdict

EXAMPLES = 3


class Tally(msgspec.Struct, kw_only=True):
    """Exchanges of which the same thing is otherwise. `unsure` of them rest on what is not on record."""

    section: Section
    kind: str
    subject: str
    exchanges: int = 0
    unsure: int = 0
    ids: list[str] = []


class Unknown(msgspec.Struct, kw_only=True):
    """Exchanges of which the same thing cannot be known."""

    name: str
    what: str
    exchanges: int = 0
    ids: list[str] = []


class Report(msgspec.Struct, kw_only=True):
    """Everything that a replay has counted; times are RFC 3339 in UTC.

    `changed` are exchanges whose decision is another one. `late` came later in the ledger than their order in time could be
    restored, `unreadable` are records that have not the form of an exchange. `processes` is how many of them wrote.
    """

    ledger: str
    policy: str
    policy_hash: str
    verified: bool = True
    exchanges: int = 0
    changed: int = 0
    unsure: int = 0
    first: str = ""
    last: str = ""
    processes: int = 0
    late: int = 0
    unreadable: int = 0
    not_run: list[str] = []
    sample: float = 1.0
    differences: list[Tally] = []
    unknown: list[Unknown] = []


class Counting:
    """Counts verdicts. `all_ids` keeps the id of every exchange, and not only of some."""

    def __init__(self, report: Report, *, all_ids: bool) -> None:
        self.report = report
        self._ids_max = float("inf") if all_ids else EXAMPLES
        self._tallies: dict[tuple[Section, str, str], Tally] = {}
        self._unknown: dict[str, Unknown] = {}
        self._first, self._last = float("inf"), float("-inf")

    def add(self, recorded: Recorded, verdict: Verdict) -> None:
        """Count one exchange."""
        report = self.report
        report.exchanges += 1
        if recorded.at < self._first:
            self._first = recorded.at
        if recorded.at > self._last:
            self._last = recorded.at
        for one in verdict.differences:
            self._count(one, recorded.form.id)
        for name in verdict.unknown:
            found = self._unknown.get(name)
            if found is None:
                found = self._unknown[name] = Unknown(name=name, what=UNKNOWNS[name], ids=[])
            found.exchanges += 1
            if len(found.ids) < self._ids_max:
                found.ids.append(recorded.form.id)

    def _count(self, one: Difference, exchange: str) -> None:
        key = (one.section, one.kind, one.subject)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally(section=one.section, kind=one.kind, subject=one.subject, ids=[])
        tally.exchanges += 1
        tally.unsure += one.unsure
        if len(tally.ids) < self._ids_max:
            tally.ids.append(exchange)
        if one.section == "decisions":
            self.report.changed += 1
            self.report.unsure += one.unsure

    def close(self) -> Report:
        """The report: by section, what concerns most exchanges first."""
        if self.report.exchanges:
            self.report.first, self.report.last = _moment(self._first), _moment(self._last)
        order = {section: index for index, section in enumerate(SECTIONS)}
        self.report.differences = sorted(
            self._tallies.values(), key=lambda one: (order[one.section], -one.exchanges, one.kind, one.subject)
        )
        self.report.unknown = sorted(self._unknown.values(), key=lambda one: (-one.exchanges, one.name))
        return self.report


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
