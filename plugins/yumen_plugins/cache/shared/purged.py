"""What was purged while this process ran: nothing of it is written afterwards, however late it comes."""

from __future__ import annotations

import math
from collections.abc import Callable

from yumen_plugins.cache.entry import Purge

PURGES_MAX = 10_000


class Purged:
    """`now` is in seconds since the epoch. Looking costs the same however many purges there were."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        # Until when what was stored of somebody is gone, by tenant and subject; an empty word stands for all.
        self._until: dict[tuple[str, str], float] = {}
        # The same for everybody, of purges that are not remembered one by one any more.
        self._floor = -math.inf

    def add(self, purge: Purge) -> None:
        """Remember a purge; one without a bound is about what was stored until now."""
        whose = purge.tenant, purge.subject
        until = min(purge.before, self._now())
        self._until[whose] = max(until, self._until.pop(whose, -math.inf))
        if len(self._until) > PURGES_MAX:
            self._floor = max(self._floor, self._until.pop(next(iter(self._until))))

    def takes(self, tenant: str, subject: str, stored_at: float) -> bool:
        """Whether an entry was purged, as far as single purges are remembered."""
        until = self._until
        if not until:
            return False
        return any(
            stored_at < until.get(whose, -math.inf)
            for whose in ((tenant, subject), (tenant, ""), ("", subject), ("", ""))
        )

    def bars(self, tenant: str, subject: str, stored_at: float) -> bool:
        """Whether an entry must not be written: it was purged, or is older than what is remembered."""
        return stored_at < self._floor or self.takes(tenant, subject, stored_at)
