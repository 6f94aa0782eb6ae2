"""Histograms that cost next to nothing until somebody reads them.

prometheus_client takes a lock for each of the two numbers that an observation changes, and looks for the bucket one by
one. An exchange makes some six observations, all on the event loop, so here each adds to a list, and what Prometheus reads
is made of it when it is read. With several workers the numbers lie in files that they share, and the library's own class
is taken.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/, "Histograms and summaries".
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import REGISTRY, Histogram
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.utils import floatToGoString

Observe = Callable[[float], None]


class Series:
    """The observations under one label, of one thread. Calling it adds one."""

    __slots__ = ("_bounds", "counts", "created", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        # One more than there are bounds: what is above all of them.
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        self.created = time.time()

    def __call__(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class LocalHistogram:
    """A histogram of this process with one label; `bounds` are the upper ones of its buckets, ascending and inclusive."""

    def __init__(self, name: str, what: str, label: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._what = what
        self._label = label
        self._bounds = bounds
        self._shown = [*map(floatToGoString, bounds), "+Inf"]
        self._series: dict[str, Series] = {}
        REGISTRY.register(self)

    def labels(self, value: str) -> Series:
        """The series of a label's value; the same one whenever it is asked for."""
        series = self._series.get(value)
        if series is None:
            series = self._series[value] = Series(self._bounds)
        return series

    def describe(self) -> Iterable[Metric]:
        """What it is called, without numbers: the registry refuses a second metric of this name."""
        return [HistogramMetricFamily(self._name, self._what, labels=[self._label])]

    def collect(self) -> Iterable[Metric]:
        """What Prometheus reads."""
        family = HistogramMetricFamily(self._name, self._what, labels=[self._label])
        for value, series in self._series.copy().items():
            count = 0
            buckets: list[tuple[str, float]] = []
            for shown, number in zip(self._shown, series.counts, strict=True):
                count += number
                buckets.append((shown, float(count)))
            family.add_metric([value], buckets, series.total)
            family.add_sample(f"{self._name}_created", {self._label: value}, series.created)
        return [family]


def histogram(name: str, what: str, label: str, bounds: Sequence[float]) -> Callable[[str], Observe]:
    """A new histogram in the registry of this process: what makes the observer of a label's value."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        shared = Histogram(name, what, (label,), buckets=bounds)

        def observer(value: str) -> Observe:
            observe: Observe = shared.labels(value).observe
            return observe

        return observer
    return LocalHistogram(name, what, label, bounds).labels
