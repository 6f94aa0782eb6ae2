"""Members of records, whatever the record: of an older version, or of a kind that is yet to come."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.metadata import version
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(record: Mapping[str, Any]) -> int:
    """The time of a record in milliseconds since the epoch, rounded down; 0 where it has none that can be read."""
    time = moment(record.get("time"))
    return 0 if time is None else (time - EPOCH) // timedelta(milliseconds=1)


def moment(time: object) -> datetime | None:
    """A time in RFC 3339, or None for anything else."""
    if not isinstance(time, str):
        return None
    try:
        read = datetime.fromisoformat(time)
    except ValueError:
        return None
    return read if read.tzinfo is not None else None


def word(record: Mapping[str, Any], name: str) -> str:
    """A member that is a text, or empty."""
    value = record.get(name)
    return value if isinstance(value, str) else ""


def whole(record: Mapping[str, Any], name: str) -> int | None:
    """A member that is a whole number that 64 bits hold, or None."""
    value = record.get(name)
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def number(record: Mapping[str, Any], name: str) -> float | None:
    """A member that is a number, or None."""
    value = record.get(name)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return whole(record, name)


def group(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A member that is an object, or an empty one."""
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def members(record: Mapping[str, Any], name: str) -> Sequence[dict[str, Any]]:
    """A member that is a list of objects, or an empty one."""
    value = record.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


@lru_cache(1)
def _installed() -> str:
    return version("yumen")


def product_version(record: Mapping[str, Any]) -> str:
    """The version of the gateway: that in the record where it says so, otherwise the one that exports it."""
    return word(record, "yumen") or _installed()
