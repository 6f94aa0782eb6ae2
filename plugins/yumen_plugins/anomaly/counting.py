"""Counts exchanges: what the request says when it comes, and what came of it when it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from yumen import Entry, Exchange, Host
from yumen_plugins.anomaly import holding, quarantine
from yumen_plugins.anomaly.compiled import Ready, facts_of
from yumen_plugins.anomaly.facts.gather import tokens
from yumen_plugins.anomaly.facts.look import CATEGORY, Look
from yumen_plugins.anomaly.facts.subjects import Subjects
from yumen_plugins.anomaly.tally import Tally

if TYPE_CHECKING:
    from yumen_plugins.anomaly.seen import Seen

# What ends an exchange by policy, and what is nobody's error.
BLOCKED = frozenset(("policy_blocked", "rate_limited"))
NO_ERRORS = BLOCKED | {"ok", "client_disconnect", ""}
MEMBERS = ("ips", "users", "models")
# What is known of an exchange only when it is over.
LATE = frozenset(("tokens", "bytes", "blocks", "errors", "findings"))


class Counted(msgspec.Struct, frozen=True):
    """What counters said of one exchange.

    `facts` are facts, `known` the moments that rules keep, by name; `subjects` whom it was counted for, by index of scope.
    """

    facts: Mapping[str, float]
    known: Mapping[str, float]
    subjects: Sequence[tuple[int, str]]
    names: Sequence[str]

    def who(self, scope: str) -> str:
        """Who the subject of a kind is, or empty where nobody is known."""
        return next((who for index, who in self.subjects if self.names[index].partition("/")[0] == scope), "")


NOTHING = Counted({}, {}, (), ())


class Counting:
    """`counts` says whether any rule needs a counter at all."""

    def __init__(self, rules: Sequence[Ready], host: Host, keys_max: int) -> None:
        marks = [*quarantine.marks(rules), *holding.marks(rules)]
        self._marks = frozenset(name for _, name in marks)
        self.tally = Tally(sorted(facts_of(rules)), marks)
        self.counts = bool(self.tally.names)
        self.counters = self.tally.open(host.store, keys_max) if self.counts else None
        self.subjects = Subjects(host.secret("anomaly subjects"))

    async def request(self, exchange: Exchange, look: Look) -> Counted:
        """Count a request, and read everything. Errors: those of the store."""
        if self.counters is None:
            return Counted({}, {}, (), ())
        amounts = self._amounts(exchange, look)
        subjects = self.tally.subjects(exchange, self.subjects, amounts)
        entries = self.tally.entries(subjects, amounts)
        found = self.tally.facts(entries, await self.counters.count(entries), amounts)
        known = {name: found.pop(name) for name in self._marks if name in found}
        return Counted(found, known, subjects, self.tally.names)

    def completion(self, exchange: Exchange, seen: Seen) -> list[Entry]:
        """What to count of an exchange that is over. A quarantine must not renew itself, so its refusals are no blocks."""
        sources, amounts = self.tally.sources, dict[str, float | int]()
        if sources.isdisjoint(LATE):
            return []
        if "tokens" in sources:
            amounts["tokens"] = sum(tokens(seen.look))
        if "bytes" in sources:
            amounts["bytes"] = exchange.request_bytes + exchange.reply_bytes
        if exchange.outcome in BLOCKED and not seen.quarantined:
            amounts["blocks"] = 1
        if exchange.outcome not in NO_ERRORS:
            amounts["errors"] = 1
        if "findings" in sources and exchange.findings:
            amounts["findings"] = sum(finding.category != CATEGORY for finding in exchange.findings)
        return self.tally.changes(seen.counted.subjects, amounts)

    def marks(self, counted: Counted, changes: Mapping[str, float]) -> list[Entry]:
        """Moments that rules keep."""
        return self.tally.changes(counted.subjects, changes)

    def _amounts(self, exchange: Exchange, look: Look) -> dict[str, float | int]:
        sources = self.tally.sources
        amounts: dict[str, float | int] = {"requests": 1}
        for what in MEMBERS:
            if what in sources and (member := self.subjects.member(exchange, what)) is not None:
                amounts[what] = member
        if self.tally.needs_prompts:
            amounts["prompts"] = look.fingerprint
        if "signature" in sources:
            amounts["signature"] = look.signature
        return amounts
