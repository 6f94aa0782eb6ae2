"""Hedging: where a replica is silent for long, another is asked beside it, and the first good reply is taken.

Source: Dean and Barroso, "The Tail at Scale" (2013), hedged requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from yumen.engine import EngineError
from yumen.foreign import tamed
from yumen.pool.attempts import Ask, attempt, elsewhere
from yumen.pool.lease import Lease

# How long a reply waits for the loser to end; one whose cancellation was lost ends by itself later.
LEAVE_S = 0.1
END_S = 1.0
ENDS_MAX = 5


class Races:
    """Runs attempts beside each other, and keeps hold of those that nobody waits for any more."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, ask: Ask, lease: Lease, hedge_s: float, second: Callable[[], Lease | None]) -> Any:
        """The reply of the first replica, or of a second where the first takes longer than `hedge_s`.

        `second` chooses that one, if there may be one. Error: `EngineError`, the first replica's where both fail.
        """
        first = self._start(ask, lease)
        racing = {first}
        winner: asyncio.Task[Any] | None = None
        try:
            await asyncio.wait(racing, timeout=hedge_s)
            other = None if first.done() else second()
            if other is not None:
                racing.add(self._start(ask, other))
            waiting = racing
            while winner is None:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                winner = next(filter(_good, done), None) or (None if waiting else first)
            if winner.cancelled():
                raise EngineError("the pool is closing")
            return winner.result()
        finally:
            await self._leave([task for task in racing if task is not winner])

    def abandoned(self, left: Any) -> None:
        """Close what nobody will read."""
        close = getattr(left, "aclose", None)
        if close is not None:
            self._keep(_closed(close))

    async def end(self) -> None:
        """Wait for everything that was left behind. A cancellation can be lost, so one is not taken for granted."""
        for round_ in range(ENDS_MAX):
            left = [task for task in self._tasks if not task.done()]
            if not left:
                return
            if round_:
                for task in left:
                    task.cancel()
            await asyncio.wait(left, timeout=END_S)

    def _start(self, ask: Ask, lease: Lease) -> asyncio.Task[Any]:
        task = self._keep(attempt(ask, lease, self._clock, self.abandoned))
        # One that is cancelled before its first step never runs, and so never ends its lease.
        task.add_done_callback(lambda ended: lease.end("unknown") if ended.cancelled() else None)
        return task

    def _keep(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _leave(self, losers: list[asyncio.Task[Any]]) -> None:
        for task in losers:
            task.cancel()
            task.add_done_callback(self._drop)
        running = [task for task in losers if not task.done()]
        if running:
            await asyncio.wait(running, timeout=LEAVE_S)

    def _drop(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is None:
            self.abandoned(task.result())


async def _closed(close: Callable[[], Any]) -> None:
    with suppress(Exception):  # somebody else's code, and nobody is left to tell
        await tamed(close)


def _good(task: asyncio.Task[Any]) -> bool:
    return not task.cancelled() and task.exception() is None and not elsewhere(task.result())
