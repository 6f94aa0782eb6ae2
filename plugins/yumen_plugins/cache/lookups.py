"""What came of looking, by tenant and reason: as metrics, and for operators who ask this process."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from yumen import Host

State = Literal["hit", "miss", "bypass", "coalesced"]
# Of so many tenants operators see figures of their own; those of all others are added up.
TENANTS_MAX = 1_000
OTHERS = "*"


class Lookups:
    """Counts since this process began."""

    def __init__(self, host: Host) -> None:
        self._metrics = host.metrics
        self._tenants: dict[str, Counter[tuple[State, str]]] = {}

    def count(self, state: State, reason: str, tenant: str) -> None:
        """One exchange of a tenant. Reasons are words of our own, and stand in docs/plugins/cache.md."""
        self._metrics.count("lookups", state=state, reason=reason, tenant=tenant)
        counts = self._tenants.get(tenant)
        if counts is None:
            known = tenant if len(self._tenants) < TENANTS_MAX else OTHERS
            counts = self._tenants.setdefault(known, Counter())
        counts[state, reason] += 1

    def shown(self) -> dict[str, dict[str, int]]:
        """By tenant, then by `state reason`."""
        return {
            tenant: {f"{state} {reason}": count for (state, reason), count in sorted(counts.items())}
            for tenant, counts in sorted(self._tenants.items())
        }
