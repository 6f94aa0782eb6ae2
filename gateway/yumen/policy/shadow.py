"""What shadow would have done beside what was done, added up from a ledger.

A rule or instance in shadow leaves its findings, blocks and edits in the record of an exchange, marked as such, and the
record says how the exchange ended. What neither found nor would have done anything leaves nothing, so that of the exchanges
that were looked at only the number of all is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

IDS_MAX = 5
# Rows are instances and rules, both named by policy; a ledger with more was not written by a gateway.
ROWS_MAX = 10_000


class Row(msgspec.Struct, kw_only=True):
    """What one rule in shadow (or an instance, where no rule is named) would have done.

    All numbers count exchanges. `blocked_anyway` are those that it would have blocked and that ended with an error all the
    same; `outcomes` are those of all exchanges in which it would have done or found something.
    """

    plugin: str
    rule: str
    would_block: int = 0
    would_edit: int = 0
    would_fail: int = 0
    found: int = 0
    findings: int = 0
    blocked_anyway: int = 0
    exchanges: int = 0
    outcomes: dict[str, int] = msgspec.field(default_factory=dict)
    first: str = ""
    last: str = ""
    ids: list[str] = msgspec.field(default_factory=list)


class ShadowReport(msgspec.Struct, kw_only=True):
    """All rows, sorted by instance and rule, and how many exchanges there were at all."""

    exchanges: int = 0
    first: str = ""
    last: str = ""
    policies: list[str] = msgspec.field(default_factory=list)
    rows: list[Row] = msgspec.field(default_factory=list)


class Adding:
    """Adds records up, one after the other."""

    def __init__(self) -> None:
        self._report = ShadowReport()
        self._rows: dict[tuple[str, str], Row] = {}
        self._policies: set[str] = set()

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one record of an exchange, as a `LedgerReader` gives it."""
        report, time = self._report, str(record["time"])
        report.exchanges += 1
        report.first = min(report.first or time, time)
        report.last = max(report.last, time)
        self._policies.add(str(record["policy"]))
        touched: dict[tuple[str, str], Row] = {}
        for finding in record["findings"]:
            if finding.get("shadow") and (row := self._touch(touched, finding["plugin"], finding["rule"])) is not None:
                row.findings += 1
        found = dict(touched)
        for row in found.values():
            row.found += 1
        for call in record["trace"]:
            if call.get("shadow"):
                self._add_call(touched, found, call, record["outcome"] != "ok")
        for row in touched.values():
            _note(row, record, time)

    def _add_call(
        self,
        touched: dict[tuple[str, str], Row],
        found: Mapping[tuple[str, str], Row],
        call: Mapping[str, Any],
        ended: bool,
    ) -> None:
        plugin, decision = call["plugin"], call["decision"]
        if decision == "block":
            row = self._touch(touched, plugin, call.get("reason", ""))
            if row is not None:
                row.would_block += 1
                row.blocked_anyway += ended
        elif decision in ("fault", "unsupported"):
            row = self._touch(touched, plugin, "")
            if row is not None:
                row.would_fail += 1
        elif call.get("edits") and call["hook"] == "on_request":
            # An edit names no rule in a record: it is that of whatever the instance found in shadow.
            finders = [row for (owner, _), row in found.items() if owner == plugin]
            alone = self._touch(touched, plugin, "") if not finders else None
            for row in finders or ([alone] if alone is not None else []):
                row.would_edit += 1

    def _touch(self, touched: dict[tuple[str, str], Row], plugin: str, rule: str) -> Row | None:
        """The row of a rule, noted as one that this exchange is about; None beyond the written limit."""
        key = (plugin, rule)
        row = self._rows.get(key)
        if row is None:
            if len(self._rows) >= ROWS_MAX:
                return None
            row = self._rows[key] = Row(plugin=plugin, rule=rule)
        touched[key] = row
        return row

    def report(self) -> ShadowReport:
        """What has been added up so far."""
        self._report.rows = [self._rows[key] for key in sorted(self._rows)]
        self._report.policies = sorted(self._policies)
        return self._report


def _note(row: Row, record: Mapping[str, Any], time: str) -> None:
    row.exchanges += 1
    outcome = str(record["outcome"])
    row.outcomes[outcome] = row.outcomes.get(outcome, 0) + 1
    row.first = min(row.first or time, time)
    row.last = max(row.last, time)
    if len(row.ids) < IDS_MAX:
        row.ids.append(str(record["id"]))


def shadow_report(records: Iterable[Mapping[str, Any]]) -> ShadowReport:
    """Add up the exchanges among some records."""
    adding = Adding()
    for record in records:
        if record.get("kind") == "exchange":
            adding.add(record)
    return adding.report()
