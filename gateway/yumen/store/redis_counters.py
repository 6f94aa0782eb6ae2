"""Counters in a Redis server. See `yumen.state.Counters`.

Everything is counted by one script, in one round trip and at one moment, which is the server's own: gateways whose clocks
differ count alike. What everybody in a scope has is a hash, `yumen:<instance>:c:<name>:<scope>:<who>`, which goes when its
longest window has passed since the last change. A server that comes back empty begins anew.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from yumen.state import Entry, Reading, Scope, Series
from yumen.store.counting import RING, check, fields, needed_s, usual_slots, wait_s
from yumen.telemetry import log

if TYPE_CHECKING:
    from yumen.store.redis import Link

# A clock that went back, or what is none of ours, is told at most once in so many seconds, however many counters notice.
TELL_EVERY_S = 60.0
DOUBLE = struct.Struct("<d")
RING_BYTES = (1 + RING) * DOUBLE.size


class RedisCounters:
    """`prefix` stands before every key. `clock` takes the place of the server's, in tests."""

    def __init__(
        self, link: Link, prefix: str, scopes: Sequence[Scope], clock: Callable[[], float] | None = None
    ) -> None:
        check(scopes)
        self._link = link
        self._scopes = tuple(scopes)
        self._prefixes = [f"{prefix}:{scope.name}:" for scope in scopes]
        self._program = msgspec.msgpack.encode([_program(scope) for scope in scopes])
        self._clock = clock
        self._tell_at: dict[str, float] = {}

    async def count(self, entries: Sequence[Entry]) -> list[tuple[Reading, ...]]:
        """See `yumen.state.Counters`. Error: ValueError where an entry has not one change for each series."""
        keys: list[str] = []
        arguments: list[bytes | str | int] = [self._now(), self._program]
        for scope, who, changes in entries:
            keys.append(self._prefixes[scope] + who)
            arguments.append(scope + 1)
            for series, change in zip(self._scopes[scope].series, changes, strict=True):
                arguments.append(b"" if change is None else _packed(series, change))
        if not keys:
            return []
        answers: list[Any] = await self._link.ask(self._link.count, keys=keys, args=arguments)
        back, odd, *counted = answers
        if back:
            self._tell("store_clock_went_back", back)
        if odd:
            self._tell("store_counters_odd", odd)
        parts = iter(counted)
        return [
            tuple([_reading(series, next(parts)) for series in self._scopes[entry.scope].series]) for entry in entries
        ]

    async def wait_s(self, scope: int, who: str, series: int, limit: float) -> int:
        """See `yumen.state.Counters`. Error: ValueError where it is no sum."""
        asked = self._scopes[scope].series[series]
        if asked.kind != "sum":
            raise ValueError("only a sum says when there is room")
        window_s = asked.windows_s[0]
        key = self._prefixes[scope] + who
        now, held = await self._link.ask(self._link.ring, keys=[key], args=[self._now(), fields(asked)[0]])
        if held is None or len(held) != RING_BYTES:
            return 1
        newest, *slices = struct.unpack(f"<{1 + RING}d", held)
        return wait_s(int(newest), slices, float(now), window_s, limit)

    def _now(self) -> str:
        return "" if self._clock is None else repr(self._clock())

    def _tell(self, event: str, counters: int) -> None:
        now = time.monotonic()
        if now >= self._tell_at.get(event, now):
            self._tell_at[event] = now + TELL_EVERY_S
            log.warning(event, begun_anew=counters)


def _program(scope: Scope) -> tuple[Any, ...]:
    """What the script has to know of a scope; see `yumen.store.script`."""
    series = [(one.kind, fields(one), one.windows_s, _own_number(one)) for one in scope.series]
    return math.ceil(1000 * max(needed_s(one) for one in scope.series)), series


def _own_number(series: Series) -> int:
    if series.kind == "recent":
        return series.keep
    return usual_slots(series.windows_s[0]) if series.kind == "usual" else 0


def _packed(series: Series, change: float | int) -> bytes:
    if series.kind in ("distinct", "recent"):
        return int(change).to_bytes(8, "little")
    return DOUBLE.pack(change)


def _reading(series: Series, answer: bytes) -> Reading:
    if series.kind == "recent":
        return struct.unpack(f"<{len(answer) // 8}Q", answer)
    reading = struct.unpack(f"<{len(answer) // 8}d", answer)
    return tuple(map(int, reading)) if series.kind == "distinct" else reading
