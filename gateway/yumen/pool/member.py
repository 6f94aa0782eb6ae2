"""A replica and what its pool knows of it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from yumen.engine import Engine
from yumen.pool.circuit import BACKOFF_MAX, Circuit
from yumen.pool.config import PoolConfig
from yumen.pool.latency import Latency

# What a replica gets of its weight at first when it comes back; Envoy's slow start has the same least share.
SLOW_START_SHARE_MIN = 0.1
# How long an upstream's own `Retry-After` may keep a replica out.
AVOID_S_MAX = 60.0


class Replica(NamedTuple):
    """One of the engines of a pool: its name, unique in the pool; its share beside the others'; and itself."""

    name: str
    weight: float
    engine: Engine[Any]


class Member:
    """The state of one replica. Times are seconds of the host's monotonic clock.

    `ill` is what its last health check said, empty where it was well. `latencies` are of plain exchanges and of streams,
    whose first answer is another thing.
    """

    def __init__(self, replica: Replica, config: PoolConfig) -> None:
        self.name, self.weight, self.engine = replica
        self.in_flight = 0
        self.circuit = Circuit(config.failures_max, config.open_ms / 1000)
        self.latencies = (Latency(), Latency())
        self.ill = ""
        self.ejected_until = -math.inf
        self._ejections = 0
        self._avoided_until = -math.inf
        self._back_at = -math.inf
        self._open_s = config.open_ms / 1000
        self._slow_start_s = config.slow_start_ms / 1000
        self._in_flight_max = config.in_flight_max

    def share(self, now: float) -> float:
        """Its weight, less of it where it has just come back."""
        # One that is still out may be asked where nobody else is left: of its slow start nothing has passed yet.
        since = max(now - self._back_at, 0.0)
        if since >= self._slow_start_s:
            return self.weight
        return self.weight * max(SLOW_START_SHARE_MIN, since / self._slow_start_s)

    def able(self, now: float) -> bool:
        """Whether it may be asked, as far as its circuit and its own word go."""
        return self.circuit.lets(now) and now >= self._avoided_until

    def wait_s(self, now: float) -> float:
        """How many seconds its circuit and its own word keep it out."""
        return max(self.circuit.open_s(now), self._avoided_until - now, 0.0)

    def full(self) -> bool:
        """Whether it has as many exchanges as it may."""
        return self.in_flight >= self._in_flight_max

    def ejected(self, now: float) -> bool:
        """Whether it is out for being worse than others."""
        return now < self.ejected_until

    def avoid(self, seconds: float, now: float) -> None:
        """It has said itself that it has too much to do for so long."""
        self._avoided_until = max(self._avoided_until, now + min(seconds, AVOID_S_MAX))

    def recovered(self, now: float) -> None:
        """Its circuit has closed: what it took before says nothing any more, and its share comes back little by little."""
        self.latencies = (Latency(), Latency())
        self.ill = ""
        self._back_at = now

    def eject(self, now: float) -> None:
        """Take it out for a while, longer each time."""
        self.ejected_until = now + self._open_s * min(1 << self._ejections, BACKOFF_MAX)
        self._ejections = min(self._ejections + 1, BACKOFF_MAX)
        self._back_at = self.ejected_until
        for latency in self.latencies:
            latency.forget_mean()

    def held_up(self) -> None:
        """It was judged and is no worse than others: the next ejection is a short one again."""
        self._ejections = 0

    def trouble(self, now: float) -> str:
        """Why it is not asked at the moment, or empty."""
        if self.ill:
            return self.ill
        if not self.circuit.lets(now):
            return "it failed again and again"
        if self._avoided_until > now:
            return "it has too much to do"
        return "it has as many exchanges as it may" if self.full() else ""
