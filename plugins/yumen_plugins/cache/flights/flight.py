"""One call of the engine that many exchanges wait for: what it has given so far, and who is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, MutableMapping
from contextlib import suppress
from typing import Protocol, TypeAlias

from yumen import Answer, Events, Kept, Native
from yumen_plugins.cache.flights.buffer import Buffer, Item, Place
from yumen_plugins.cache.flights.news import News

Given: TypeAlias = Answer | Native | Events
Whole: TypeAlias = Answer | Native | list[Item]
PLAIN = (Answer, Native)


class Asker(Protocol):
    """What a flight needs of an exchange; `yumen.Exchange` has it."""

    @property
    def streamed(self) -> bool: ...
    @property
    def wants_usage(self) -> bool: ...
    @property
    def engine_version(self) -> str: ...
    def keep(self, given: Whole) -> Kept | None: ...
    def give_again(self, kept: Kept) -> Given | None: ...


class Flight:
    """Its task makes the call and takes in what the engine gives; everybody else waits for `news` and reads.

    The leader is the exchange whose call it is; all others follow. A flight is in `home` under its key as long as somebody
    may join it: until its reply is kept elsewhere (`land`), it fails, its stream is longer than `bytes_max`, or, lest it go
    on for ever, `open_until` comes, a `time.monotonic` moment.
    """

    __slots__ = (
        "_bytes_max", "_home", "_kept", "_kept_known", "_key", "_stream", "error", "followers", "foreign", "heard",
        "landed", "leading", "news", "open_until", "over", "place", "shareable", "streaming", "task", "whole",
    )  # fmt: skip

    task: asyncio.Task[None]

    def __init__(self, home: MutableMapping[bytes, Flight], key: bytes, bytes_max: int, open_until: float) -> None:
        self._home = home
        self._key = key
        self._bytes_max = bytes_max
        self.open_until = open_until
        self.news = News()
        self._stream: Buffer | None = None
        self.whole: Answer | Native | None = None
        self.streaming = self.over = self.landed = False
        # Whether what the engine gave may be given to others than the leader.
        self.shareable = True
        # Whether another process makes the call, and this one only listens.
        self.foreign = False
        self.error: BaseException | None = None
        self.leading = True
        self.followers = 0
        # Where the leader reads the stream.
        self.place: Place | None = None
        # When there was a sign of life.
        self.heard = time.monotonic()
        self._kept: Kept | None = None
        self._kept_known = False

    @property
    def buffer(self) -> Buffer:
        """What a stream has given, and who reads it."""
        if self._stream is None:  # most replies are plain, and nobody follows
            self._stream = Buffer(self._bytes_max)
        return self._stream

    @property
    def long(self) -> bool:
        """Whether it is a stream that is too long to be remembered."""
        return self._stream is not None and self._stream.long

    # What the call gives.

    async def take_in(self, given: Given, *, shareable: bool) -> None:
        """All that the engine gives; of a stream item after item, no faster than somebody reads it."""
        if isinstance(given, PLAIN):
            self.whole, self.shareable = given, shareable
            self._end()
            return
        buffer = self.buffer
        try:
            self.streaming = True
            if self.leading and not self.foreign:
                self.place = buffer.enter(leader=True)
            self._tell()
            async for item in given:
                buffer.add(item)
                self._tell()
                if buffer.full:
                    await buffer.room()
            self._end()
        finally:
            await close(given)

    def fail(self, error: BaseException) -> None:
        """The call came to nothing, or broke off."""
        if not self.over:
            self.error = error
            self._end()

    def listen(self) -> None:
        """Another process makes the call."""
        self.foreign = True
        self.news.ring()

    def _end(self) -> None:
        self.over = True
        if self.error is not None or not self.leading or not self.shareable:
            self.land()
        self._tell()

    def _tell(self) -> None:
        self.heard = time.monotonic()
        self.news.ring()

    # Who is there.

    @property
    def joinable(self) -> bool:
        """Whether somebody may still follow, or have the whole until it is kept elsewhere."""
        return not (self.landed or self.long) and time.monotonic() < self.open_until

    def join(self, *, whole: bool) -> Place:
        """One more follower, who reads along or waits for the whole."""
        self.followers += 1
        if whole:
            self.buffer.want_whole(1)
            return Place()
        return self.buffer.enter()

    async def part(self, place: Place, *, whole: bool) -> None:
        """A follower goes; with the last one the call ends where its leader has gone before."""
        self.parted(place, whole=whole)
        await self._end_unwanted()

    async def leave(self) -> None:
        """The leader goes. Where its client has gone, this waits for the others; one more cancellation ends the call."""
        self.left()
        task = asyncio.current_task()
        try:
            # Where the client is still there, it waits for an error reply: then the call is the followers' alone.
            if task is not None and task.cancelling():
                while self.followers and not self.over and not self.foreign:
                    await self.news.wait()
        except asyncio.CancelledError:
            self.cancel()
            await asyncio.wait([self.task])
            raise
        await self._end_unwanted()

    def parted(self, place: Place, *, whole: bool) -> None:
        """The part of `part` that waits for nothing."""
        self.followers -= 1
        self.buffer.leave(place)
        if whole:
            self.buffer.want_whole(-1)

    def left(self) -> None:
        """The part of `leave` that waits for nothing."""
        self.leading = False
        if self.place is not None:
            self.buffer.leave(self.place)
        if self.over:
            self.land()

    @property
    def unwanted(self) -> bool:
        """Whether nobody is there any more while the call goes on."""
        return not (self.leading or self.followers or self.over)

    async def _end_unwanted(self) -> None:
        if self.unwanted:
            self.cancel()
            await asyncio.wait([self.task])

    def cancel(self) -> None:
        """End the call, and let nobody join who would only see that."""
        self.drop()
        self.task.cancel()

    # What comes of it.

    @property
    def given(self) -> Whole | None:
        """All that the engine gave, once it is whole; None before, and where it is too long or broke off."""
        if not self.over or self.error is not None or self.long or not self.shareable:
            return None
        if self.whole is not None:
            return self.whole if size_of_whole(self.whole) <= self._bytes_max else None
        return self.buffer.items

    def again(self, asker: Asker) -> Given | None:
        """The whole in the form that somebody wants; None where it may not be given again."""
        if not self._kept_known:
            given = self.given
            self._kept = None if given is None else asker.keep(given)
            self._kept_known = True
        return None if self._kept is None else asker.give_again(self._kept)

    def land(self) -> None:
        """Whoever comes from now on finds the reply elsewhere, or asks."""
        if not self.landed:
            self.landed = True
            self.drop()
            self.news.ring()

    def land_within(self, seconds: float) -> None:
        """The leader has the whole; so long it may take until it is kept."""
        self.open_until = min(self.open_until, time.monotonic() + seconds)

    def drop(self) -> None:
        """Nobody finds this flight any more."""
        if self._home.get(self._key) is self:
            del self._home[self._key]


def size_of_whole(given: Answer | Native) -> int:
    """Bytes of a plain reply."""
    if isinstance(given, Native):
        return len(given.body)
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in given.texts)


async def close(events: AsyncIterator[Item]) -> None:
    """Close an engine's iterator; what this somebody else's code raises must not hide what ended the stream."""
    aclose = getattr(events, "aclose", None)
    if aclose is not None:
        with suppress(Exception):
            await aclose()
