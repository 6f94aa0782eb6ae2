"""A timer for something that is waited for again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Patience:
    """Bounds each of many waits of one stream with a single timer, which moves on only when it fires.

    `asyncio.timeout` would set and remove a timer for every event: 4.5 microseconds each, where this takes 0.5.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = 0.0
        self._until = 0.0
        self._waiting: asyncio.Task[object] | None = None
        self._expired = False

    async def wait(self, awaitable: Awaitable[T], seconds: float) -> T:
        """Await it for so many seconds at most. Error: `TimeoutError`, also where `close` ends the wait."""
        task = asyncio.current_task()
        assert task is not None
        cancels = task.cancelling()
        self._until = self._loop.time() + seconds
        if self._timer is None or self._until < self._fires_at:
            self._set_timer()
        self._waiting = task
        try:
            return await awaitable
        except asyncio.CancelledError:
            # As in asyncio.timeout: only a cancellation that was ours alone becomes a TimeoutError.
            if self._expired and task.uncancel() <= cancels:
                raise TimeoutError from None
            raise
        finally:
            self._waiting = None

    def close(self) -> None:
        """Remove the timer, and end the wait of another task."""
        self._unset_timer()
        self._end_wait()

    def _set_timer(self) -> None:
        self._unset_timer()
        self._fires_at = self._until
        self._timer = self._loop.call_at(self._until, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._waiting is None:
            return  # whoever waits next sets it anew
        if self._loop.time() < self._until:
            self._set_timer()
            return
        self._end_wait()

    def _unset_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_wait(self) -> None:
        if self._waiting is not None:
            self._expired = True
            self._waiting.cancel()
