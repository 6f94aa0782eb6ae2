"""What can be asked of the index, and how people write it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from yumen_plugins.audit.index.rows import DECISIONS, EPOCH, KINDS, MICROSECOND, NAME_CHARS_MAX, Row, name_of

LIMIT, LIMIT_MAX = 100, 1000
CURSOR_CHARS_MAX = 100
# What a record can be found by; several of them must all hold.
FILTERS = (
    "tenant",
    "app",
    "route",
    "subject",
    "id",
    "receipt",
    "kind",
    "operation",
    "outcome",
    "decision",
    "rule",
    "type",
)
NAMES = ("since", "until", *FILTERS, "limit", "cursor")
CLOSED = {"kind": tuple(sorted(KINDS)), "decision": DECISIONS}
UNIT_US = {"s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86_400 * 10**6, "w": 7 * 86_400 * 10**6}
RELATIVE = re.compile(r"-([0-9]{1,6})([smhdw])")
# RFC 3339, section 5.6, or a day alone, which begins at midnight in UTC.
TIMES = "one as in RFC 3339 (2026-11-24T23:00:00Z), a day (2026-11-24), or how long ago (-24h, -7d)"
MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[Tt][0-9:]{8}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2}))?", re.A
)


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What records to find. An empty filter lets everything pass.

    `since_us` (inclusive) and `until_us` (exclusive) are in microseconds since 1970; `decision` is the strictest that was
    enforced, `rule` one of a finding or a decision, `type` a category of findings; `cursor` is that of the page before.
    """

    since_us: int | None = None
    until_us: int | None = None
    tenant: str = ""
    app: str = ""
    route: str = ""
    subject: str = ""
    id: str = ""
    receipt: str = ""
    kind: str = ""
    operation: str = ""
    outcome: str = ""
    decision: str = ""
    rule: str = ""
    type: str = ""
    limit: int = LIMIT
    cursor: str = ""

    def filters(self) -> dict[str, str]:
        """The filters that are not empty."""
        return {name: value for name in FILTERS if (value := getattr(self, name))}

    @classmethod
    def parse(cls, mapping: Mapping[str, str], clock: Callable[[], float] = time.time) -> Query:
        """A query as people write it: names of `NAMES`, times as in RFC 3339 or relative to now (`-24h`, `-7d`).

        `clock` gives seconds since 1970. Error: `ValueError`; its sentence repeats no value.
        """
        if not set(mapping) <= set(NAMES):
            raise ValueError(f"there is no such filter; the known ones are {', '.join(NAMES)}")
        members: dict[str, Any] = {}
        for name, value in mapping.items():
            if name in ("since", "until"):
                members[f"{name}_us"] = _moment(name, value, clock)
            elif name == "limit":
                members[name] = _limit(value)
            elif name == "cursor":
                members[name] = _bounded(name, value, CURSOR_CHARS_MAX)
            else:
                members[name] = _filter(name, value)
        return cls(**members)


class Page(msgspec.Struct, frozen=True):
    """Rows, the newest first, and the cursor of the page behind them, or None where there is nothing more."""

    rows: list[Row]
    cursor: str | None = None


def _moment(name: str, value: str, clock: Callable[[], float]) -> int:
    if relative := RELATIVE.fullmatch(value):
        return round(clock() * 1e6) - int(relative[1]) * UNIT_US[relative[2]]
    if MOMENT.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value.upper() if "T" in value.upper() else f"{value}T00:00:00Z")
            return (moment - EPOCH) // MICROSECOND
        except (ValueError, OverflowError):
            pass  # the thirtieth of February
    raise ValueError(f"{name} is no time; write {TIMES}")


def _limit(value: str) -> int:
    if re.fullmatch("[0-9]{1,4}", value, re.A) and 1 <= int(value) <= LIMIT_MAX:
        return int(value)
    raise ValueError(f"limit is not a number from 1 to {LIMIT_MAX}")


def _filter(name: str, value: str) -> str:
    if name in CLOSED and value not in CLOSED[name]:
        raise ValueError(f"{name} is not one of {', '.join(CLOSED[name])}")
    return name_of(_bounded(name, value, NAME_CHARS_MAX))


def _bounded(name: str, value: str, chars_max: int) -> str:
    if not value or len(value) > chars_max:
        raise ValueError(f"{name} is empty or longer than {chars_max} characters; leave it out, or shorten it")
    return value
