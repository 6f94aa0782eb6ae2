"""Whose turn it is among tenants that wait: rows in proportion to their weights.

Source: start-time fair queueing (Goyal, Vin and Cheng, 1996). Each tenant has a clock that runs on by rows / weight when it
is served, and the one whose clock shows least goes first. Who comes back starts no earlier than where the one served last
started, so nobody saves turns up while away; who got more than its share and leaves finds that out on coming back.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from yumen.batching.config import Share

# So many tenants are remembered that do not wait.
REMEMBERED_MAX = 4_096
DEFAULT = Share()


class Tenant:
    """What one tenant has waiting, and its clock."""

    __slots__ = ("bytes", "clock", "name", "priority", "rows", "weight")

    def __init__(self, name: str, share: Share) -> None:
        self.name = name
        self.weight = share.weight
        self.priority = share.priority
        self.rows = 0
        self.bytes = 0
        self.clock = 0.0


class Tenants:
    """The tenants of one model. `lag_max` is how far, in rows, a clock may be behind the one served last.

    Clocks fall behind where others have priority; without a bound, one that did would then keep every newcomer waiting.
    """

    def __init__(self, shares: Mapping[str, Share], lag_max: int) -> None:
        self._shares = shares
        self._lag_max = lag_max
        self._known: dict[str, Tenant] = {}
        self._found: dict[str, Share] = {}
        self._clock = 0.0

    def __len__(self) -> int:
        return len(self._known)

    def of(self, name: str) -> Tenant:
        """The tenant of that name, whose rows are about to wait."""
        tenant = self._known.get(name)
        if tenant is None:
            if len(self._known) >= REMEMBERED_MAX:
                self._forget()
            tenant = self._known[name] = Tenant(name, self._share(name))
        if not tenant.rows:
            tenant.clock = max(tenant.clock, self._clock)
        return tenant

    @property
    def floor(self) -> float:
        """What no turn starts before."""
        return self._clock - self._lag_max

    def start(self, tenant: Tenant) -> float:
        """Where the tenant's next turn starts; the least of all goes first."""
        return max(tenant.clock, self.floor)

    def turn(self, tenant: Tenant) -> None:
        """It is the tenant's turn. Others may run along, which moves their clocks, but not where newcomers start."""
        self._clock = max(self._clock, tenant.clock)

    def serve(self, tenant: Tenant, rows: int) -> None:
        """Rows of a tenant go to the model."""
        tenant.clock = self.start(tenant) + rows / tenant.weight

    def charge(self, name: str, rows: int) -> None:
        """A tenant has cost as much as so many rows, beside its own."""
        tenant = self._known.get(name)
        if tenant is not None:
            tenant.clock += rows / tenant.weight

    def rest(self) -> None:
        """Nobody waits and nothing runs: what anybody got before is settled."""
        self._known.clear()
        self._clock = 0.0

    def _share(self, name: str) -> Share:
        if not self._shares:
            return DEFAULT
        found = self._found.get(name)
        if found is None:
            if len(self._found) >= REMEMBERED_MAX:
                self._found.clear()
            found = next((share for glob, share in self._shares.items() if fnmatchcase(name, glob)), DEFAULT)
            self._found[name] = found
        return found

    def _forget(self) -> None:
        """Let go of those that do not wait."""
        self._known = {name: tenant for name, tenant in self._known.items() if tenant.rows}
