"""A collector over HTTP: what it takes, what it does not, and what it never answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.audit.sinks.carrying import (
    FOREVER,
    FORMATS,
    HALF_A_YEAR,
    Counter,
    Lines,
    SizedLines,
    assert_in_order,
    carried,
    cursor,
    only,
    wait_for,
)
from tests.plugins.audit.sinks.collector import Collector

from yumen import CannotStart
from yumen_plugins.audit.sinks import HttpSink, Sinks, Status, target

Start = Callable[..., Sinks]


@pytest.fixture
def start(collector: Collector, ledger: Lines, data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a sink to the collector that soon tries again; it is stopped after the test."""
    monkeypatch.setattr(target, "BACKOFF_S", 0.01)
    started: list[Sinks] = []

    def begin(source: Lines = ledger, **more: Any) -> Sinks:
        options = {name: more.pop(name) for name in ("metrics", "notice") if name in more}
        config = HttpSink(**{"name": "siem", "url": collector.url, "flush_s": 0.02, "timeout_s": 0.5, **more})
        sinks = Sinks([config], source, FORMATS, data, **options)
        sinks.start()
        started.append(sinks)
        return sinks

    yield begin
    for sinks in started:
        sinks.stop()


def test_records_arrive_in_batches_of_one_log(start: Start, collector: Collector, ledger: Lines, data: Path) -> None:
    """Each POST holds lines of one log and names them, and the cursor says what was taken."""
    ledger.fill(FOREVER, 0, 25)
    ledger.fill(HALF_A_YEAR, 0, 7)
    counter = Counter()
    start(batch_records=10, metrics=counter)
    wait_for(lambda: cursor(data) == {FOREVER: 25, HALF_A_YEAR: 7})
    assert carried(collector.lines) == {FOREVER: list(range(25)), HALF_A_YEAR: list(range(7))}
    names = [headers["x-yumen-delivery"] for headers in collector.headers]
    assert names[:3] == [f"{FOREVER}/0-9", f"{FOREVER}/10-19", f"{FOREVER}/20-24"]
    assert {headers["content-type"] for headers in collector.headers} == {"application/x-ndjson"}
    assert "我的快递到哪了？".encode() in collector.lines[0]
    assert counter.values["sink_records"] == 32


@pytest.mark.parametrize("fault", [500, 503, 408, 429, "hang", "close", "lost"])
def test_what_fails_is_tried_again(
    start: Start, collector: Collector, ledger: Lines, data: Path, fault: int | str
) -> None:
    """No failure that may pass loses a record or lets one overtake another; what was taken may come twice."""
    ledger.fill(FOREVER, 0, 30)
    collector.plan.extend([200, fault, fault, 200, fault])
    sinks = start(batch_records=5)
    wait_for(lambda: cursor(data) == {FOREVER: 30})
    seqs = carried(collector.lines)[FOREVER]
    assert_in_order(seqs)
    assert set(seqs) == set(range(30))
    assert (len(seqs) > 30) == (fault == "lost")
    wait_for(lambda: only(sinks).state == "running")
    assert only(sinks).last_error in (f"status {fault}", "timeout", "connection")


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413])
def test_what_is_refused_is_not_dropped(
    start: Start, collector: Collector, ledger: Lines, data: Path, status: int
) -> None:
    """A collector that does not want a batch stops the sink, which says so; after a restart the batch is tried again."""
    ledger.fill(FOREVER, 0, 10)
    collector.plan.extend([200, status])
    heard: list[Status] = []
    sinks = start(batch_records=5, notice=heard.append)
    wait_for(lambda: only(sinks).state == "stopped")
    time.sleep(0.2)
    assert (collector.asked, cursor(data)) == (2, {FOREVER: 5})
    assert (only(sinks).last_error, bool(only(sinks).fix)) == (f"status {status}", True)
    assert heard[-1] == only(sinks)
    assert "138" not in str(heard)
    assert sinks.stop()
    start(batch_records=5)
    wait_for(lambda: cursor(data) == {FOREVER: 10})
    assert carried(collector.lines) == {FOREVER: list(range(10))}


def test_a_collector_that_asks_to_wait_is_left_alone(start: Start, collector: Collector, ledger: Lines) -> None:
    """Retry-After is heard, and a time beyond a minute is not."""
    ledger.fill(FOREVER, 0, 1)
    collector.retry_after = "1"
    collector.plan.append(429)
    began = time.monotonic()
    start()
    wait_for(lambda: collector.taken)
    assert time.monotonic() - began >= 1


def test_a_sink_that_hangs_stops_in_time(start: Start, collector: Collector, ledger: Lines, data: Path) -> None:
    """Stopping takes less than five seconds though the collector never answers, and nothing counts as carried."""
    ledger.fill(FOREVER, 0, 1)
    collector.always = "hang"
    sinks = start(timeout_s=60.0)
    wait_for(lambda: collector.asked)
    began = time.monotonic()
    assert sinks.stop()
    assert time.monotonic() - began < 5
    assert (only(sinks).state, cursor(data)) == ("ended", {})


def test_a_dead_collector_does_not_slow_the_writer(start: Start, collector: Collector, tmp_path: Path) -> None:
    """Writing takes as long beside a sink that hangs as without one, and the sink says how far behind it is."""
    source = SizedLines(tmp_path / "busy")

    def write(first: int) -> float:
        began = time.perf_counter()
        for seq in range(first, first + 300):
            source.fill(FOREVER, seq, 1)
        return time.perf_counter() - began

    alone = min(write(first) for first in (0, 300, 600))
    collector.always = "hang"
    counter = Counter()
    sinks = start(source, timeout_s=0.3, metrics=counter)
    wait_for(lambda: only(sinks).state == "failing")
    beside = min(write(first) for first in (900, 1200, 1500))
    assert beside < 3 * alone + 0.05
    wait_for(lambda: only(sinks).behind == 1800)
    assert (counter.values["sink_behind"], only(sinks).last_ok) == (1800, 0)
    collector.always = 200
    wait_for(lambda: only(sinks).behind == 0 and only(sinks).state == "running")
    assert carried(collector.lines)[FOREVER] == list(range(1800))


def test_credentials_come_from_the_environment(
    start: Start, collector: Collector, ledger: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A header's value is found in the variable that is named; where it is missing nothing starts, and nobody is told it."""
    headers = {"Authorization": "SIEM_TOKEN"}
    with pytest.raises(CannotStart, match="environment variable SIEM_TOKEN; set it"):
        start(headers_env=headers)
    monkeypatch.setenv("SIEM_TOKEN", "Bearer s3cret\nx-injected: 1")
    with pytest.raises(CannotStart) as refused:
        start(headers_env=headers)
    assert "s3cret" not in str(refused.value)
    monkeypatch.setenv("SIEM_TOKEN", "Bearer s3cret")
    ledger.fill(FOREVER, 0, 1)
    sinks = start(headers_env=headers)
    wait_for(lambda: collector.taken)
    assert collector.headers[0]["authorization"] == "Bearer s3cret"
    assert "s3cret" not in str(sinks.status())


@pytest.mark.parametrize(
    "url", ["ftp://a/b", "https://user:s3cret@a/b", "//a", "http://a b/", "http://甲/", "http://a:99999/"]
)
def test_a_url_that_is_none_is_refused(start: Start, url: str) -> None:
    """Nothing starts with a URL that cannot be posted to or holds a password, and the message does not repeat it."""
    with pytest.raises(CannotStart) as refused:
        start(url=url)
    assert url not in str(refused.value)
    assert "s3cret" not in str(refused.value)
