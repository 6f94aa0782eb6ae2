"""When rows would be answered, from what runs cost and what runs now."""

from __future__ import annotations

import math

from yumen.batching.cost import Cost, bucket

# What callers are told where nothing is known yet, and at most.
RETRY_S = 1.0
RETRY_S_MAX = 60.0
RETRY_S_MIN = 0.05


class Forecast:
    """Of one model that does `runs_max` runs of at most `rows_max` rows at a time; `padded` as `pad_to_bucket` says."""

    def __init__(self, rows_max: int, runs_max: int, *, padded: bool) -> None:
        self.rows_max = rows_max
        self._runs_max = runs_max
        self._padded = padded
        self._cost = Cost()
        # Of each run that is under way: when it started, and how long it was to take.
        self._running: dict[object, tuple[float, float]] = {}
        # How long runs are to take that wait for one of those to end, the next one first.
        self._next: dict[object, float] = {}

    @property
    def known(self) -> bool:
        """Whether there is anything to go by. As long as there is not, nobody is refused for it."""
        return self._cost.known

    def size(self, rows: int) -> int:
        """How many rows a run of `rows` has, as the model sees it."""
        return min(bucket(rows), self.rows_max) if self._padded else rows

    def run_s(self, rows: int) -> float:
        """How long a run of so many rows takes."""
        return self._cost.seconds(self.size(rows))

    def started(self, rows: int, now: float) -> object:
        """The model is given a run of so many rows; returns what to end it with. One more than `runs_max` begins when the
        first of them ends.
        """
        run = object()
        if len(self._running) < self._runs_max:
            self._running[run] = now, self.run_s(rows)
        else:
            self._next[run] = self.run_s(rows)
        return run

    def ended(self, run: object, rows: int, now: float, *, learn: bool) -> float:
        """A run is over; returns how long it took. `learn`: it went well, so that others will take as long."""
        if self._next.pop(run, None) is not None:
            # It did not even begin.
            return 0.0
        started, _ = self._running.pop(run)
        if self._next:
            following = next(iter(self._next))
            self._running[following] = now, self._next.pop(following)
        taken = max(now - started, 0.0)
        if learn:
            self._cost.observe(self.size(rows), taken)
        return taken

    def begins_s(self, now: float) -> float:
        """How long until a run begins that the model is given now."""
        if len(self._running) < self._runs_max:
            return 0.0
        return max(min(started + expected for started, expected in self._running.values()) - now, 0.0)

    def oldest_s(self, now: float) -> float:
        """How long the oldest run has been under way; 0 without one."""
        return max((now - started for started, _ in self._running.values()), default=0.0)

    def answered_s(self, ahead: float, rows: int, kinds: int, now: float) -> float:
        """How long until `rows` more rows are answered, with so many others ahead of them, all of so many kinds that do not
        run together.
        """
        total = math.ceil(ahead) + rows
        runs = max(-(-total // self.rows_max), min(kinds, total))
        each = self.run_s(min(-(-total // runs), self.rows_max))
        return (self._remaining_s(now) + (runs - 1) * each) / self._runs_max + each

    def _remaining_s(self, now: float) -> float:
        """How long the runs under way take yet, added up. One that takes longer than it should is taken to need as long
        again as it is late, so that a model which hangs is not waited for.
        """
        running = sum(abs(expected - (now - started)) for started, expected in self._running.values())
        return running + sum(self._next.values())


def retry_s(seconds: float) -> float:
    """How long to tell a caller to stay away, of what was found out; 0 stands for nothing."""
    return min(max(seconds, RETRY_S_MIN), RETRY_S_MAX) if seconds > 0 else RETRY_S
