"""The keys of all subjects: made once, kept wrapped, and destroyed for good.

A subject is a tenant and the 32 hexadecimal digits of its digest; with an empty digest it is the tenant itself, whose key
seals the exchanges that name nobody. Every process of a gateway opens the same file, and the command line does, too.

A copy of the file alone opens nothing: keys in it are wrapped under the gateway's secret. Who has the secret as well, and
a backup from before an erasure, has the key that was erased; so erasures have to be repeated on what is restored.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from yumen_plugins.audit.subjects import erasing
from yumen_plugins.audit.subjects.cache import Cache
from yumen_plugins.audit.subjects.database import Database
from yumen_plugins.audit.subjects.erasing import Erasure
from yumen_plugins.audit.subjects.errors import SubjectsFull
from yumen_plugins.audit.subjects.holds import Hold, Holds
from yumen_plugins.audit.subjects.names import check_subject, check_words
from yumen_plugins.audit.subjects.sealing import ROTATE_AT, SubjectKey, Wrapping

SUBJECTS_MAX = 1_000_000
CACHED_MAX = 10_000
# A process knows of the erasures of others after this time at the latest, or uses no key.
FRESH_S = 1.0


class Keyring:
    """Made by `open`. For any thread; every method but `cached` may wait for a disk. Errors of all: `KeyringUnavailable`."""

    def __init__(self, database: Database, wrapping: Wrapping, subjects_max: int, now: Callable[[], float]) -> None:
        self._database = database
        self._wrapping = wrapping
        self._subjects_max = subjects_max
        self._now = now
        self._holds = Holds(database, now)
        self._cache = Cache(CACHED_MAX)
        self._version = database.version()
        self._forgotten = erasing.last_destroyed(database)
        self._told = erasing.last(database)
        self._own = set[int]()
        self._fresh_until = time.monotonic() + FRESH_S

    @classmethod
    def open(
        cls,
        data_dir: Path,
        root: bytes,
        *,
        subjects_max: int = SUBJECTS_MAX,
        now: Callable[[], float] = time.time,
    ) -> Keyring:
        """Open or make `data_dir/subjects.sqlite`, after any fork. Error: `CannotStart`.

        `root` is at least 32 bytes that are derived from the gateway's secret for this purpose alone; `subjects_max` holds
        for each tenant, so that one cannot use up the room of others; `now` is in seconds since the epoch.
        """
        wrapping = Wrapping(root)
        return cls(Database.open(data_dir, wrapping.check), wrapping, subjects_max, now)

    def cached(self, tenant: str, subject: str) -> SubjectKey | None:
        """The key in use where it is in memory and surely good; otherwise None: ask `get_or_create`. Never waits."""
        if time.monotonic() > self._fresh_until:
            return None
        key = self._cache.get(tenant, subject)
        return None if key is None or key.due else key

    def get_or_create(self, tenant: str, subject: str) -> SubjectKey:
        """The key in use, made and on disk if there was none. Errors: `SubjectsFull`; ValueError for what is no subject."""
        with self._database.lock:
            if (key := self._find(tenant, subject)) is not None:
                return key
            with self._database.write():
                if (key := self._read(tenant, subject)) is None:
                    key = self._create(tenant, subject)
            return self._cache.put(key, current=True)

    def find(self, tenant: str, subject: str) -> SubjectKey | None:
        """The key in use, or None. Error: ValueError for what is no subject."""
        with self._database.lock:
            return self._find(tenant, subject)

    def by_id(self, key_id: str) -> SubjectKey | None:
        """The key that a record names; None where it was destroyed (`erasure_of` knows) or never was in this file."""
        with self._database.lock:
            self._refresh()
            if (held := self._cache.by_id(key_id)) is not None:
                return held
            found = self._database.rows("SELECT id, tenant, subject, wrapped FROM keys WHERE id = ?", (key_id,))
            return self._cache.put(self._wrapping.unwrap(*found[0]), current=False) if found else None

    def poll(self) -> list[Erasure]:
        """Erasures by other processes that were not returned before, up to a thousand; those before `open` are not new.

        Keys in memory are gone as soon as this is called. Call it more often than every FRESH_S, or `cached` finds nothing.
        """
        with self._database.lock:
            self._refresh()
            found = erasing.erasures(self._database, self._told)
            news = [one for one in found if one.seq not in self._own]
            if found:
                self._told = found[-1].seq
                self._own = {seq for seq in self._own if seq > self._told}
            return news

    def erase(self, tenant: str, subject: str, actor: str, *, whole_tenant: bool = False) -> Erasure:
        """Destroy key and salt of every key that the subject ever had, with `whole_tenant` of everybody of the tenant.

        It is on disk, and no copy is left in the files, when this returns; afterwards the subject would get a new key.
        Errors: `Held`, also where a hold comes while a whole tenant is being erased, and saves the rest (`erasures` says how
        much that was not); ValueError for what is no subject. After any other error do it again: there is no harm in it.
        """
        check_subject(tenant, subject)
        check_words("an actor", actor)
        if whole_tenant and subject:
            raise ValueError("a whole tenant is erased without naming a subject")
        whom = None if whole_tenant else subject
        low, high = (erasing.FIRST, erasing.LAST) if whole_tenant else (subject, subject)
        seq, more = 0, True
        try:
            while more:
                began = time.monotonic()
                with self._database.lock:
                    with self._database.write():
                        self._holds.refuse(tenant, whom)
                        number = seq or erasing.begin(self._database, tenant, whom, actor, self._now())
                        low = erasing.destroy(self._database, number, tenant, low, high)
                    seq = number
                    self._own.add(seq)
                    self._forget()
                if more := bool(low):
                    # Others, who wait to make keys, get as much time as this takes.
                    time.sleep(time.monotonic() - began)
        finally:
            if seq:
                self._database.scrub()
        return erasing.erasures(self._database, seq - 1, 1)[0]

    def erasures(self, after: int = 0, limit: int = erasing.PAGE) -> list[Erasure]:
        """What was ever erased, in order, those with a higher `seq` than `after`."""
        return erasing.erasures(self._database, after, limit)

    def erasure_of(self, key_id: str) -> Erasure | None:
        """Which erasure destroyed this key, if one did."""
        return erasing.erasure_of(self._database, key_id)

    def hold(self, tenant: str, subject: str, reason: str, actor: str, until: float | None = None) -> str:
        """Forbid to erase a subject, or, with an empty one, anybody of the tenant; returns the id of the hold.

        `reason` is for people; `until` in seconds since the epoch. Error: ValueError, with a sentence to show.
        """
        return self._holds.hold(tenant, subject, reason, actor, until)

    def release(self, hold_id: str, actor: str) -> Hold:
        """End a hold; returns it, to be put on record with `actor`. Errors: LookupError, ValueError."""
        check_words("an actor", actor)
        return self._holds.release(hold_id)

    def holds(self) -> list[Hold]:
        """Every hold in force, the oldest first."""
        self._database.check()
        return self._holds.all()

    def held(self, tenant: str, subject: str) -> Hold | None:
        """A hold in force that covers this subject. Error: ValueError for what is no subject."""
        check_subject(tenant, subject)
        self._database.check()
        return self._holds.held(tenant, subject)

    def close(self) -> None:
        self._database.close()

    def _find(self, tenant: str, subject: str) -> SubjectKey | None:
        self._refresh()
        key = self._cache.get(tenant, subject)
        if key is not None and key.due:
            self._count(key)
        elif key is not None:
            return key
        check_subject(tenant, subject)
        found = self._read(tenant, subject)
        return None if found is None else self._cache.put(found, current=True)

    def _read(self, tenant: str, subject: str) -> SubjectKey | None:
        query = "SELECT id, tenant, subject, wrapped FROM keys WHERE tenant = ? AND subject = ? AND retired = 0"
        found = self._database.rows(query, (tenant, subject))
        return self._wrapping.unwrap(*found[0]) if found else None

    def _create(self, tenant: str, subject: str) -> SubjectKey:
        known = self._database.rows("SELECT 1 FROM keys WHERE tenant = ? AND subject = ? LIMIT 1", (tenant, subject))
        if not known:
            self._database.rows("INSERT OR IGNORE INTO tenants VALUES (?, 0)", (tenant,))
            subjects: int = self._database.rows(
                "SELECT CAST(subjects AS INTEGER) FROM tenants WHERE tenant = ?", (tenant,)
            )[0][0]
            if subjects >= self._subjects_max:
                raise SubjectsFull(
                    f"the tenant has {self._subjects_max} subjects; erase some, or allow more, or see who invents them"
                )
            self._database.rows("UPDATE tenants SET subjects = subjects + 1 WHERE tenant = ?", (tenant,))
        key, wrapped = self._wrapping.new(tenant, subject)
        query = "INSERT INTO keys (id, tenant, subject, created, wrapped) VALUES (?, ?, ?, ?, ?)"
        self._database.rows(query, (key.id, tenant, subject, self._now(), wrapped))
        return key

    def _count(self, key: SubjectKey) -> None:
        """Add what this process sealed, and retire the key before there is too much."""
        used = key.used
        with self._database.write():
            self._database.rows("UPDATE keys SET sealed = sealed + ? WHERE id = ?", (used - key.counted, key.id))
            query = "UPDATE keys SET retired = n WHERE id = ? AND retired = 0 AND sealed >= ?"
            self._database.rows(query, (key.id, ROTATE_AT))
        key.counted = used
        self._cache.drop(key)

    def _refresh(self) -> None:
        """Make keys unusable that others destroyed meanwhile."""
        now = time.monotonic()
        version = self._database.version()
        if version != self._version:
            self._forget()
            self._version = version
        self._fresh_until = now + FRESH_S

    def _forget(self) -> None:
        while found := erasing.destroyed(self._database, self._forgotten):
            for number, key_id in found:
                self._cache.forget(key_id)
                self._forgotten = number
