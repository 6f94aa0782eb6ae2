"""What a batcher has done so far, for the statistics of a model and for metrics.

Metrics are added up here and handed on at most every `FLUSH_S` seconds: each costs two microseconds, a run has several.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable

import msgspec

from yumen.batching.cost import bucket
from yumen.plugin import Metrics

FLUSH_S = 0.5


class SizeStatistics(msgspec.Struct):
    """The runs of one size that went well, and how long they took, all together."""

    runs: int = 0
    seconds: float = 0.0


class BatchStatistics(msgspec.Struct):
    """What one batcher has done since it exists.

    `requests` were answered, `failures` got an error after they had been taken in, `refused` before, `left` had gone by
    then; `rows` are those of runs that went well, without what fills a batch up. `runs` are all, failed ones included, and
    `sizes` those that went well, by number of rows as the model saw it. `queue_s` is how long requests that ran waited
    (parts of a large one each for itself), `compute_s` how long runs took, `answered_s` and `failed_s` how long requests
    took from end to end.
    """

    requests: int = 0
    failures: int = 0
    refused: int = 0
    left: int = 0
    rows: int = 0
    runs: int = 0
    queue_s: float = 0.0
    compute_s: float = 0.0
    answered_s: float = 0.0
    failed_s: float = 0.0
    sizes: dict[int, SizeStatistics] = msgspec.field(default_factory=dict)


class Tally:
    """Keeps a batcher's statistics, and hands what changes on to metrics."""

    def __init__(self, metrics: Metrics, model: str, waiting: Callable[[], int]) -> None:
        self.statistics = BatchStatistics()
        self._metrics = metrics
        self._model = model
        self._runs: Counter[int] = Counter()
        self._counts: defaultdict[str, float] = defaultdict(float)
        self._refused: Counter[str] = Counter()
        self._waiting = waiting
        self._timer: asyncio.TimerHandle | None = None

    def ran(self, size: int, rows: int, seconds: float, queued_s: float, *, well: bool) -> None:
        """A run of `size` rows, of which `rows` were somebody's, has ended; they had waited `queued_s` in all."""
        statistics = self.statistics
        statistics.runs += 1
        statistics.compute_s += seconds
        statistics.queue_s += queued_s
        counts = self._counts
        counts["batch_run_seconds"] += seconds
        counts["batch_queue_seconds"] += queued_s
        if well:
            statistics.rows += rows
            counts["batch_rows"] += rows
            of_size = statistics.sizes.get(size)
            if of_size is None:
                of_size = statistics.sizes[size] = SizeStatistics()
            of_size.runs += 1
            of_size.seconds += seconds
            self._runs[bucket(size)] += 1
        else:
            counts["batch_failed_runs"] += 1
        self._later()

    def refused(self, reason: str) -> None:
        """A request was not taken in."""
        self.statistics.refused += 1
        self._refused[reason] += 1
        self._later()

    def late(self) -> None:
        """A request was not answered in time."""
        self._counts["batch_late"] += 1
        self._later()

    def waits(self) -> None:
        """A request has been taken in that waits."""
        self._later()

    def flush(self) -> None:
        """Hand on what has been added up."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        metrics, model = self._metrics, self._model
        for size, runs in self._runs.items():
            metrics.count("batch_runs", runs, model=model, size=str(size))
        for name, amount in self._counts.items():
            metrics.count(name, amount, model=model)
        for reason, times in self._refused.items():
            metrics.count("batch_refused", times, model=model, reason=reason)
        metrics.gauge("batch_queue_rows", self._waiting(), model=model)
        self._runs.clear()
        self._counts.clear()
        self._refused.clear()

    def _later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
