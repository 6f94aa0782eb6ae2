"""A time limit around waiting, for the hot path: `asyncio.timeout` costs four times as much to set and remove."""

from __future__ import annotations

import asyncio
from types import TracebackType

# How long what was cancelled may take to end before it is cancelled again, with a message by which `yumen.foreign` knows
# that it is not to be waited for any more.
GRACE_S = 5.0
OVERDUE = "overdue"


class Deadline:
    """Cancels the current task after so many seconds; leaving the block then raises `TimeoutError`.

    As in `asyncio.timeout`, only a cancellation that was this deadline's alone becomes a `TimeoutError`. Unlike there, what
    goes on all the same is cancelled again, every `grace_s` seconds.
    """

    __slots__ = ("_cancels", "_expired", "_grace_s", "_loop", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float, grace_s: float = GRACE_S) -> None:
        self._seconds = seconds
        self._grace_s = grace_s
        self._expired = 0

    def __enter__(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._task = task
        self._cancels = task.cancelling()
        self._timer = loop.call_later(self._seconds, self._expire)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if not self._expired:
            return
        for _ in range(self._expired):
            self._task.uncancel()
        if self._task.cancelling() <= self._cancels and kind is asyncio.CancelledError:
            raise TimeoutError from None

    def _expire(self) -> None:
        self._task.cancel(OVERDUE if self._expired else None)
        self._expired += 1
        self._timer = self._loop.call_later(self._grace_s, self._expire)
