"""Exchanges that wait at the engine while a test looks at what happens meanwhile."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yumen.testing.outcome import Outcome


class Hold:
    """Where one exchange waits: `arrived` when it has come, and until `go_on`."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.go_on = asyncio.Event()

    async def keep(self) -> None:
        """Wait."""
        self.arrived.set()
        await self.go_on.wait()


# Where what is being answered has to wait, if at all: it goes with the exchange, so no other waits in its place.
HELD: ContextVar[Hold | None] = ContextVar("held", default=None)


class UnderWay:
    """An exchange that has reached the engine, which does not answer before `end`. Made by `Harness.under_way`."""

    def __init__(self, exchange: asyncio.Task[Outcome], hold: Hold) -> None:
        self._exchange = exchange
        self._hold = hold

    async def end(self) -> Outcome:
        """Let the engine answer, and see what comes of the exchange; the same where it has ended already."""
        self._hold.go_on.set()
        return await self._exchange
