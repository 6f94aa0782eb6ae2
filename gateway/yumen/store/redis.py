"""A store in a Redis server, which all workers of a gateway share and which outlives them.

Keys are `yumen:<instance>:<key>`. Whatever changes a counter or a list together with its time to live is a script, so that
it happens at once and in one round trip. Nothing is tried twice: an addition whose answer got lost may have been counted.

An operation that fails is a `StoreError` and never waits long. After some failures in a row nothing is asked for a while,
and then by one operation alone: a server that hangs must not make every exchange wait for it.

Format: https://redis.io/docs/latest/commands/
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from yumen.errors import CannotStart
from yumen.state import Change, Drop, Put, Scope
from yumen.store import StoreError
from yumen.store.memory import OTHER_KIND, check_changes, check_keep, check_length, check_start, check_ttl
from yumen.store.redis_counters import RedisCounters
from yumen.store.script import COUNT, RING_OF
from yumen.telemetry import log

# Until a connection is there, until an answer is, and both together with waiting for one of the connections.
CONNECT_S, ANSWER_S, OPERATION_S = 0.5, 0.5, 0.8
# One answers some thousands of operations a second; making many at once takes longer than waiting for one.
CONNECTIONS_MAX = 16
# After so many failures in a row, for so many seconds nothing is asked.
FAILURES_MAX, REST_S = 3, 2.0
VALUE_BYTES_MAX = 16 << 20
TTL_S_MAX = 10 * 365 * 86_400.0
PREFIX = "yumen"
# What an instance's counters begin with; see `yumen.store.redis_counters`.
COUNTERS = "c:"
# How many keys the server looks at for one answer: some tenths of a millisecond, in which it does nothing else.
SCAN_COUNT = 1000
INSTALL = "a store in Redis needs the package `redis`; install it with: pip install 'yumen[redis]'"
# What means something in a pattern of the server.
GLOB = re.compile(rb"[\\*?\[\]]")
# What a server answers where a key does not hold what the operation is about.
OTHER_KINDS = re.compile(r"WRONGTYPE|.*(?:not an integer|would overflow)")

# Redis has no way to give a counter its time to live with its first use and leave it alone afterwards.
ADD = """
local total = redis.call('INCRBY', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return total
"""
APPEND = """
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], -tonumber(ARGV[3]), -1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""


class Link:
    """The way to one server: a pool of connections, and what is known of its health. Belongs to one event loop.

    `url` is `redis://`, `rediss://` (TLS) or `unix://`, with user and password where they are needed. `monotonic` is a clock
    in seconds. Error: `CannotStart` where the library is missing or the address is none.
    """

    def __init__(self, url: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        try:
            from redis.asyncio import BlockingConnectionPool, Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError:
            raise CannotStart(INSTALL) from None
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS_MAX,
                timeout=OPERATION_S,
                socket_connect_timeout=CONNECT_S,
                socket_timeout=ANSWER_S,
                retry=Retry(NoBackoff(), 0),
            )
            self.client: Any = Redis.from_pool(pool)
        except Exception as error:  # the library's message may repeat the address
            raise CannotStart(f"the address of the store cannot be used: {type(error).__name__}") from None
        self.add: Any = self.client.register_script(ADD)
        self.append: Any = self.client.register_script(APPEND)
        self.count: Any = self.client.register_script(COUNT)
        self.ring: Any = self.client.register_script(RING_OF)
        self._monotonic = monotonic
        self._failures = 0
        self._rests_until = 0.0
        self._fault = ""

    @property
    def fault(self) -> str:
        """What went wrong with the last operation, or empty."""
        return self._fault

    async def ask(self, operation: Callable[..., Awaitable[Any]], *args: Any, **more: Any) -> Any:
        """What an operation answers. Errors: `StoreError`; ValueError where a key holds something else."""
        from redis.exceptions import RedisError, ResponseError
        from redis.exceptions import TimeoutError as AnswerTimeout

        if self._failures >= FAILURES_MAX:
            now = self._monotonic()
            if now < self._rests_until:
                raise StoreError(f"the store is not asked for a moment: {self._fault}")
            # This one finds out; meanwhile the others still do not ask.
            self._rests_until = now + REST_S
        try:
            async with asyncio.timeout(OPERATION_S):
                answer = await operation(*args, **more)
        except ResponseError as error:
            self._failures = 0
            if OTHER_KINDS.match(str(error)):
                raise ValueError(OTHER_KIND) from None
            # It is there and says no: it has no room, or wants another password. The first word is the kind of refusal.
            self._fault = f"it refuses ({_kind(error)})"
            raise StoreError(f"the store does not do it: {self._fault}") from None
        except (TimeoutError, AnswerTimeout):
            raise self._failed("it does not answer in time") from None
        except (RedisError, OSError) as error:
            raise self._failed(f"it cannot be reached ({_kind(error)})") from None
        self._failures, self._fault = 0, ""
        return answer

    def _failed(self, fault: str) -> StoreError:
        self._fault = fault
        self._failures += 1
        if self._failures >= FAILURES_MAX:
            self._rests_until = self._monotonic() + REST_S
        if self._failures == FAILURES_MAX:
            log.error("store_unreachable", why=fault)
        return StoreError(f"the store could not be asked: {fault}")

    async def close(self) -> None:
        """Close all connections."""
        with contextlib.suppress(Exception):  # a connection that is broken already
            await self.client.aclose()
            await self.client.connection_pool.disconnect()


