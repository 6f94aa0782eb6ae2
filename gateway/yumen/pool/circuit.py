"""A circuit breaker: whoever fails again and again is left alone for a while, and then tried with one exchange.

The pattern is Nygard's, "Release It!" (2007), chapter 5. Times are seconds of the host's monotonic clock.
"""

from __future__ import annotations

# How far the time that a circuit stays open may double.
BACKOFF_MAX = 16
# A trial that is heard of no more makes room for another after so long.
TRIAL_S_MAX = 60.0


class Circuit:
    """Closed, open until a time, or half open with at most one trial under way.

    `failures_max` failures one after the other open it for `open_s` seconds, twice as long after each trial that fails, up
    to 16 times.
    """

    def __init__(self, failures_max: int, open_s: float) -> None:
        self._failures_max = failures_max
        self._open_s = open_s
        self._failures = 0
        self._factor = 1
        self._trial_until = 0.0
        self.open_until: float | None = None

    def lets(self, now: float) -> bool:
        """Whether it lets an exchange through."""
        return self.open_until is None or now >= max(self.open_until, self._trial_until)

    def open_s(self, now: float) -> float:
        """Seconds until it is half open; 0 where it is, or closed."""
        return 0.0 if self.open_until is None else max(0.0, self.open_until - now)

    def take(self, now: float) -> bool:
        """Let one exchange through, where it `lets`. Returns whether it is the trial, which must end as one."""
        if self.open_until is None:
            return False
        self._trial_until = now + TRIAL_S_MAX
        return True

    def succeeded(self, *, trial: bool) -> bool:
        """An exchange was answered. Returns whether that closes the circuit; of an open one only a trial's answer does."""
        if self.open_until is not None and not trial:
            return False
        closes = self.open_until is not None
        self._failures, self._factor, self._trial_until, self.open_until = 0, 1, 0.0, None
        return closes

    def failed(self, now: float, *, trial: bool) -> bool:
        """An exchange failed. Returns whether that opens the circuit; one that began before it opened says nothing new."""
        if trial and self.open_until is not None:
            self._factor = min(self._factor * 2, BACKOFF_MAX)
            self._open(now)
            return True
        if self.open_until is not None:
            return False
        self._failures += 1
        return self._failures >= self._failures_max and self.trip(now)

    def trip(self, now: float) -> bool:
        """Open it whatever was counted. Returns whether it was closed."""
        if self.open_until is not None:
            return False
        self._open(now)
        return True

    def gave_up(self) -> None:
        """A trial ended without a verdict: the next exchange may be one."""
        self._trial_until = 0.0

    def _open(self, now: float) -> None:
        self._trial_until = 0.0
        self.open_until = now + self._open_s * self._factor
