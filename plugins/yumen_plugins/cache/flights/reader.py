"""Iterators over the stream of a flight, and over a stream that nobody shares."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from yumen import EngineError, Events
from yumen_plugins.cache.flights.buffer import Item, Place, size_of
from yumen_plugins.cache.flights.flight import Flight, Whole, close

SILENT = "the call that another exchange makes fell silent"
BROKEN = "the call that another exchange made broke off"


class Reader(AsyncIterator[Item]):
    """Gives one exchange everything that a flight's stream gives, from its first item on; to be closed.

    `wait_s` is the longest silence in seconds, None for a leader, whom `ended` tells that it has all. Errors: `EngineError`;
    for the leader whatever the engine's stream raised.
    """

    __slots__ = ("_closed", "_ended", "_flight", "_loop", "_place", "_wait_s")

    def __init__(
        self, flight: Flight, place: Place, *, wait_s: float | None = None, ended: Callable[[], None] | None = None
    ) -> None:
        self._flight = flight
        self._place = place
        self._wait_s = wait_s
        self._ended = ended
        self._closed = False
        self._loop = asyncio.get_running_loop()

    async def __anext__(self) -> Item:
        flight, wait_s = self._flight, self._wait_s
        until = 0.0
        while not self._closed:
            item = flight.buffer.take(self._place)
            if item is not None:
                return item
            if flight.over:
                await self._end()
                break
            if wait_s is None:
                await flight.news.next()
                continue
            now = time.monotonic()
            until = until or now + wait_s
            if now >= until:
                raise EngineError(SILENT, timeout=True)
            await flight.news.wait(until - now)
        raise StopAsyncIteration

    async def _end(self) -> None:
        """Everything has been read. Error: what the stream has ended with, unless it ended well."""
        error = self._flight.error
        if error is None and self._ended is not None:
            self._closed = True
            self._ended()
            return
        await self.aclose()
        if error is not None:
            raise error if self._leads and not isinstance(error, asyncio.CancelledError) else broken(error)

    @property
    def _leads(self) -> bool:
        return self._wait_s is None

    async def aclose(self) -> None:
        """Go; see `Flight.leave` and `Flight.part`. May be called more than once."""
        if self._closed:
            return
        self._closed = True
        if self._leads:
            await self._flight.leave()
        else:
            await self._flight.part(self._place, whole=False)

    def __del__(self) -> None:
        # Whoever was given this may have failed before the first item, and then nobody closes it. It may be collected in
        # any thread, and after the loop has ended.
        if not self._closed:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_lost, self._flight, self._place, self._leads)


def _lost(flight: Flight, place: Place, leads: bool) -> None:
    if leads:
        flight.left()
    else:
        flight.parted(place, whole=False)
    if flight.unwanted:
        flight.cancel()


def broken(error: BaseException) -> EngineError:
    """A follower's own error for what has ended the call. Only that of an engine is known to hold no payload."""
    if isinstance(error, EngineError):
        return EngineError(str(error), timeout=error.timeout)
    return EngineError(f"{BROKEN}: {type(error).__name__}")


class Recorder(AsyncIterator[Item]):
    """Passes a stream on, and remembers it up to `bytes_max`."""

    def __init__(self, events: Events, bytes_max: int) -> None:
        self._events = events
        self._left = bytes_max
        self._items: list[Item] = []
        self._whole = False

    @property
    def given(self) -> Whole | None:
        """See `Flight.given`."""
        return self._items if self._whole and self._left >= 0 else None

    async def __anext__(self) -> Item:
        try:
            item = await self._events.__anext__()
        except StopAsyncIteration:
            self._whole = True
            raise
        if self._left >= 0:
            self._left -= size_of(item)
            if self._left < 0:
                self._items.clear()
            else:
                self._items.append(item)
        return item

    async def aclose(self) -> None:
        """Close the engine's stream."""
        await close(self._events)
