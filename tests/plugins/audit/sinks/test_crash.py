"""What holds when the process that carries is killed at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from tests.plugins.audit.sinks.carrying import (
    FOREVER,
    HALF_A_YEAR,
    Lines,
    assert_in_order,
    carried,
    cursor,
    wait_for,
)
from tests.plugins.audit.sinks.collector import Collector

from yumen_plugins.audit.sinks import FileSink, HttpSink, SinkConfig

KILLS = 20
RECORDS = 40


class Carriers:
    """Starts processes that carry, and kills them."""

    def __init__(self, data: Path, ledger: Lines, config: SinkConfig) -> None:
        command = [sys.executable, "-m", "tests.plugins.audit.sinks.carrying", str(data), str(ledger.folder)]
        command.append(msgspec.json.encode(config).decode())
        self._parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._children: set[int] = set()

    def __enter__(self) -> Carriers:
        return self

    def __exit__(self, *_: object) -> None:
        for child in list(self._children):
            self.kill(child)
        self._parent.communicate()

    def start(self) -> int:
        """Another process; its id."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(b"\n")
        child = int(self._parent.stdout.readline())
        self._children.add(child)
        return child

    def kill(self, child: int) -> None:
        """End it at once, and wait until it is gone."""
        os.kill(child, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{child}").exists())
        self._children.discard(child)


@pytest.mark.slow
@pytest.mark.parametrize("to", ["file", "http"])
def test_killed_at_random(collector: Collector, ledger: Lines, data: Path, to: str) -> None:
    """Killed twenty times: every record arrives, none before those in front of it, and the cursor never says too much."""
    shape = {"name": "siem", "batch_records": 3, "flush_s": 0.01}
    config: SinkConfig
    if to == "file":
        config = FileSink(**shape, path="out.jsonl", rotate_bytes=16_384, keep=0)  # type: ignore[arg-type]
    else:
        config = HttpSink(**shape, url=collector.url)  # type: ignore[arg-type]

    def arrived() -> dict[str, list[int]]:
        if to == "http":
            return carried(collector.lines)
        files = [*sorted(data.glob("out.jsonl.*")), data / "out.jsonl"]
        return carried(line for path in files if path.exists() for line in path.read_bytes().split(b"\n")[:-1])

    cut_short = 0
    whole = dict.fromkeys((FOREVER, HALF_A_YEAR), KILLS * RECORDS)
    with Carriers(data, ledger, config) as carriers:
        for turn in range(KILLS):
            for log in whole:
                ledger.fill(log, turn * RECORDS, RECORDS)
            child = carriers.start()
            time.sleep(random.uniform(0, 0.25))
            carriers.kill(child)
            reached, there = cursor(data), arrived()
            assert all(seq - 1 <= max(there.get(log, [-1])) for log, seq in reached.items())
            cut_short += sum(reached.values()) < 2 * (turn + 1) * RECORDS
        carriers.start()
        wait_for(lambda: cursor(data) == whole, 60)
    assert cut_short, "no kill met the sink at work"
    for log, seqs in arrived().items():
        assert set(seqs) == set(range(whole[log]))
        assert_in_order(seqs)


def test_another_process_takes_over(collector: Collector, ledger: Lines, data: Path) -> None:
    """Of two processes one carries; when it is killed the other goes on, and no record is lost between them."""
    ledger.fill(FOREVER, 0, 5)
    with Carriers(data, ledger, HttpSink(name="siem", url=collector.url, flush_s=0.01)) as carriers:
        first = carriers.start()
        wait_for(lambda: cursor(data) == {FOREVER: 5})
        carriers.start()
        ledger.fill(FOREVER, 5, 5)
        wait_for(lambda: cursor(data) == {FOREVER: 10})
        assert carried(collector.lines)[FOREVER] == list(range(10))
        carriers.kill(first)
        ledger.fill(FOREVER, 10, 5)
        wait_for(lambda: cursor(data) == {FOREVER: 15})
    assert set(carried(collector.lines)[FOREVER]) == set(range(15))
    assert [path.name for path in sorted((data / "sinks").iterdir())] == ["siem.json", "siem.lock"]
