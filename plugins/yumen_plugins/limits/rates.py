"""How many requests a key and its tenant have made in a sliding minute, counted in the store together.

The minute is kept as seven slices of ten seconds; what it holds is estimated from them (docs/store.md). Within any 50
seconds no more than the limit pass, within any 60 less than twice as many, and nobody waits over 10 seconds too long.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from yumen import Entry, Exchange, Scope, Series, Store

WINDOW_S = 60
# When the last slice that anything was counted in has faded.
RESET_S = 70
# Keeps a request that comes at the very instant it was told to come from being refused by a rounding error.
ROUNDING = 1e-6
KEY, TENANT = "requests_per_minute", "requests_per_minute_tenant"
SCOPES = (
    Scope("key", (Series(KEY, windows_s=(WINDOW_S,)),)),
    Scope("tenant", (Series(TENANT, windows_s=(WINDOW_S,)),)),
)


class Ruling(msgspec.Struct, frozen=True):
    """What a rule says to a request that was counted: it is one too many, or so many more would pass right now."""

    rule: str
    limit: int
    over: bool
    remaining: int


class Rates:
    """Counts requests. `limits` is requests per minute by rule."""

    def __init__(self, store: Store, limits: dict[str, int]) -> None:
        self._limits = limits
        self._counters = store.counters("requests", SCOPES)

    async def take(self, exchange: Exchange, rules: Sequence[str]) -> list[Ruling]:
        """Count a request under some rules, in one round trip; what each says.

        It counts before anything is looked at, so that of two workers at the same instant neither overlooks the other.
        Whoever finds it to be one too many gives it back.
        """
        readings = await self._counters.count([_entry(exchange, rule, 1) for rule in rules])
        rulings = []
        for rule, ((minute,),) in zip(rules, readings, strict=True):
            limit = self._limits[rule]
            left = limit - minute + ROUNDING
            rulings.append(Ruling(rule, limit, left < 0, max(0, int(left))))
        return rulings

    async def give_back(self, exchange: Exchange, rules: Sequence[str]) -> None:
        """Take back the counts of a request that was refused."""
        if rules:
            await self._counters.count([_entry(exchange, rule, -1) for rule in rules])

    async def wait_s(self, exchange: Exchange, rule: str) -> int:
        """Whole seconds, at least 1, until one more request passes if none comes before it."""
        entry = _entry(exchange, rule, 0)
        return await self._counters.wait_s(entry.scope, entry.who, 0, self._limits[rule])


def _entry(exchange: Exchange, rule: str, amount: int) -> Entry:
    principal = exchange.principal
    return Entry(0, principal.key_id, (amount,)) if rule == KEY else Entry(1, principal.tenant, (amount,))
