"""What a ledger says in numbers: one pass over its records, in a memory that does not grow with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

# The most names of one kind that are told apart; what comes later is counted as others.
NAMES_MAX = 2_000
TEXT_CHARS_MAX = 200
OPERATIONS_SHOWN = 500
QUIET_SHOWN = 50
# Exchanges that are waiting for their intent, or the other way round.
PENDING_MAX = 200_000
PENDING_SHOWN = 50
# Each log has a checkpoint every hour: nothing for so long says that nobody was writing.
QUIET_S = 2 * 3600.0
# An intent and its exchange may be so far apart that only one of them is in the time that is asked about.
APART_S = 86_400.0
# Days are counted from here, each as one bit.
DAY_ONE, DAYS_MAX = datetime(2020, 1, 1, tzinfo=UTC).timestamp(), 36_525

OTHERS = "(others)"
OTHER_PAIR = (OTHERS, OTHERS)

Record = dict[str, Any]
Name = TypeVar("Name", str, tuple[str, str])
Value = TypeVar("Value")


class Seen(msgspec.Struct):
    """How often something was on record, from when to when (seconds since the epoch)."""

    count: int = 0
    first: float = 0.0
    last: float = 0.0

    def note(self, at: float, count: int = 1) -> None:
        """Count it once more."""
        self.first = at if not self.count else min(self.first, at)
        self.last = at if not self.count else max(self.last, at)
        self.count += count


class RuleSeen(msgspec.Struct):
    """What one rule did: decisions that ended an exchange, findings, and what it would have done in shadow."""

    decisions: int = 0
    decisions_shadow: int = 0
    findings: int = 0
    findings_shadow: int = 0
    categories: dict[str, int] = {}
    days: int = 0

    @property
    def days_active(self) -> int:
        """On how many days, by UTC, it did any of that."""
        return self.days.bit_count()

    @property
    def total(self) -> int:
        """All that it did, in shadow or not."""
        return self.decisions + self.decisions_shadow + self.findings + self.findings_shadow


class Quiet(msgspec.Struct, frozen=True):
    """A time in which a log has no record, and before which its writer had not ended in good order."""

    log: str
    since: float
    until: float

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.until - self.since


class Done(msgspec.Struct, frozen=True):
    """One operation, as the report lists it."""

    at: float
    operation: str
    actor: str
    details: dict[str, str]


class LogSeen(msgspec.Struct):
    """One log: its records in all and of exchanges, and how long its class keeps them (None: for ever)."""

    keep_days: int | None
    records: Seen = msgspec.field(default_factory=Seen)
    exchanges: int = 0
    stopped: bool = True


class Figures(msgspec.Struct):
    """Everything that a report says about records; `gather` makes it. Mappings hold at most 2,000 names each.

    `oldest` is the time of the first exchange of the whole ledger, also before the time that is asked about. `sent` is by
    egress and form (`remote`, `masked`); `accepted` by route and the reason that it gives for raw text; `words` is in how
    many exchanges the ledger keeps `text`, `sealed` text, a `digest` or `none`. `undecided` are ids of intents to send that
    have no exchange, `unannounced` is the number of exchanges with a remote engine that have no intent.
    """

    records: Seen = msgspec.field(default_factory=Seen)
    kinds: dict[str, int] = {}
    unreadable: int = 0
    exchanges: Seen = msgspec.field(default_factory=Seen)
    oldest: float = float("inf")
    outcomes: dict[str, int] = {}
    tenants: dict[str, int] = {}
    policies: dict[str, Seen] = {}
    plugins: dict[str, Seen] = {}
    rules: dict[str, RuleSeen] = {}
    faults: dict[str, int] = {}
    sent: dict[tuple[str, str], Seen] = {}
    accepted: dict[tuple[str, str], Seen] = {}
    words: dict[str, int] = {}
    undecided: list[str] = []
    undecided_count: int = 0
    unannounced: int = 0
    pairing_failed: bool = False
    operations: dict[str, Seen] = {}
    done: list[Done] = []
    logs: dict[str, LogSeen] = {}
    quiet: list[Quiet] = []
    quiet_count: int = 0


def gather(records: Iterable[tuple[str, Record]], *, since: float = 0.0, until: float = float("inf")) -> Figures:
    """Read records, each with the name of its log, in the order of each log. Only those of [since, until) count.

    Records may be those of an older ledger, or anybody's: a member of another type than it should have is passed over, and a
    record without a time is counted as unreadable.
    """
    gatherer = _Gatherer(since, until)
    for log, record in records:
        gatherer.add(log, record)
    return gatherer.finish()


def keep_days(log: str) -> int | None:
    """How many days the class of a log keeps its records; None where it is for ever, as in the older ledger."""
    found = re.fullmatch(r".*/keep-([0-9]{1,7})d", log, re.ASCII)
    return int(found[1]) if found else None


class _Gatherer:
    def __init__(self, since: float, until: float) -> None:
        self._since, self._until = since, until
        self._figures = Figures()
        self._intents, self._sent = dict[str, float](), dict[str, float]()
        self._kinds = {"exchange": self._exchange, "operation": self._operation}

    def add(self, log: str, record: Record) -> None:
        figures = self._figures
        at = _moment(record.get("time"))
        if at is None:
            figures.unreadable += 1
            return
        kind = _text(record.get("kind"))
        if kind == "exchange":
            figures.oldest = min(figures.oldest, at)
        if self._since - APART_S <= at < self._until + APART_S:
            self._pair(kind, record, at)
        if kind == "part" or not self._within(at):  # a part is what did not fit into another record
            return
        figures.records.note(at)
        _count(figures.kinds, kind)
        self._log(log, kind, at)
        reader = self._kinds.get(kind)
        if reader is not None:
            reader(record, at)

    def finish(self) -> Figures:
        figures = self._figures
        undecided = [name for name, at in self._intents.items() if self._within(at)]
        figures.undecided_count, figures.undecided = len(undecided), undecided[:PENDING_SHOWN]
        figures.unannounced = sum(map(self._within, self._sent.values()))
        figures.quiet.sort(key=lambda one: one.since)
        figures.done.sort(key=lambda one: one.at)
        return figures

    def _within(self, at: float) -> bool:
        return self._since <= at < self._until

    def _log(self, log: str, kind: str, at: float) -> None:
        name = _text(log)
        seen = _member(self._figures.logs, name, OTHERS, lambda: LogSeen(keep_days(name)))
        last = seen.records.last
        # Nobody is missed while a writer is known to have stopped; whether it should have been running is not on record.
        if seen.records.count and not seen.stopped and at - last > QUIET_S:
            self._quiet(Quiet(name, last, at))
        seen.records.note(at)
        seen.exchanges += kind == "exchange"
        seen.stopped = kind == "stop"

    def _quiet(self, quiet: Quiet) -> None:
        """Keep the longest ones."""
        figures = self._figures
        figures.quiet_count += 1
        figures.quiet.append(quiet)
        if len(figures.quiet) > QUIET_SHOWN:
            figures.quiet.remove(min(figures.quiet, key=lambda one: one.seconds))

    def _exchange(self, record: Record, at: float) -> None:
        figures = self._figures
        figures.exchanges.note(at)
        _count(figures.outcomes, _text(record.get("outcome")) or "(none)")
        _count(figures.tenants, _text(record.get("tenant")))
        _member(figures.policies, _text(record.get("policy")), OTHERS, Seen).note(at)
        for name, version in _mapping(record.get("plugins")).items():
            _member(figures.plugins, f"{_text(name)} {_text(version)}", OTHERS, Seen).note(at)
        _count(figures.words, _words(record))
        egress = _text(record.get("egress"))
        if egress:
            sent = _text(record.get("sent_form")) or "unknown"
            _member(figures.sent, (egress, sent), OTHER_PAIR, Seen).note(at)
        reason = _text(record.get("accept_raw"))
        if reason:
            _member(figures.accepted, (_text(record.get("route")), reason), OTHER_PAIR, Seen).note(at)
        self._rules(record, at)

    def _rules(self, record: Record, at: float) -> None:
        day = 1 << min(max(int((at - DAY_ONE) // 86_400), 0), DAYS_MAX)
        for finding in _members(record.get("findings")):
            rule = self._rule(finding.get("rule"), day)
            if finding.get("shadow") is True:
                rule.findings_shadow += 1
            else:
                rule.findings += 1
            _count(rule.categories, _text(finding.get("category")))
        for call in _members(record.get("trace")):
            decision = call.get("decision")
            if decision == "fault":
                _count(self._figures.faults, _text(call.get("plugin")))
            elif decision in ("block", "respond"):
                rule = self._rule(call.get("reason") or call.get("plugin"), day)
                if call.get("shadow") is True:
                    rule.decisions_shadow += 1
                else:
                    rule.decisions += 1

    def _rule(self, name: Any, day: int) -> RuleSeen:
        rule = _member(self._figures.rules, _text(name), OTHERS, RuleSeen)
        rule.days |= day
        return rule

    def _pair(self, kind: str, record: Record, at: float) -> None:
        """An intent and its exchange may stand in two logs, so either may be read first."""
        if kind == "intent":
            others, own = self._sent, self._intents
        elif kind == "exchange" and record.get("egress") == "remote":
            others, own = self._intents, self._sent
        else:
            return
        name = _text(record.get("id"))
        if name in others:
            del others[name]
        elif len(own) < PENDING_MAX:
            own[name] = at
        else:
            self._figures.pairing_failed = True

    def _operation(self, record: Record, at: float) -> None:
        name = _text(record.get("operation"))
        _member(self._figures.operations, name, OTHERS, Seen).note(at)
        details = {_text(key): _text(value) for key, value in _mapping(record.get("details")).items()}
        done = self._figures.done
        done.append(Done(at, name, _text(record.get("actor")), details))
        if len(done) > 2 * OPERATIONS_SHOWN:
            done.sort(key=lambda one: one.at)
            del done[:-OPERATIONS_SHOWN]


def _words(record: Record) -> str:
    """The most telling form in which a record keeps what people and engines wrote."""
    forms = set[str]()
    for side in ("request", "reply"):
        for entry in _members(record.get(side)):
            # The name of a model, say, is no word of anybody.
            if entry.get("kind") not in ("identifier", "left_out"):
                forms |= entry.keys()
    return next((form for form in ("text", "sealed", "digest") if form in forms), "none")


def _count(names: dict[str, int], name: str) -> None:
    if name not in names and len(names) >= NAMES_MAX:
        name = OTHERS
    names[name] = names.get(name, 0) + 1


def _member(names: dict[Name, Value], name: Name, others: Name, make: Callable[[], Value]) -> Value:
    """The figures of a name, new ones where it is new, those of the others where there are too many names."""
    if name not in names:
        if len(names) >= NAMES_MAX:
            name = others
        return names.setdefault(name, make())
    return names[name]


def _moment(value: Any) -> float | None:
    try:
        return datetime.fromisoformat(value).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _text(value: Any) -> str:
    return value[:TEXT_CHARS_MAX] if isinstance(value, str) else ""


def _members(value: Any) -> list[Record]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _mapping(value: Any) -> Record:
    return value if isinstance(value, dict) else {}
