"""How long a run takes, learned from the runs there were: `seconds = a·rows + b`, corrected by size of batch.

The line is fitted by least squares in which a run counts less with every run after it, with a ridge on `a`: as long as the
sizes seen differ little, what they say of other sizes is mostly that these take as long. Beside it stands, for each bucket
of sizes (1, 2, 3-4, 5-8, ...), how much longer than the line says runs of that bucket take. One run that is far off moves
the estimate only a little; a change that stays is followed within some runs.
"""

from __future__ import annotations

# How much of its weight a run keeps when another one follows it: the last 33 or so decide.
KEPT = 0.97
# The share of a bucket's factor that its newest run decides.
SHARE = 0.2
# The ridge, as a share of the squared mean size.
RIDGE = 0.03
# How many times more or less than expected one run may count for.
OUTLIER = 4.0
# Less than this is not measured, and what took no time at all must still be able to take longer.
RESOLUTION_S = 1e-5
# Before so many runs nothing is known: the first ones warm caches up.
RUNS_MIN = 4


def bucket(rows: int) -> int:
    """The smallest power of two that is no less than `rows`."""
    return 1 << (rows - 1).bit_length()


class Cost:
    """What runs of one model cost, in seconds."""

    __slots__ = ("_a", "_b", "_factors", "_runs", "_sums")

    def __init__(self) -> None:
        self._runs = 0
        self._a = 0.0
        self._b = 0.0
        # Weighted sums of 1, rows, rows squared, seconds, and rows times seconds.
        self._sums = (0.0, 0.0, 0.0, 0.0, 0.0)
        self._factors: dict[int, float] = {}

    @property
    def known(self) -> bool:
        """Whether there were enough runs to go by."""
        return self._runs >= RUNS_MIN

    def seconds(self, rows: int) -> float:
        """How long a run of so many rows takes; 0 where nothing is known."""
        if self._runs < RUNS_MIN:
            return 0.0
        return (self._a * rows + self._b) * self._factors.get(bucket(rows), 1.0)

    def observe(self, rows: int, seconds: float) -> None:
        """Learn from a run of so many rows."""
        if self._runs >= RUNS_MIN:
            expected = max(self.seconds(rows), RESOLUTION_S)
            seconds = min(max(seconds, expected / OUTLIER), expected * OUTLIER)
        elif self._runs and self._sums[3] / self._sums[0] > OUTLIER * seconds:
            # What came before was warming up, and would be taken for the rule for long.
            self._sums = (0.0, 0.0, 0.0, 0.0, 0.0)
            self._factors.clear()
        self._runs += 1
        weight, size, square, time, product = (KEPT * one for one in self._sums)
        self._sums = (
            weight + 1, size + rows, square + rows * rows, time + seconds, product + rows * seconds,
        )  # fmt: skip
        self._fit()
        line = self._a * rows + self._b
        if line > 0:
            which = bucket(rows)
            before = self._factors.get(which, 1.0)
            factor = before + SHARE * (seconds / line - before)
            self._factors[which] = min(max(factor, 1 / OUTLIER), OUTLIER)

    def _fit(self) -> None:
        weight, size, square, time, product = self._sums
        rows, seconds = size / weight, time / weight
        spread = max(square / weight - rows * rows, 0.0)
        slope = (product / weight - rows * seconds) / (spread + RIDGE * rows * rows)
        # Neither a row nor a run can take less than no time.
        self._a = min(max(slope, 0.0), seconds / rows)
        self._b = seconds - self._a * rows
