"""Destroys keys for good, and remembers that it did."""

from __future__ import annotations

from typing import Any

import msgspec

from yumen_plugins.audit.subjects.database import Database

IDS_MAX = 256
PAGE = 1000
BATCH = 1000
# Every subject, a digest in hexadecimal or empty, lies between these.
FIRST, LAST = "", "g"
# Behind a subject this makes what lies between it and the next one.
NEXT = " "


class Erasure(msgspec.Struct, frozen=True):
    """One erasure, which stays on file. It covers the tenant's `subject`, or all of the tenant with `whole_tenant`.

    `time` is in seconds since the epoch; `erased` counts keys and `subjects` whom they belonged to; `ids` names the keys,
    the first IDS_MAX of them. While a whole tenant is being erased, these grow.
    """

    seq: int
    time: float
    tenant: str
    subject: str
    whole_tenant: bool
    actor: str
    erased: int
    subjects: int
    ids: tuple[str, ...]


def begin(database: Database, tenant: str, subject: str | None, actor: str, now: float) -> int:
    """Put on file that a subject, or everybody where `subject` is None, is erased. Returns its number."""
    database.rows(
        "INSERT INTO erasures (time, tenant, subject, whole_tenant, actor, erased, subjects) VALUES (?, ?, ?, ?, ?, 0, 0)",
        (now, tenant, subject or "", subject is None, actor),
    )
    return last(database)


def destroy(database: Database, seq: int, tenant: str, low: str, high: str) -> str:
    """Overwrite and delete the keys of the next subjects from `low` to `high`, so many that nobody waits long for it.

    Returns where to go on, or nothing at the end. Call it within a write.
    """
    query = "SELECT DISTINCT subject FROM keys WHERE tenant = ? AND subject BETWEEN ? AND ? ORDER BY subject LIMIT ?"
    found = database.rows(query, (tenant, low, high, BATCH))
    if not found:
        return ""
    some = (tenant, low, found[-1][0])
    database.rows(
        "INSERT INTO destroyed (id, erasure) SELECT id, ? FROM keys WHERE tenant = ? AND subject BETWEEN ? AND ?",
        (seq, *some),
    )
    overwrite = "UPDATE keys SET wrapped = zeroblob(length(wrapped)) WHERE tenant = ? AND subject BETWEEN ? AND ?"
    database.rows(overwrite, some)
    database.rows("DELETE FROM keys WHERE tenant = ? AND subject BETWEEN ? AND ?", some)
    keys = database.rows("SELECT changes()")[0][0]
    database.rows("UPDATE tenants SET subjects = subjects - ? WHERE tenant = ?", (len(found), tenant))
    count = "UPDATE erasures SET erased = erased + ?, subjects = subjects + ? WHERE seq = ?"
    database.rows(count, (keys, len(found), seq))
    return found[-1][0] + NEXT if len(found) == BATCH else ""


def destroyed(database: Database, after: int) -> list[tuple[int, str]]:
    """Ids of keys that were destroyed, each with a number that grows; those with a higher one than `after`."""
    query = "SELECT n, id FROM destroyed WHERE n > ? ORDER BY n LIMIT ?"
    return [(number, key_id) for number, key_id in database.rows(query, (after, PAGE))]


def last_destroyed(database: Database) -> int:
    """The number of the key that was destroyed last; 0 where there was none."""
    number: int = database.rows("SELECT coalesce(max(n), 0) FROM destroyed")[0][0]
    return number


def erasures(database: Database, after: int = 0, limit: int = PAGE) -> list[Erasure]:
    """Erasures in their order, those with a higher number than `after`."""
    query = "SELECT * FROM erasures WHERE seq > ? ORDER BY seq LIMIT ?"
    return [_erasure(database, row) for row in database.rows(query, (after, limit))]


def erasure_of(database: Database, key_id: str) -> Erasure | None:
    """Which erasure destroyed a key, if one did."""
    query = "SELECT * FROM erasures WHERE seq = (SELECT erasure FROM destroyed WHERE id = ?)"
    found = database.rows(query, (key_id,))
    return _erasure(database, found[0]) if found else None


def last(database: Database) -> int:
    """The number of the last erasure; 0 where there was none."""
    number: int = database.rows("SELECT coalesce(max(seq), 0) FROM erasures")[0][0]
    return number


def _erasure(database: Database, row: tuple[Any, ...]) -> Erasure:
    seq, time, tenant, subject, whole_tenant, actor, erased, subjects = row
    ids = database.rows("SELECT id FROM destroyed WHERE erasure = ? ORDER BY n LIMIT ?", (seq, IDS_MAX))
    return Erasure(
        seq, time, tenant, subject, bool(whole_tenant), actor, erased, subjects, tuple(key_id for (key_id,) in ids)
    )
