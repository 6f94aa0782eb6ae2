"""How many further attempts the exchanges of late allow, so that retries cannot multiply an overload.

Source: Finagle's `RetryBudget`: every exchange pays in a share of an attempt, what is paid in expires, and there is a small
reserve for times with little traffic.
"""

from __future__ import annotations

WINDOW_S = 10
RESERVE_PER_S = 1


class Budget:
    """`share`: further attempts for each exchange of the last ten seconds, and one a second beside; 0 for none at all."""

    def __init__(self, share: float) -> None:
        self._share = share
        # One slot for each second of the window.
        self._asked = [0] * WINDOW_S
        self._spent = [0] * WINDOW_S
        self._second: int | None = None

    def asked(self, now: float) -> None:
        """Count an exchange."""
        self._asked[self._slot(now)] += 1

    def spend(self, now: float) -> bool:
        """Take one further attempt out of the budget. Returns whether there was one."""
        slot = self._slot(now)
        allowed = self._share * sum(self._asked) + RESERVE_PER_S * WINDOW_S if self._share else 0.0
        if sum(self._spent) + 1 > allowed:
            return False
        self._spent[slot] += 1
        return True

    def _slot(self, now: float) -> int:
        """The slot of this second; those of seconds that have passed since the last one are emptied."""
        second = int(now)
        before = second if self._second is None else self._second
        for passed in range(max(before + 1, second - WINDOW_S + 1), second + 1):
            self._asked[passed % WINDOW_S] = self._spent[passed % WINDOW_S] = 0
        self._second = max(before, second)
        return second % WINDOW_S
