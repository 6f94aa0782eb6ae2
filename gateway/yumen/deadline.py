"""A time limit around waiting, for the hot path: `asyncio.timeout` costs four times as much to set and remove."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadline:
    """Cancels the current task after so many seconds; leaving the block then raises `TimeoutError`.

    As in `asyncio.timeout`, only a cancellation that was this deadline's alone becomes a `TimeoutError`.
    """

    __slots__ = ("_cancels", "_expired", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._expired = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._task = task
        self._cancels = task.cancelling()
        self._timer = loop.call_later(self._seconds, self._expire)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._expired and self._task.uncancel() <= self._cancels and kind is asyncio.CancelledError:
            raise TimeoutError from None

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()
