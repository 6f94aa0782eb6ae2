"""How often something may happen, where it is counted and not waited for."""

from __future__ import annotations

from collections.abc import Callable


class PerSecond:
    """Counts within each second of a clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._second, self._count = 0, 0

    def more_than(self, most: int, amount: int = 1) -> bool:
        """Count so much more; whether that is too much in this second."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += amount
        return self._count > most
