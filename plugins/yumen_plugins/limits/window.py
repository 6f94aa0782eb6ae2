"""A sliding window of one minute, estimated from two fixed ones.

The count of the last 60 seconds is taken to be what came in this minute of the clock, plus the share of the previous
minute's count that still lies in the window:

    estimate = current + previous * (1 - elapsed / 60)

It is right to within one request where the previous minute's requests came evenly. In the worst case, all of them in the
last instant of that minute, up to nearly twice the limit passes within some 60 seconds; in the opposite case somebody waits
up to a minute longer than need be. No minute of the clock ever lets more than the limit pass, so neither does any longer
time on average. Two counters per key are all that it costs.
"""

from __future__ import annotations

import math

import msgspec

from yumen import Store

WINDOW_S = 60
# From its first use a counter is needed until its own minute and the next are over; the rest is for clocks that differ.
COUNTER_TTL_S = 2 * WINDOW_S + 10
# Keeps a request that comes at the very instant it was told to come from being refused by a rounding error.
ROUNDING = 1e-6


class Ruling(msgspec.Struct, frozen=True):
    """What a window says to one request.

    `remaining` is how many more would pass right now, `reset_s` after how many seconds without requests the window is
    empty again. `retry_after_s` is 0 for a request that may pass; else a request passes after so many whole seconds,
    unless others come before it.
    """

    limit: int
    remaining: int
    reset_s: int
    retry_after_s: int = 0


class Window:
    """Counts the requests of everyone under one rule. `rule` names it; `limit` is requests per minute."""

    def __init__(self, store: Store, rule: str, limit: int) -> None:
        self.rule = rule
        self.limit = limit
        self._store = store

    async def take(self, who: str, now: float) -> Ruling:
        """Count one request at `now` (seconds since the epoch). One that is refused is not counted.

        It is added before the sum is looked at, so that of two workers at the same instant neither overlooks the other.
        """
        index = int(now // WINDOW_S)
        elapsed = now - index * WINDOW_S
        key = self._key(who, index)
        current = await self._store.add(key, 1, COUNTER_TTL_S)
        before = await self._store.get(self._key(who, index - 1))
        previous = int(before) if before else 0
        estimate = current + previous * (1 - elapsed / WINDOW_S)
        reset_s = math.ceil(2 * WINDOW_S - elapsed)
        if estimate <= self.limit + ROUNDING:
            return Ruling(self.limit, int(self.limit - estimate + ROUNDING), reset_s)
        await self._store.add(key, -1, COUNTER_TTL_S)
        return Ruling(self.limit, 0, reset_s, wait_s(self.limit, previous, current - 1, elapsed))

    async def give_back(self, who: str, now: float) -> None:
        """Take back the count of a request that another rule refused."""
        await self._store.add(self._key(who, int(now // WINDOW_S)), -1, COUNTER_TTL_S)

    def _key(self, who: str, index: int) -> str:
        return f"{self.rule}:{who}:{index}"


def wait_s(limit: int, previous: int, current: int, elapsed: float) -> int:
    """Whole seconds, at least 1, until one more request passes if none comes before it.

    Solves the estimate for the time at which it falls to `limit - 1`: in this minute while the previous one fades, or, where
    this minute alone has used the limit up, in the next while this one does.
    """
    if current < limit and previous > 0:
        at = WINDOW_S * (1 - (limit - 1 - current) / previous)
        wait = at - elapsed
    else:
        wait = WINDOW_S - elapsed
        if current > 0:
            wait += max(0.0, WINDOW_S * (1 - (limit - 1) / current))
    return max(1, math.ceil(wait - ROUNDING))
