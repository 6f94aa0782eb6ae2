"""One exchange at one replica, from the moment it was chosen until nothing of it is left there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

from yumen.engine import Delta, EngineError, RequestRefused
from yumen.pool.counts import Counts
from yumen.pool.member import Member

# `overloaded`: it has too much to do, which is no fault; `unknown`: nobody waited to see.
Verdict = Literal["answered", "failed", "overloaded", "unknown"]


def verdict(error: EngineError) -> Verdict:
    """What an engine's error says of the engine. A bad request says nothing, whoever sends many of them."""
    if isinstance(error, RequestRefused) or error.well:
        return "unknown"
    return "failed" if error.retry_after_s is None else "overloaded"


class Lease:
    """Counts an exchange as in flight at a replica until `end`, of which only the first call counts."""

    __slots__ = ("_clock", "_counts", "_ended", "_started", "_streamed", "_trial", "member")

    def __init__(self, member: Member, streamed: bool, counts: Counts, clock: Callable[[], float]) -> None:
        self.member = member
        self._counts = counts
        self._clock = clock
        self._started = clock()
        self._ended = False
        self._trial = member.circuit.take(self._started)
        self._streamed = streamed
        member.in_flight += 1
        counts.in_flight(member.name, member.in_flight)

    def began(self) -> None:
        """A stream has begun, which is as much of an answer as the time it took is measured by."""
        now = self._clock()
        self.member.latencies[self._streamed].observe(now - self._started, now)

    def flows(self) -> None:
        """The first event of a stream is there: whoever was tried with it is well."""
        if self._trial:
            self._trial = False
            self._succeeded(trial=True)

    def end(self, verdict: Verdict, *, measured: bool = False) -> None:
        """The exchange is over, as far as the replica goes; `measured`: how long it takes is known already."""
        if self._ended:
            return
        self._ended = True
        member, now = self.member, self._clock()
        member.in_flight -= 1
        self._counts.in_flight(member.name, member.in_flight)
        taken_s, latency = now - self._started, member.latencies[self._streamed]
        if verdict == "answered":
            if not measured:
                latency.observe(taken_s, now)
            self._succeeded(trial=self._trial)
            return
        if verdict == "unknown":
            if not measured:
                latency.observe_at_least(taken_s, now)
        else:
            latency.penalise(0.0 if measured else taken_s, now)
        if verdict == "failed" and member.circuit.failed(now, trial=self._trial):
            self._counts.opened(member.name)
        elif verdict != "failed" and self._trial:
            member.circuit.gave_up()

    def _succeeded(self, *, trial: bool) -> None:
        if self.member.circuit.succeeded(trial=trial):
            self.member.recovered(self._clock())


class LeasedStream:
    """The events of a replica's reply; the lease ends with them, or when the stream is closed or thrown away."""

    def __init__(self, events: Any, lease: Lease, abandoned: Callable[[Any], None]) -> None:
        self._events = events
        self._lease = lease
        self._abandoned = abandoned
        self._loop = asyncio.get_running_loop()
        self._flows = False
        self._closed = False

    def __aiter__(self) -> LeasedStream:
        return self

    async def __anext__(self) -> Delta | bytes:
        if self._closed:
            raise StopAsyncIteration
        try:
            event: Delta | bytes = await self._events.__anext__()
        except StopAsyncIteration:
            self._lease.end("answered", measured=True)
            raise
        except EngineError as error:
            self._lease.end(verdict(error), measured=True)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException:  # an engine is somebody else's code
            self._lease.end("failed", measured=True)
            raise
        if not self._flows:
            self._flows = True
            self._lease.flows()
        return event

    async def aclose(self) -> None:
        """Close the replica's stream, once; whoever leaves early says nothing against the replica."""
        if self._closed:
            return
        self._closed = True
        try:
            close = getattr(self._events, "aclose", None)
            if close is not None:
                await close()
        finally:
            self._lease.end("answered" if self._flows else "unknown", measured=True)

    def __del__(self) -> None:
        if self._closed:
            return
        # Thrown away by whoever should have closed it; this may be any thread.
        with suppress(RuntimeError):  # the loop is gone, and everything with it
            self._loop.call_soon_threadsafe(_throw_away, self._events, self._lease, self._abandoned)


def _throw_away(events: Any, lease: Lease, abandoned: Callable[[Any], None]) -> None:
    lease.end("unknown", measured=True)
    abandoned(events)
