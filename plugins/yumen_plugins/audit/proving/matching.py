"""Matches intents, which are on disk before text leaves to a remote engine, with what came of them."""

from __future__ import annotations

from collections.abc import Callable

from yumen_plugins.audit.proving.report import Findings
from yumen_plugins.audit.proving.scan import Scan, Sent, moment, seconds

# So many are kept to be matched for each log; in good order it is as many as there are exchanges at one time.
OPEN_MAX = 200_000
# An exchange takes no longer than this from its request to its record.
EXCHANGE_S = 3600.0
# With these outcomes an exchange may have ended before anything was sent.
NOT_SENT = frozenset(("policy_blocked", "rate_limited", "plugin_fault", "ledger_unavailable", "unsupported_payload"))


class Matching:
    """What is open in one log: intents by exchange, and exchanges that had no intent before them."""

    def __init__(self, findings: Findings) -> None:
        self.intents: dict[str, int] = {}
        self.sent: list[Sent] = []
        self.too_many = False
        # The time of the last record that retention has dropped.
        self.dropped_to = ""
        self._findings = findings

    def feed(self, found: Scan) -> None:
        """Take what a scan left open."""
        for one in found.sent:
            if self.intents.pop(one.id, None) is None:
                self._keep(one)
        if len(self.intents) + len(found.intents) <= OPEN_MAX:
            self.intents.update(found.intents)
        elif found.intents:
            self.too_many = True

    def _keep(self, one: Sent) -> None:
        if len(self.sent) < OPEN_MAX:
            self.sent.append(one)
        else:
            self.too_many = True

    def across(self, other: Matching) -> None:
        """Match exchanges with intents of another log of the same writer."""
        self.sent = [one for one in self.sent if other.intents.pop(one.id, None) is None]

    def report(self, why: Callable[[int], str]) -> None:
        """Say what stayed open; `why` is what may excuse it, by record."""
        for exchange, seq in self.intents.items():
            excuse = why(seq)
            what = f"nothing says what came of exchange {exchange}" + (f": {excuse}" if excuse else "")
            self._findings.add("intent-open", what, seq=seq, severity="note" if excuse else None)
        until = seconds(self.dropped_to)
        covered = moment(until + EXCHANGE_S) if until is not None else ""
        for one in self.sent:
            what, excuse = f"exchange {one.id} went to a remote engine, and no intent was recorded before", ""
            if one.time <= covered:
                excuse = "it may have been dropped"
            elif one.outcome in NOT_SENT:
                excuse = f"it ended as {one.outcome}, perhaps before anything was sent"
            what += f": {excuse}" if excuse else ""
            self._findings.add("egress-unannounced", what, seq=one.seq, severity="note" if excuse else None)
        if self.too_many:
            self._findings.add("form", "more intents are open than there can be exchanges at one time")
