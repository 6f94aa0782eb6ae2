"""The marks of purges in memory: whether an entry is taken is a question of three look-ups, however many there are."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from yumen_plugins.cache.entry import Purge

# Beyond so many, older ones of one tenant become one that takes all of that tenant: what goes too early is asked anew.
MARKS_MAX = 10_000
# No entry lives longer than policy may say (config.py, `ttl_s`); with a day for clocks, a mark takes nothing after that.
KEPT_S = 366 * 86_400.0


class Mark(msgspec.Struct, frozen=True):
    """That at `at` what was stored before `before` was purged, both in seconds since the epoch; see `Purge`.

    `elsewhere`: it came from another machine, whose clock may differ.
    """

    tenant: str
    subject: str
    before: float
    at: float
    elsewhere: bool = False

    @property
    def purge(self) -> Purge:
        """What must go here. Of what another machine has purged whole, everything, whatever our clock said of it."""
        whole = self.elsewhere and self.before >= self.at
        return Purge(self.tenant, self.subject, math.inf if whole else self.before)


class Table:
    """Marks by tenant and subject, of which an empty word stands for all; of equals the one that reaches further."""

    def __init__(self) -> None:
        self._tenants: dict[str, dict[str, Mark]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Mark]:
        return (mark for marks in self._tenants.values() for mark in marks.values())

    def takes(self, tenant: str, subject: str, stored_at: float) -> bool:
        """Whether a purge takes an entry."""
        return self._count > 0 and stored_at < self._reach(tenant, subject)

    def covers(self, mark: Mark) -> bool:
        """Whether others take everything that a mark does."""
        return self._count > 0 and mark.before <= self._reach(mark.tenant, mark.subject)

    def add(self, mark: Mark) -> list[Mark]:
        """Add a mark, and drop those that it covers. Returns the wider ones that took the place of older ones, if any."""
        if self.covers(mark):
            return []
        self._put(mark)
        return self._merge() if self._count > MARKS_MAX else []

    def prune(self, now: float) -> None:
        """Drop what takes nothing any more."""
        for tenant in [*self._tenants]:
            self._drop(tenant, now - KEPT_S)

    def _reach(self, tenant: str, subject: str) -> float:
        """Before which moment entries are taken."""
        reach = -math.inf
        for name in ("", tenant):
            marks = self._tenants.get(name)
            if marks is not None:
                for who in ("", subject):
                    mark = marks.get(who)
                    if mark is not None and mark.before > reach:
                        reach = mark.before
        return reach

    def _put(self, mark: Mark) -> None:
        if not mark.subject:
            for tenant in [mark.tenant] if mark.tenant else [*self._tenants]:
                self._drop(tenant, mark.before)
        marks = self._tenants.setdefault(mark.tenant, {})
        self._count += mark.subject not in marks
        marks[mark.subject] = mark

    def _drop(self, tenant: str, before: float) -> None:
        """Drop the marks of a tenant that reach no further than this."""
        marks = self._tenants.get(tenant, {})
        left = {subject: mark for subject, mark in marks.items() if mark.before > before}
        self._count -= len(marks) - len(left)
        if left:
            self._tenants[tenant] = left
        else:
            self._tenants.pop(tenant, None)

    def _merge(self) -> list[Mark]:
        """Halve: first the oldest of subjects into marks of their tenants, then, if need be, those into one of all."""
        wider = self._widen([mark for mark in self if mark.subject], subjects=True)
        if self._count > MARKS_MAX * 3 // 4:
            wider += self._widen([mark for mark in self if mark.tenant and not mark.subject], subjects=False)
        return wider

    def _widen(self, marks: list[Mark], *, subjects: bool) -> list[Mark]:
        marks.sort(key=lambda mark: mark.before)
        wider: dict[str, Mark] = {}
        for mark in marks[: self._count - MARKS_MAX // 2]:
            tenant = mark.tenant if subjects else ""
            known = wider.get(tenant, mark)
            # They come in the order of `before`.
            at, elsewhere = max(known.at, mark.at), known.elsewhere or mark.elsewhere
            wider[tenant] = Mark(tenant, "", mark.before, at, elsewhere)
        for mark in wider.values():
            self._put(mark)
        return list(wider.values())
