"""Legal holds: while one is in force, nothing that it covers may be erased."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import msgspec

from yumen_plugins.audit.subjects.database import Database
from yumen_plugins.audit.subjects.errors import Held
from yumen_plugins.audit.subjects.names import check_subject, check_words

ID_BYTES = 6
HOLDS_MAX = 10_000


class Hold(msgspec.Struct, frozen=True):
    """A hold on a subject, or, with an empty `subject`, on everybody of a tenant.

    `since` and `until` are seconds since the epoch; without `until` it stays until it is released.
    """

    id: str
    tenant: str
    subject: str
    reason: str
    actor: str
    since: float
    until: float | None


class Holds:
    """Holds of one store. Errors of every method: `KeyringUnavailable`; of what people typed: ValueError."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now

    def hold(self, tenant: str, subject: str, reason: str, actor: str, until: float | None) -> str:
        """Put a hold, durably, and return its id. What is being erased at this moment is gone or will stay."""
        check_subject(tenant, subject)
        check_words("a reason", reason)
        check_words("an actor", actor)
        now = self._now()
        if until is not None and not until > now:
            raise ValueError("a hold ends in the future, or when it is released")
        hold_id = secrets.token_hex(ID_BYTES)
        with self._database.write():
            self._database.rows("DELETE FROM holds WHERE until <= ?", (now,))
            if self._database.rows("SELECT count(*) FROM holds")[0][0] >= HOLDS_MAX:
                raise ValueError(
                    f"there are {HOLDS_MAX} holds, and no more are kept; release some, or hold whole tenants"
                )
            values = (hold_id, tenant, subject, reason, actor, now, until)
            self._database.rows("INSERT INTO holds VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        return hold_id

    def release(self, hold_id: str) -> Hold:
        """Take a hold away, and return what it was. Error: LookupError, where none in force has this id."""
        with self._database.write():
            query = "SELECT * FROM holds WHERE id = ? AND (until IS NULL OR until > ?)"
            found = self._database.rows(query, (hold_id, self._now()))
            if not found:
                raise LookupError("no hold in force has this id; list the holds")
            self._database.rows("DELETE FROM holds WHERE id = ?", (hold_id,))
        return Hold(*found[0])

    def all(self) -> list[Hold]:
        """Every hold in force, the oldest first."""
        query = "SELECT * FROM holds WHERE until IS NULL OR until > ? ORDER BY since, id"
        return [Hold(*row) for row in self._database.rows(query, (self._now(),))]

    def held(self, tenant: str, subject: str | None) -> Hold | None:
        """The oldest hold in force that covers a subject, or anybody of the tenant where `subject` is None."""
        query = (
            "SELECT * FROM holds WHERE tenant = ? AND (? IS NULL OR subject IN ('', ?))"
            " AND (until IS NULL OR until > ?) ORDER BY since, id LIMIT 1"
        )
        found = self._database.rows(query, (tenant, subject, subject, self._now()))
        return Hold(*found[0]) if found else None

    def refuse(self, tenant: str, subject: str | None) -> None:
        """Error: `Held`, where a hold covers the subject, or anybody of the tenant where `subject` is None."""
        if (found := self.held(tenant, subject)) is not None:
            raise Held(found.id)
