"""Single flight: of equal requests at the same time one asks the engine, and all others get what it is given.

The first one leads. Its call is made by a task of its own, so that it can go on when the leader's client leaves; the
leader's exchange then waits for it, since in it stand the record of the call and its share of the limits. What follows:

* Whoever wants the reply in the leader's form gets the same items as they come, everybody else the whole in his own form.
* A leader that fails before anything was given on hands over: of those who waited, the first one to wake leads. Whoever has
  seen `TRIES_MAX` flights come to nothing asks by himself, so that errors do not stand in a queue. An engine's error, and an
  answer that a plugin of the leader's chain gave, is nobody else's: it counts as such a failure.
* A stream that breaks after a follower was given some of it breaks for him too.
* Nobody waits longer than `wait_s` without a sign of life, or than his own exchange's time for the engine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from yumen import Answer, Ask, EngineError, Metrics, Native
from yumen_plugins.cache.flights.flight import PLAIN, Asker, Flight, Given, Whole, size_of_whole
from yumen_plugins.cache.flights.reader import Reader, Recorder, broken
from yumen_plugins.cache.flights.remote import Remote

__all__ = ["Flights", "Flown", "Given", "Recording", "Remote", "Whole"]

# So often one follows before he asks by himself.
TRIES_MAX = 2
# So many calls at a time; those of further exchanges are nobody else's.
FLIGHTS_MAX = 100_000
# How long a reply can be had from its flight, after its leader has it, if nobody says that it is kept elsewhere.
LAND_S = 1.0
# How long `stop` waits for engines to end, and then for other processes to be told.
STOP_S = 2.0


class _Recorded(Protocol):
    @property
    def given(self) -> Whole | None: ...


class _Plain(NamedTuple):
    given: Whole | None


class Recording:
    """What the engine gave to an exchange that asked it."""

    __slots__ = ("_flight", "_source")

    def __init__(self, source: _Recorded, flight: Flight | None = None) -> None:
        self._source = source
        self._flight = flight

    @property
    def given(self) -> Whole | None:
        """All of it, once it is whole; None before, and where it broke off, was too long, or is not to be given again."""
        return self._source.given

    def landed(self) -> None:
        """To be called once it is kept, or will not be: until then it can be had here, so that nobody asks in between."""
        if self._flight is not None:
            self._flight.land()
            self._flight = None

    def __del__(self) -> None:
        # Of an exchange that failed in between: nobody finds the flight any more, whoever waits for it has a limit.
        if self._flight is not None:
            self._flight.drop()


class Flown(NamedTuple):
    """What an exchange is given; `led` where it has asked the engine itself, and only then with a `recording`."""

    given: Given
    led: bool
    recording: Recording


NOTHING = Recording(_Plain(None))


class Flights:
    """Belongs to one event loop, and there is one for each plugin instance.

    `followers_max` exchanges may wait for one call; further ones ask by themselves. `wait_s` is the longest silence in
    seconds that a follower takes. Of longer replies than `bytes_max` nothing is recorded, and they cannot be joined.
    `remote` has the same across processes.
    """

    def __init__(
        self, *, followers_max: int, wait_s: float, bytes_max: int, remote: Remote | None, metrics: Metrics
    ) -> None:
        self._followers_max = followers_max
        self._wait_s = wait_s
        self._bytes_max = bytes_max
        self._remote = remote
        self._metrics = metrics
        self._flights: dict[bytes, Flight] = {}
        self._tasks: dict[asyncio.Task[None], Flight] = {}
        self._stopped = False

    def under_way(self, key: bytes, exchange: Asker) -> bool:
        """Whether an exchange that comes now would follow."""
        return self._flight(key, exchange) is not None

    async def fly(
        self,
        space: str,
        key: bytes,
        ask: Ask,
        exchange: Asker,
        find: Callable[[], Awaitable[Given | None]] | None = None,
    ) -> Flown:
        """What the engine gives, to this exchange or to an equal one: equal is what has the same key, of one space.

        `find` is asked where the exchange has waited in vain, since its reply may be kept by then. Errors: `EngineError`;
        whatever `ask` raises.
        """
        tries = 0
        while tries < TRIES_MAX and self._followers_max and not self._stopped:
            flight = self._flight(key, exchange)
            if flight is None:
                if len(self._flights) >= FLIGHTS_MAX:
                    break
                flown = await self._lead(space, _named(key, exchange), ask, exchange)
            elif flight.followers >= self._followers_max:
                self._metrics.count("flights_full")
                break
            else:
                flown = await self._follow(flight, ask, exchange)
            if flown is not None:
                return flown
            tries += 1
            self._metrics.count("flights_failed")
            found = None if find is None else await find()
            if found is not None:
                return Flown(found, False, NOTHING)
        return await self.alone(space, key, ask, exchange)

    async def alone(self, space: str, key: bytes, ask: Ask, exchange: Asker) -> Flown:
        """As `fly`, with a call of its own that nobody shares."""
        given = await ask()
        if isinstance(given, PLAIN):
            kept = given if exchange.engine_version and size_of_whole(given) <= self._bytes_max else None
            return Flown(given, True, Recording(_Plain(kept)))
        recorder = Recorder(given, self._bytes_max)
        return Flown(recorder, True, Recording(recorder))

    async def stop(self) -> None:
        """End all calls, and let other processes know."""
        self._stopped = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_S)
        for flight in list(self._flights.values()):
            flight.land()
        if self._remote is not None:
            await self._remote.stop(STOP_S)

    def _flight(self, key: bytes, exchange: Asker) -> Flight | None:
        """One that may be joined and has all that an exchange is owed."""
        flight = self._flights.get(key)
        if (flight is None or not flight.joinable) and not exchange.wants_usage:
            flight = self._flights.get(_named(key, exchange))
        return flight if flight is not None and flight.joinable else None

    async def _lead(self, space: str, key: bytes, ask: Ask, exchange: Asker) -> Flown | None:
        flight = Flight(self._flights, key, self._bytes_max, time.monotonic() + ask.left_s)
        self._flights[key] = flight
        flight.task = task = asyncio.create_task(self._call(flight, space, key, ask, exchange))
        self._tasks[task] = flight
        task.add_done_callback(self._done)
        try:
            while not (flight.over or flight.streaming or flight.foreign):
                await flight.news.wait()
        except asyncio.CancelledError:
            await flight.leave()
            raise
        if flight.foreign:
            flight.leading = False
            return await self._follow(flight, ask, exchange)
        if flight.streaming:
            assert flight.place is not None
            reader = Reader(flight, flight.place, ended=lambda: flight.land_within(LAND_S))
            return Flown(reader, True, Recording(flight, flight))
        if flight.whole is None:
            assert flight.error is not None
            raise broken(flight.error) if isinstance(flight.error, asyncio.CancelledError) else flight.error
        flight.land_within(LAND_S)
        return Flown(flight.whole, True, Recording(flight, flight))

    async def _call(self, flight: Flight, space: str, key: bytes, ask: Ask, exchange: Asker) -> None:
        """The task of a flight."""
        try:
            theirs = None
            if self._remote is not None:
                theirs = await self._remote.board(space, key, flight, streamed=exchange.streamed)
            if theirs is not None:
                flight.listen()
                await flight.take_in(await theirs.given(), shareable=True)
                return
            given = await ask()
            # Empty where a plugin of the leader's own chain has answered.
            own = bool(exchange.engine_version)
            await flight.take_in(given, shareable=own and (not isinstance(given, Native) or given.status == 200))
        except asyncio.CancelledError as error:
            flight.fail(error)
            raise
        except Exception as error:  # what it means is for the leader to hear; the others ask by themselves
            flight.fail(error)

    def _done(self, task: asyncio.Task[None]) -> None:
        # One that was cancelled before it began has not said so itself.
        self._tasks.pop(task).fail(asyncio.CancelledError())

    async def _follow(self, flight: Flight, ask: Ask, exchange: Asker) -> Flown | None:
        """What the flight gives to one more; None where it gives nothing to him."""
        late = flight.over
        whole = late or not exchange.streamed
        place = flight.join(whole=whole)
        reading = False
        try:
            if not await self._landing(flight, ask, whole=whole):
                return None
            given: Given | None
            if not whole and (flight.buffer.count or not flight.over):
                reading = True
                given = Reader(flight, place, wait_s=self._wait_s)
            else:
                given = self._whole(flight, exchange, late=late)
            if given is None:
                flight.drop()  # nor will it give anything to whoever comes now
                return None
            return Flown(given, False, NOTHING)
        finally:
            if not reading:
                await flight.part(place, whole=whole)

    async def _landing(self, flight: Flight, ask: Ask, *, whole: bool) -> bool:
        """Wait until there is something for a follower; whether there is. Error: `EngineError` where his time is over."""
        since = time.monotonic()
        while not flight.over:
            if flight.long if whole else flight.buffer.count:
                return not whole
            left = ask.left_s
            if left <= 0:
                if flight.streaming and not whole:
                    return True  # for the engine itself it was enough that the stream has begun
                raise EngineError("no time is left to wait for the call that another exchange makes", timeout=True)
            silent = max(since, flight.heard) + self._wait_s - time.monotonic()
            if silent <= 0:
                # The first one who has enough of it leads anew.
                flight.drop()
                return False
            await flight.news.wait(min(left, silent))
        return flight.error is None

    @staticmethod
    def _whole(flight: Flight, exchange: Asker, *, late: bool) -> Given | None:
        """The whole for a follower: as it is, where he has waited for a plain reply and it is one."""
        reply = flight.whole
        if late or exchange.streamed or reply is None or not flight.shareable:
            return flight.again(exchange)
        return reply if isinstance(reply, Answer) else Native(reply.status, reply.body, {}, reply.json_bytes)


def _named(key: bytes, exchange: Asker) -> bytes:
    """Under which key a flight of this leader is: its stream may lack the usage, which others are owed."""
    return key if exchange.wants_usage else key + b"-"
