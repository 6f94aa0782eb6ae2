"""A clock that stands still until it is told to go on."""

from __future__ import annotations

from datetime import UTC, datetime

# A Monday morning, on the full hour. It is fixed, so that no case begins to fail because time has passed.
START = datetime(2026, 1, 5, 9, tzinfo=UTC).timestamp()


class FakeClock:
    """See `yumen.parts.Clock`."""

    def __init__(self, at: float = START) -> None:
        self._now = at
        self._monotonic = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that never go back, also where the time of day is set back."""
        return self._monotonic

    def reset(self) -> None:
        """Go back to the beginning."""
        self.set(START)

    def set(self, at: float) -> None:
        """Set the time of day."""
        self._monotonic += max(0.0, at - self._now)
        self._now = at

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._monotonic += seconds
