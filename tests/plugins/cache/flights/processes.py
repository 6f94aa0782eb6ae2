"""Processes that share a store, each with an engine of its own."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable

import pytest
from tests.plugins.cache.flights.engine import (
    EVENTS,
    GO,
    KEY,
    Engine,
    One,
    made,
    settled,
    streams,
    until,
)

from yumen import Store
from yumen.store import redis as redis_module
from yumen.testing import CapturedMetrics
from yumen_plugins.cache.flights import Flights, Remote
from yumen_plugins.cache.sealing import Seal

PAUSING = streams(*EVENTS[:3], GO, *EVENTS[3:])
# So long an operation may take where a test is about something else and others keep the machine busy.
PATIENT_S = 10.0
INSTANCE = "cache"


def seal(space: str) -> Seal:
    return Seal(hashlib.sha256(space.encode()).digest())


class Process:
    """One process of a gateway, with an engine of its own to count by."""

    def __init__(self, store: Store, engine: Engine, *, seals: Callable[[str], Seal] = seal, **more: float) -> None:
        self.engine = engine
        self.measured = CapturedMetrics()
        self.remote = Remote(
            store,
            seals,
            now=time.time,
            metrics=self.measured.of(INSTANCE),
            timeout_s=more.pop("timeout_s", PATIENT_S),
        )
        self.flights: Flights = made(remote=self.remote, measured=self.measured, **more)  # type: ignore[arg-type]

    async def begin(self, *ones: One, key: bytes = KEY) -> list[asyncio.Task[One]]:
        """Start exchanges of which the first leads, and let it see whose call it is."""
        tasks = [asyncio.create_task(one.run(self.flights, key)) for one in ones]
        await until(
            lambda: (
                tasks[0].done() or ones[0].ask.asked or any(flight.foreign for flight in self.flights._tasks.values())
            )
        )
        await settled()
        return tasks

    def kill(self) -> None:
        """End without a word, as a process does that is killed."""
        for task in [*self.remote._tasks, *self.flights._tasks]:
            task.cancel()

    async def gone(self) -> None:
        """Nothing of it is left."""
        await self.flights.stop()
        await until(lambda: not self.remote._tasks and not self.flights._tasks)
        assert (self.engine.running, self.engine.open) == (0, 0)
        assert not self.flights._flights


def patient(monkeypatch: pytest.MonkeyPatch, seconds: float = PATIENT_S) -> None:
    for limit in ("CONNECT_S", "ANSWER_S", "OPERATION_S"):
        monkeypatch.setattr(redis_module, limit, seconds)
