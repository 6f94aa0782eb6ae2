"""A clock for what waits in real time, or works with a server or a thread that does."""

from __future__ import annotations

import time

from yumen.policy.testing.clock import FakeClock


class RunningClock(FakeClock):
    """The machine's own time, which can be set and moved as that of a `FakeClock`, and runs on from there."""

    def __init__(self) -> None:
        self._ahead_s = 0.0
        self._passed_s = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self._ahead_s

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic() + self._passed_s

    def reset(self) -> None:
        """Go back to the machine's time of day."""
        self._ahead_s = 0.0

    def set(self, at: float) -> None:
        """Set the time of day, from which it runs on."""
        self.move(at - self.now())

    def move(self, seconds: float) -> None:
        """Let that much more time pass; where it is negative, only the time of day goes back."""
        self._ahead_s += seconds
        self._passed_s += max(0.0, seconds)
