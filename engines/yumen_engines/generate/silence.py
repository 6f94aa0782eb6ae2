"""Notices that something which owes an answer has been silent for too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Silence:
    """Calls `hangs` when something has been `owed` and nothing `heard` for `seconds`. One timer at most."""

    def __init__(self, seconds: float, owed: Callable[[], bool], hangs: Callable[[], None]) -> None:
        self._seconds = seconds
        self._owed = owed
        self._hangs = hangs
        self._loop = asyncio.get_running_loop()
        self._heard_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def asked(self) -> None:
        """Something is about to be owed: call it before `owed` says so."""
        if not self._owed():
            self._heard_at = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)

    def heard(self) -> None:
        """A sign of life."""
        self._heard_at = self._loop.time()

    def close(self) -> None:
        """Notice nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if not self._owed():
            return
        left = self._heard_at + self._seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._hangs()
