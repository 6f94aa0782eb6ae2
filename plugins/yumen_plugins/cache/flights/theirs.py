"""The call of another process, as this one hears of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import NamedTuple

from yumen import Answer, EngineError, Events, Native, Store, StoreError
from yumen_plugins.cache.flights.buffer import Item
from yumen_plugins.cache.flights.parts import Part, Parts

# How often the list is read: as often as it is written, and less often while nothing comes.
POLL_S, POLL_S_MAX = 0.025, 0.1
# How often the owner is told that somebody listens, and looked for.
CARE_S = 1.0
# How long an owner believes that somebody listens.
LISTEN_S = 4.0
# How long it is listened to an owner that says nothing: who is there says so each second to whoever listens.
SILENT_S = 4.0


class Names(NamedTuple):
    """The keys of one call in the shared store: whose it is, whether somebody listens, and what it gives."""

    claim: str
    listener: str
    parts: str


def names_of(key: bytes, owner: bytes) -> Names:
    """`key` is a digest and `owner` 32 hexadecimal digits drawn by lot: nothing of a request is here."""
    call = f"{key.hex()}:{owner.decode()}"
    return Names(f"f:{key.hex()}", f"l:{call}", f"i:{call}")


class Theirs:
    """What another process's call gives. `given` is awaited once; `now` is in seconds since the epoch.

    `silent` is told of an owner that says nothing.
    """

    def __init__(
        self, store: Store, names: Names, owner: bytes, parts: Parts, now: Callable[[], float],
        silent: Callable[[bytes], None],
    ) -> None:  # fmt: skip
        self._store = store
        self._names = names
        self._owner = owner
        self._parts = parts
        self._now = now
        self._silent = silent
        self._number = 0
        self._care_at = 0.0
        self._gone = False

    async def given(self) -> Answer | Native | Events:
        """As an engine gives it. Error: `EngineError` where the owner failed or is gone, or the store is."""
        coming = self._coming()
        first = await anext(coming)
        if first.reply is None:
            return _items(first, coming)
        await coming.aclose()
        return first.reply

    async def _coming(self) -> AsyncGenerator[Part, None]:
        """Parts up to the last one. Error: `EngineError`."""
        pause = POLL_S
        # In pauses, and not by the clock: a process that is held up has heard nothing meanwhile.
        waited_s = 0.0
        try:
            while True:
                await self._care()
                written = await self._store.items(self._names.parts, self._number)
                for data in written:
                    part = self._parts.opened(data, self._number, self._now())
                    self._number += 1
                    if part.end == "broken":
                        raise EngineError("the call of another process failed")
                    if not part.sign_of_life:
                        yield part
                    if part.end:
                        return
                # Its last parts, if there were any, were written before it let go of the key.
                if self._gone and not written:
                    raise EngineError("the process that made the call is gone")
                waited_s = 0.0 if written else waited_s + pause
                if waited_s > SILENT_S:
                    self._silent(self._owner)
                    raise EngineError("the process that made the call says nothing")
                pause = POLL_S if written else min(pause * 1.5, POLL_S_MAX)
                await asyncio.sleep(pause)
        except StoreError:
            raise EngineError("the store by which another process's call was followed went away") from None
        except ValueError:
            raise EngineError("what stands in the place of another process's reply is none") from None

    async def _care(self) -> None:
        """Say from time to time that somebody listens, and see whether the owner is there."""
        now = time.monotonic()
        if now >= self._care_at:
            self._care_at = now + CARE_S
            await self._store.set(self._names.listener, b"1", LISTEN_S)
            self._gone = await self._store.get(self._names.claim) != self._owner


async def _items(first: Part, coming: AsyncGenerator[Part, None]) -> AsyncIterator[Item]:
    async with aclosing(coming):
        for item in first.items:
            yield item
        async for part in coming:
            for item in part.items:
                yield item
