"""Histograms of this process: what Prometheus reads of them is what the library's own class would show."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY, CollectorRegistry, Histogram
from prometheus_client.core import Metric

from yumen.histograms import histogram
from yumen.telemetry import BUCKETS_S

_names = (f"yumen_test_histogram_{number}" for number in itertools.count())
SECONDS = st.floats(min_value=0, max_value=1000) | st.sampled_from(BUCKETS_S)


def samples(name: str, metrics: list[Metric]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The samples of one metric, but for the moment of its making."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for metric in metrics
        for sample in metric.samples
        if metric.name == name and not sample.name.endswith("_created")
    }


@given(st.dictionaries(st.sampled_from(["chat", "聊天", ""]), st.lists(SECONDS, max_size=30)))
def test_it_shows_what_the_library_would(observed: dict[str, list[float]]) -> None:
    """Every sample is that of prometheus_client: on a bound, between two, above all of them, and of every label."""
    name = next(_names)
    own, library = histogram(name, "what", "route", BUCKETS_S), CollectorRegistry()
    theirs = Histogram(name, "what", ("route",), buckets=BUCKETS_S, registry=library)
    for label, seconds in observed.items():
        observer, other = own(label), theirs.labels(label)
        for one in seconds:
            observer(one)
            other.observe(one)
    assert samples(name, list(REGISTRY.collect())) == pytest.approx(samples(name, list(library.collect())))


def test_one_name_is_one_metric() -> None:
    """A second histogram of a name is refused, as any second metric is."""
    name = next(_names)
    histogram(name, "what", "route", BUCKETS_S)
    with pytest.raises(ValueError, match="Duplicated"):
        histogram(name, "what", "route", BUCKETS_S)


def test_several_workers_share_theirs(tmp_path: Path) -> None:
    """Where workers share files of metrics, observations go there, so that any worker can tell of all."""
    code = (
        "from prometheus_client import CollectorRegistry, multiprocess\n"
        "from yumen.telemetry import metrics\n"
        "metrics.exchange_seconds('chat')(0.003)\n"
        "registry = CollectorRegistry()\n"
        "multiprocess.MultiProcessCollector(registry)\n"
        "print(registry.get_sample_value('yumen_exchange_seconds_bucket', {'route': 'chat', 'le': '0.005'}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["1.0"]
