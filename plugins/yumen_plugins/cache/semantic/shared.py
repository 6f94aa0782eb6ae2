"""Questions that processes tell each other through the store that they share.

Each process keeps an index of its own: plain Redis cannot compare vectors (its vector search is a module, or Redis 8). What
is shared is, for each context, a list of the questions in it, encrypted; whoever looks into a context reads what is new in
it. Where the store does not answer, a process has its own questions only.

Lists cannot be opened to take single questions out, so whatever is purged, all lists go: each process keeps what it knows of
the others, and new questions are told anew. Whoever can write to the store can make lists go, or put back questions that he
copied before, within their time to live; their answers are kept, and were purged, elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from yumen import Drop, Hmac, Push, Store, StoreError
from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.sealing import Seal
from yumen_plugins.cache.semantic.index import Known

# The questions of a context that are shared; the oldest go.
LIST_MAX = 1_000
# How often a process looks what is new in a context, and how long it waits when it could not.
LOOK_S, FAILED_S = 1.0, 5.0
CONTEXTS_MAX = 10_000
QUEUE_MAX = 1_000
BATCH_MAX = 100
PURGES_MAX = 1_000
# How far before the end of a full list the last question that was read may be: so many are read, and then more.
STEPS = (16, 128, LIST_MAX)
# Questions that are opened in one go before others have their turn.
TURN_MAX = 100
PREFIX = "q:"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Known).decode


class _Cursor:
    """How far a context has been read: the number of questions, and a digest of the last one as it is in the store."""

    __slots__ = ("count", "last", "look_at")

    def __init__(self) -> None:
        self.count = 0
        self.last = b""
        self.look_at = 0.0


class SharedQuestions:
    """`seals` gives the seal of a space, `name` digests words; `monotonic` and `now` are clocks in seconds.

    `failed` is told in one word what went wrong. `look_s` is how often it is looked for news. Belongs to one event loop.
    """

    def __init__(
        self,
        store: Store,
        seals: Callable[[str], Seal],
        name: Hmac,
        *,
        timeout_s: float,
        monotonic: Callable[[], float],
        now: Callable[[], float],
        failed: Callable[[str], None],
        look_s: float = LOOK_S,
    ) -> None:
        self._store = store
        self._seals = seals
        self._name = name
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._now = now
        self._failed = failed
        self._look_s = look_s
        self._cursors: OrderedDict[tuple[str, bytes], _Cursor] = OrderedDict()
        self._queue: deque[tuple[str, Known]] = deque()
        self._purges: deque[Purge] = deque(maxlen=PURGES_MAX)
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._sweep_waits = False

    def put(self, space: str, known: Known) -> None:
        """Tell the others of a question, soon. What there is no room for is not told."""
        if self._closed or len(self._queue) >= QUEUE_MAX:
            self._failed("full")
            return
        self._queue.append((space, known))
        if len(self._queue) == 1:
            self._begin(self.flush())

    async def news(self, space: str, context: bytes) -> list[Known]:
        """What others have told of a context since the last time; nothing where it is too early to look again.

        Never raises for a store that fails, and takes no longer than the timeout by much.
        """
        cursor = self._cursors.setdefault((space, context), _Cursor())
        self._cursors.move_to_end((space, context))
        if len(self._cursors) > CONTEXTS_MAX:
            self._cursors.popitem(last=False)
        moment = self._monotonic()
        if moment < cursor.look_at:
            return []
        cursor.look_at = moment + self._look_s
        try:
            async with asyncio.timeout(self._timeout_s):
                items = await self._new(self._key(space, context), cursor)
        except (StoreError, TimeoutError, ValueError):
            cursor.look_at = moment + FAILED_S
            self._failed("store")
            return []
        return await self._opened(space, context, items)

    def reread(self) -> None:
        """Have everything be news again."""
        self._cursors.clear()

    async def flush(self) -> None:
        """Write what waits. Never raises; what could not be written is not told."""
        async with self._writing:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(BATCH_MAX, len(self._queue)))]
                try:
                    await self._store.together([push for one in batch for push in self._push(*one)])
                except (StoreError, ValueError):
                    self._failed("store")

    def forget(self, purge: Purge) -> None:
        """Neither tell nor believe anything that a purge takes, and have the lists go soon."""
        self._purges.append(purge)
        if not self._closed and not self._sweep_waits:
            self._sweep_waits = True
            self._begin(self._swept())

    async def purge(self, purge: Purge) -> None:
        """`forget`, and wait until the lists are gone. Error: `StoreError` where some may be left."""
        self._purges.append(purge)
        await self._sweep()

    async def close(self) -> None:
        """Write what waits, and finish what was begun, as far as the store answers in time."""
        self._closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                await self.flush()
                await asyncio.gather(*self._tasks)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _swept(self) -> None:
        try:
            await self._sweep()
        except StoreError:
            self._failed("store")

    async def _sweep(self) -> None:
        """All lists go, when nothing is being written that a purge takes."""
        async with self._writing:
            self._sweep_waits = False
            keys = [key async for key in self._store.keys(PREFIX)]
            for start in range(0, len(keys), BATCH_MAX):
                await self._store.together([Drop(key) for key in keys[start : start + BATCH_MAX]])

    def _push(self, space: str, known: Known) -> list[Push]:
        ttl_s = known.expires - self._now()
        if ttl_s <= 0 or self._taken(known):
            return []
        sealed = self._seals(space).sealed(_encode(known), known.context)
        return [Push(self._key(space, known.context), sealed, ttl_s, LIST_MAX)]

    async def _new(self, key: str, cursor: _Cursor) -> list[bytes]:
        """The items behind the last one that was read, wherever that is now: a full list loses one for each that comes."""
        start = max(0, cursor.count - 1)
        fresh: list[bytes] = []
        for step in (0, *STEPS):
            begin = max(0, start - step)
            items = await self._store.items(key, begin)
            seen = next((at for at in reversed(range(len(items))) if _digest(items[at]) == cursor.last), -1)
            fresh = items[seen + 1 :]
            if seen >= 0 or begin == 0:
                if items:
                    cursor.count, cursor.last = begin + len(items), _digest(items[-1])
                else:
                    cursor.count, cursor.last = 0, b""
                break
        return fresh

    async def _opened(self, space: str, context: bytes, items: list[bytes]) -> list[Known]:
        found: list[Known] = []
        seal = self._seals(space)
        for at, item in enumerate(items, 1):
            try:
                known = _decode(seal.opened(item, context))
            except (ValueError, msgspec.MsgspecError):
                self._failed("corrupt")
                continue
            if known.context == context:
                found.append(known)
            if at % TURN_MAX == 0:
                await asyncio.sleep(0)
        # Last, since a purge may have come meanwhile.
        return [known for known in found if not self._taken(known)]

    def _taken(self, known: Known) -> bool:
        return any(purge.takes(known.tenant, known.subject, known.stored_at) for purge in self._purges)

    def _key(self, space: str, context: bytes) -> str:
        return f"{PREFIX}{self._name(_encode((space, context)))[:16].hex()}"


def _digest(item: bytes) -> bytes:
    return hashlib.sha256(item).digest()[:16]
