"""Stops plugins, engines and stores one after the other: one that takes long is named, and keeps no other from its end.

The ledger mostly stands outermost, and so is stopped last; whoever hangs before it must not cost its last records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from yumen.foreign import called, pass_on
from yumen.telemetry import error_name, log, place

Stop = Callable[[], Awaitable[None]]
# After how long a stop is named, and the next begins beside it; after how long it is cancelled; and how long it may take
# to end then. `yumen serve` waits longer for its workers (`cli.serve.KILL_S`).
SLOW_S = 2.0
LIMIT_S = 20.0
GRACE_S = 1.0


class Stopping:
    """What is being stopped."""

    def __init__(self) -> None:
        self._under_way: dict[asyncio.Task[None], str] = {}

    async def begin(self, stop: Stop, what: str) -> None:
        """Stop something, waiting for it a short while. What it raises is logged."""
        task = asyncio.create_task(_stopped(stop, what))
        self._under_way[task] = what
        task.add_done_callback(lambda done: self._under_way.pop(done, None))
        await asyncio.wait({task}, timeout=SLOW_S)
        if not task.done():
            log.warning("stop_slow", what=what, seconds=SLOW_S)

    async def settle(self) -> None:
        """Wait for all that was begun. Who does not end when it is cancelled is named and left."""
        if not self._under_way:
            return
        await asyncio.wait([*self._under_way], timeout=LIMIT_S + GRACE_S)
        for task in [*self._under_way]:
            log.error("stop_abandoned", what=self._under_way.pop(task))


async def _stopped(stop: Stop, what: str) -> None:
    try:
        async with asyncio.timeout(LIMIT_S):
            await called(stop)
    except BaseException as error:  # a plugin may raise anything
        pass_on(error)
        log.error("stop_failed", what=what, error=error_name(error), at=place(error))
