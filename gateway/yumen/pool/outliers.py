"""Takes out replicas that are much slower than the others, without ever taking too many.

Source of the form: Envoy's outlier detection, with its cap on the share of hosts that may be out and ejections that get
longer; latency is what is compared here, because failures have their circuit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from yumen.pool.config import PoolConfig
from yumen.pool.member import Member

# How often everybody is compared.
SWEEP_S = 1.0
# Of fewer answers nothing is concluded.
SAMPLES_MIN = 10
# Who is slower by less than this is not out of the ordinary, whatever the factor.
SLOWER_S_MIN = 0.02


class Outliers:
    """Compares the replicas of one pool every second."""

    def __init__(self, members: Sequence[Member], config: PoolConfig) -> None:
        self._members = members
        self._factor = config.outlier_factor
        self._out_max = int(config.eject_share_max * len(members))
        self._next = -math.inf

    def sweep(self, now: float) -> list[Member]:
        """Eject who is much slower than the middle one, if it is time to look. Returns who was ejected."""
        if now < self._next:
            return []
        self._next = now + SWEEP_S
        ejected: list[Member] = []
        for streamed in (False, True):
            ejected += self._compare(streamed, now)
        return ejected

    def _compare(self, streamed: bool, now: float) -> list[Member]:
        known = [
            one
            for one in self._members
            if not one.ejected(now) and one.able(now) and one.latencies[streamed].samples >= SAMPLES_MIN
        ]
        known.sort(key=lambda one: one.latencies[streamed].mean_s)
        if len(known) < 2:
            return []
        # Of two the quicker one: the mean of both would hide any difference. It is itself never ejected, and so always left.
        middle_s = known[(len(known) - 1) // 2].latencies[streamed].mean_s
        bound_s = max(self._factor * middle_s, middle_s + SLOWER_S_MIN)
        ejected: list[Member] = []
        for one in reversed(known):
            if one.latencies[streamed].mean_s <= bound_s:
                one.held_up()
            elif self._may_eject(now):
                one.eject(now)
                ejected.append(one)
        return ejected

    def _may_eject(self, now: float) -> bool:
        return sum(one.ejected(now) for one in self._members) < self._out_max