def _kind(error: Exception) -> str:
    """What an error is, without its message, which may hold an address or a value."""
    word = str(error).split(" ", 1)[0]
    return word if word.isascii() and word.isalpha() and word.isupper() else type(error).__name__


class RedisStore:
    """See `yumen.state.Store`. A value larger than `VALUE_BYTES_MAX` is not kept."""

    shared: bool = True

    def __init__(self, link: Link, prefix: str = PREFIX) -> None:
        self._link = link
        self._prefix = prefix

    @classmethod
    def of(cls, url: str, monotonic: Callable[[], float] = time.monotonic) -> RedisStore:
        """The store at an address. Error: `CannotStart`."""
        return cls(Link(url, monotonic))

    def namespaced(self, prefix: str) -> RedisStore:
        """The key space of this name."""
        return RedisStore(self._link, f"{self._prefix}:{prefix}")

    async def begin(self) -> None:
        """Ask once, so that a wrong address is known before the first exchange. Error: `CannotStart`."""
        try:
            await self._link.ask(self._link.client.ping)
        except StoreError as error:
            raise CannotStart(f"{error}; start it, or correct `store` in gateway.yaml") from None

    async def health(self) -> str:
        """Why it cannot be used at the moment, or empty."""
        try:
            await self._link.ask(self._link.client.ping)
        except StoreError as error:
            return str(error)
        return ""

    async def close(self) -> None:
        """Close all connections."""
        await self._link.close()

    async def get(self, key: str) -> bytes | None:
        """See `yumen.state.Store`."""
        found: bytes | None = await self._link.ask(self._link.client.get, self._key(key))
        return found

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        """See `yumen.state.Store`."""
        ttl = _milliseconds(ttl_s)
        if len(value) > VALUE_BYTES_MAX:
            await self.delete(key)
        else:
            await self._link.ask(self._link.client.set, self._key(key), bytes(value), px=ttl)

    async def delete(self, key: str) -> None:
        """See `yumen.state.Store`."""
        await self._link.ask(self._link.client.delete, self._key(key))

    async def add(self, key: str, amount: int, ttl_s: float) -> int:
        """See `yumen.state.Store`."""
        arguments = [amount, _milliseconds(ttl_s)]
        return int(await self._link.ask(self._link.add, keys=[self._key(key)], args=arguments))

    async def append(self, key: str, value: bytes, ttl_s: float, keep: int) -> None:
        """See `yumen.state.Store`."""
        check_keep(keep)
        arguments = [bytes(value), _milliseconds(ttl_s), keep]
        if len(value) <= VALUE_BYTES_MAX:
            await self._link.ask(self._link.append, keys=[self._key(key)], args=arguments)

    async def items(self, key: str, start: int = 0) -> list[bytes]:
        """See `yumen.state.Store`. Error: ValueError where `start` is below 0."""
        check_start(start)
        return list(await self._link.ask(self._link.client.lrange, self._key(key), start, -1))

    async def take(self, key: str, value: bytes, ttl_s: float) -> bool:
        """See `yumen.state.Store`. A value that is too large takes nothing."""
        ttl = _milliseconds(ttl_s)
        if len(value) > VALUE_BYTES_MAX:
            return False
        return bool(await self._link.ask(self._link.client.set, self._key(key), bytes(value), px=ttl, nx=True))

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        """See `yumen.state.Store`: in many round trips, in which the server goes through all that it holds.

        The keys of counters are not among them, so no other key should begin with `c:`.
        """
        own = f"{self._prefix}:".encode()
        pattern = GLOB.sub(rb"\\\g<0>", own + prefix.encode()) + b"*"
        cursor = 0
        while True:
            cursor, found = await self._link.ask(self._link.client.scan, cursor, match=pattern, count=SCAN_COUNT)
            for name in dict.fromkeys(found):
                with contextlib.suppress(UnicodeDecodeError):  # not one of ours
                    key = name[len(own) :].decode()
                    if not key.startswith(COUNTERS):
                        yield key
            if not cursor:
                return

    async def peek(self, keys: Sequence[str], length: int) -> list[bytes]:
        """See `yumen.state.Store`. Error: ValueError where `length` is below 1."""
        check_length(length)
        found: list[bytes] = await self._link.ask(self._starts, keys, length) if keys else []
        return found

    async def _starts(self, keys: Sequence[str], length: int) -> list[bytes]:
        async with self._link.client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.getrange(self._key(key), 0, length - 1)
            answers = await pipe.execute(raise_on_error=False)
        for place, answer in enumerate(answers):
            if isinstance(answer, Exception):
                if not OTHER_KINDS.match(str(answer)):
                    raise answer
                answers[place] = b""
        return list(answers)

    async def together(self, changes: Sequence[Change]) -> None:
        """See `yumen.state.Store`. One that cannot be made does not keep the others from it. Error: ValueError."""
        check_changes(changes)
        if changes:
            await self._link.ask(self._change, changes)

    async def _change(self, changes: Sequence[Change]) -> None:
        async with self._link.client.pipeline(transaction=False) as pipe:
            for change in changes:
                key = self._key(change.key)
                if isinstance(change, Drop) or (isinstance(change, Put) and len(change.value) > VALUE_BYTES_MAX):
                    pipe.delete(key)
                elif isinstance(change, Put):
                    pipe.set(key, bytes(change.value), px=_milliseconds(change.ttl_s))
                elif len(change.value) <= VALUE_BYTES_MAX:
                    # The script as it is: one by its digest costs a round trip before, to see whether the server knows it.
                    pipe.eval(APPEND, 1, key, bytes(change.value), _milliseconds(change.ttl_s), change.keep)
            # Errors as answers: raised by the pipeline, they would repeat the command and so the key.
            for answer in await pipe.execute(raise_on_error=False):
                if isinstance(answer, Exception):
                    raise answer

    def counters(self, name: str, scopes: Sequence[Scope]) -> RedisCounters:
        """See `yumen.state.Store`. Error: ValueError."""
        return RedisCounters(self._link, f"{self._prefix}:{COUNTERS}{name}", scopes)

    def _key(self, key: str) -> bytes:
        return f"{self._prefix}:{key}".encode()


def _milliseconds(ttl_s: float) -> int:
    check_ttl(ttl_s)
    return math.ceil(min(ttl_s, TTL_S_MAX) * 1000)
