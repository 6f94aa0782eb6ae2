"""Asks every replica from time to time whether it is well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from yumen.foreign import tamed
from yumen.pool.counts import Counts
from yumen.pool.member import Member
from yumen.telemetry import error_name

# How long a check may take, however often there is one: who is asked ten times a second need not answer in a tenth of one.
CHECK_S_MIN, CHECK_S_MAX = 1.0, 5.0
# How long an end waits for a check that does not let itself be cancelled, each time of so many.
END_S = 1.0
ENDS_MAX = 5
LATE = "its health check did not answer in time"


class Checks:
    """One task for each replica, so that one which hangs keeps nobody waiting."""

    def __init__(self, members: Sequence[Member], every_s: float, counts: Counts, clock: Callable[[], float]) -> None:
        self._members = members
        self._every_s = every_s
        self._counts = counts
        self._clock = clock
        self._ending = False
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin, where they are wanted at all."""
        if self._every_s:
            self._tasks = {asyncio.create_task(self._watch(member)) for member in self._members}

    async def once(self) -> None:
        """Ask everybody now."""
        await asyncio.gather(*(self._check(member) for member in self._members))

    async def end(self) -> None:
        """Ask nobody any more. A cancellation can be lost, so one is not taken for granted."""
        self._ending = True
        for _ in range(ENDS_MAX):
            left = [task for task in self._tasks if not task.done()]
            if not left:
                return
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=END_S)

    async def _watch(self, member: Member) -> None:
        while not self._ending:
            await self._check(member)
            if not self._ending:
                await asyncio.sleep(self._every_s)

    async def _check(self, member: Member) -> None:
        task = asyncio.current_task()
        limit_s = min(max(self._every_s, CHECK_S_MIN), CHECK_S_MAX) if self._every_s else CHECK_S_MAX
        try:
            async with asyncio.timeout(limit_s):
                ill = await tamed(member.engine.health)
        except TimeoutError:
            ill = LATE
        except asyncio.CancelledError:
            if task is None or task.cancelling():
                raise
            ill = "its health check cancelled itself"
        except Exception as error:  # an engine is somebody else's code
            ill = f"its health check raised {error_name(error)}"
        if self._ending:
            return
        # A circuit that is open finds out by an exchange whether the replica answers again: adapters of upstreams know of
        # their health by exchanges only, so that one which is not asked would stay ill for ever.
        if ill and member.circuit.trip(self._clock()):
            self._counts.opened(member.name)
        member.ill = ill
