"""What tests of sinks share: a ledger of records in plain files, and how long to wait for something.

Run by itself (`python -m tests.plugins.audit.sinks.carrying DATA LEDGER CONFIG`) it starts processes that carry.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from yumen_plugins.audit.sinks import Item, SinkConfig, Sinks, Status

WAIT_S = 20.0
FOREVER, HALF_A_YEAR = "8d0eb8ae/forever", "8d0eb8ae/keep-183d"
FORMATS: dict[str, Callable[[dict[str, Any]], bytes]] = {"jsonl": msgspec.json.encode}


def exchange(seq: int, text: str = "我的快递到哪了？电话<CN_MOBILE_2w9ah9yqpd>") -> dict[str, Any]:
    """A record of an exchange, short of most members."""
    return {
        "seq": seq,
        "kind": "exchange",
        "time": "2026-11-24T23:26:19.294227Z",
        "receipt": f"8d0eb8ae.{seq:032x}",
        "outcome": "ok",
        "request": [{"path": "messages[0].content", "kind": "message", "chars": len(text), "text": text}],
    }


class Lines:
    """A source over a folder of JSON lines, one file for each log: `<writer>_<class>.jsonl`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, log: str, records: Iterable[dict[str, Any]]) -> None:
        """Append records to a log."""
        with self._path(log).open("ab") as file:
            file.write(b"".join(msgspec.json.encode(record) + b"\n" for record in records))

    def fill(self, log: str, first: int, count: int) -> None:
        """Append so many exchanges."""
        self.add(log, (exchange(seq) for seq in range(first, first + count)))

    def read(self, after: dict[str, int], limit: int) -> list[Item]:
        items: list[Item] = []
        for path in sorted(self.folder.glob("*.jsonl")):
            log = path.stem.replace("_", "/")
            for line in path.read_bytes().split(b"\n")[:-1][after.get(log, 0) :]:
                if len(items) >= limit:
                    return items
                record = msgspec.json.decode(line)
                items.append(Item(log, record["seq"], record))
        return items

    def _path(self, log: str) -> Path:
        return self.folder / f"{log.replace('/', '_')}.jsonl"


class SizedLines(Lines):
    """One that also knows how long its logs are."""

    def sizes(self) -> Mapping[str, int]:
        return {path.stem.replace("_", "/"): path.read_bytes().count(b"\n") for path in self.folder.glob("*.jsonl")}


class Counter:
    """Metrics that can be looked at."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.values[name] = self.values.get(name, 0) + amount

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.values[name] = value


def wait_for(true: Callable[[], object], within_s: float = WAIT_S) -> None:
    """Wait until it is true. Error: AssertionError."""
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


def only(sinks: Sinks) -> Status:
    """How the only sink is."""
    (status,) = sinks.status()
    return status


def cursor(data: Path, name: str = "siem") -> dict[str, int]:
    """The cursor as it stands in its file."""
    path = data / "sinks" / f"{name}.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[str, int]) if path.exists() else {}


def carried(lines: Iterable[bytes]) -> dict[str, list[int]]:
    """What arrived: by log the `seq` of records, in the order of their coming."""
    found: dict[str, list[int]] = {}
    for line in lines:
        record = msgspec.json.decode(line)
        found.setdefault(record["log"], []).append(record["seq"])
    return found


def assert_in_order(seqs: list[int]) -> None:
    """Nothing comes before what is in front of it has come at least once."""
    reached = -1
    for seq in seqs:
        assert seq <= reached + 1, f"{seq} came when {reached} was the last"
        reached = max(reached, seq)


def main() -> None:
    """For each line of its input, a child that carries until it is killed: a child starts faster than a process does."""
    data, ledger, config = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].encode()
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            Sinks([msgspec.json.decode(config, type=SinkConfig)], Lines(ledger), FORMATS, data).start()
            while True:
                time.sleep(60)
        print(child, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    main()
