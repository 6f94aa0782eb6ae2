"""How long a replica takes, in two forms: one that fears the worst, for balancing, and one that is fair, for judging.

Source of the first: the peak-sensitive EWMA of Finagle's `PeakEwma` load balancer, which Linkerd uses too: what is slower
than expected counts at once, what is quicker little by little, and what was never confirmed again is forgotten.
"""

from __future__ import annotations

import math

# The time constant of Finagle's default, in which a peak that is not seen again falls to 37 %.
DECAY_S = 10.0
# The weight of one observation in the mean.
SHARE = 0.1
# What a failure makes of what is expected, at least and at most: a replica that fails quickly must not look quick.
PENALTY_S_MIN = 0.1
PENALTY_S_MAX = 60.0


class Latency:
    """Of one replica and one kind of exchange. Times are seconds; `samples` is how many are in `mean_s`."""

    __slots__ = ("_at", "_peak_s", "mean_s", "samples")

    def __init__(self) -> None:
        self._peak_s = 0.0
        self._at = 0.0
        self.mean_s = 0.0
        self.samples = 0

    def peak_s(self, now: float) -> float:
        """What to expect, 0 where nothing is known."""
        return self._peak_s * math.exp(-max(0.0, now - self._at) / DECAY_S)

    def observe(self, seconds: float, now: float) -> None:
        """An exchange was answered after so long."""
        kept = math.exp(-max(0.0, now - self._at) / DECAY_S)
        self._peak_s = max(seconds, self._peak_s * kept + seconds * (1.0 - kept))
        self._at = now
        self.samples += 1
        # The plain mean at first, so that the first one does not weigh for ever.
        self.mean_s += (seconds - self.mean_s) * max(SHARE, 1.0 / self.samples)

    def observe_at_least(self, seconds: float, now: float) -> None:
        """An exchange was given up after so long: that says something only where it was longer than usual."""
        if seconds > self.peak_s(now):
            self._peak_s, self._at = seconds, now
        if self.samples and seconds > self.mean_s:
            self.mean_s += (seconds - self.mean_s) * SHARE

    def penalise(self, seconds: float, now: float) -> None:
        """An exchange failed after so long."""
        expected = max(2.0 * self.peak_s(now), seconds, PENALTY_S_MIN)
        self._peak_s, self._at = min(expected, PENALTY_S_MAX), now

    def forget_mean(self) -> None:
        """Judge anew."""
        self.mean_s, self.samples = 0.0, 0
