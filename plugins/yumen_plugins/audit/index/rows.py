"""What the index keeps of one record: names, ids, numbers and categories."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

EXCHANGE = "exchange"
# The kinds that are searched; a part belongs to another record.
KINDS = frozenset(
    (EXCHANGE, "intent", "operation", "retention", "key", "recovery", "failure", "start", "stop", "checkpoint")
)
# From the mildest to the strictest.
DECISIONS = ("allow", "respond", "fault", "block")
NAME_CHARS_MAX = 200
# As many findings and calls as a record holds.
NAMES_MAX = 512
# A seq has this many bits, so that a log and a seq together fit a number of a database.
SEQ_BITS = 40
SEQ_MAX = (1 << SEQ_BITS) - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_STRICTNESS = {decision: rank for rank, decision in enumerate(DECISIONS)}


class Row(msgspec.Struct, frozen=True, gc=False):
    """One record that can be found. A member that the record does not have is empty.

    `time_us` is in microseconds since 1970, `total_ms` in milliseconds; `decision` is the strictest that was enforced, of an
    exchange; `rules` are those of findings and decisions, in shadow too, `types` the categories of findings.
    """

    log: str
    seq: int
    time_us: int
    kind: str
    id: str = ""
    receipt: str = ""
    tenant: str = ""
    app: str = ""
    key: str = ""
    subject: str = ""
    route: str = ""
    policy: str = ""
    outcome: str = ""
    operation: str = ""
    actor: str = ""
    decision: str = ""
    rules: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    streamed: bool = False
    total_ms: float = 0.0
    egress: str = ""


def row_of(log: str, record: dict[str, Any]) -> Row | None:
    """The row of a record, or None where its kind is not searched or it has no place.

    Members of other types count as empty.
    """
    get = record.get
    kind, seq = get("kind"), get("seq")
    if not isinstance(kind, str) or kind not in KINDS or type(seq) is not int or not 0 <= seq <= SEQ_MAX:
        return None
    rules: dict[str, None] = {}
    types: dict[str, None] = {}
    decision = ""
    total_ms = 0.0
    if kind == EXCHANGE:
        _findings(get("findings"), rules, types)
        decision = _decision(get("trace"), rules)
        total_ms = _total_ms(get("timings_ms"))
    return Row(
        log,
        seq,
        time_us_of(get("time")),
        kind,
        name_of(get("id")),
        name_of(get("receipt")),
        name_of(get("tenant")),
        name_of(get("app")),
        name_of(get("key")),
        name_of(get("subject")),
        name_of(get("route")),
        name_of(get("policy")),
        name_of(get("outcome")),
        name_of(get("operation")),
        name_of(get("actor")),
        decision,
        tuple(rules),
        tuple(types),
        get("streamed") is True,
        total_ms,
        name_of(get("egress")),
    )


def name_of(value: object) -> str:
    """A name as rows hold it: bounded, and of characters that every database takes."""
    if type(value) is not str:
        return ""
    if len(value) <= NAME_CHARS_MAX and (value.isalnum() or (value.isascii() and value.isprintable())):
        return value
    return value[:NAME_CHARS_MAX].encode("utf-8", "replace").decode().replace("\0", "?")


def time_us_of(value: object) -> int:
    """Microseconds since 1970 of a time as in RFC 3339; 0 where it is none."""
    if type(value) is not str:
        return 0
    try:
        return (datetime.fromisoformat(value) - EPOCH) // MICROSECOND
    except (ValueError, TypeError, OverflowError):  # no time, or one without an offset
        return 0


def _findings(findings: object, rules: dict[str, None], types: dict[str, None]) -> None:
    if type(findings) is not list:
        return
    for finding in findings[:NAMES_MAX]:
        if type(finding) is dict:
            if rule := name_of(finding.get("rule")):
                rules[rule] = None
            if category := name_of(finding.get("category")):
                types[category] = None


def _decision(trace: object, rules: dict[str, None]) -> str:
    """The strictest decision that was enforced; rules that decided are added to `rules`."""
    strictest = 0
    if type(trace) is list:
        for call in trace[:NAMES_MAX]:
            if type(call) is not dict:
                continue
            if reason := name_of(call.get("reason")):
                rules[reason] = None
            if not call.get("shadow"):
                decision = call.get("decision")
                rank = _STRICTNESS.get(decision, 0) if type(decision) is str else 0
                strictest = max(strictest, rank)
    return DECISIONS[strictest]


def _total_ms(timings: object) -> float:
    total = timings.get("total") if type(timings) is dict else None
    if isinstance(total, bool) or not isinstance(total, int | float):
        return 0.0
    return float(total) if abs(total) < 1e300 else 0.0
