"""The index of the ledger alone: rows added per second, and how long it takes to find one record among many, and pages.

`python -m tests.bench_parts.index [ROWS] [postgres]`; the default is 100,000 rows in SQLite.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.plugins.audit.index.postgres_server import PostgresServer

from yumen_plugins.audit.index import Index, Query, Row, row_of
from yumen_plugins.audit.index.postgres import PostgresIndex
from yumen_plugins.audit.index.sqlite import SqliteIndex

ROWS, BATCH, TIMES = 100_000, 1000, 200
LOGS = ("8d0eb8ae/keep-183d", "1f00aa31/keep-183d")
DAY = "2026-11-0"


def record(number: int, draw: random.Random) -> dict[str, Any]:
    """An exchange as ledgers hold them, apart from its texts: 40 tenants, most by a few of them, 20,000 people."""
    found = draw.random()
    finding = {"rule": draw.choice(("cn.mobile", "cn.id_card", "email", "bank_card")), "category": "pii"}
    blocked = found > 0.97
    call = {"plugin": "anomaly", "hook": "on_request", "decision": "block", "reason": "burst", "shadow": False}
    seconds, micros = divmod(number * 1_900_000, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return {
        "seq": number // len(LOGS),
        "kind": "exchange",
        "time": f"2026-11-{1 + day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z",
        "id": f"{number:012x}{draw.getrandbits(80):020x}",
        "receipt": f"8d0eb8ae.{draw.getrandbits(128):032x}",
        "tenant": f"tenant-{min(draw.randrange(40), draw.randrange(40))}",
        "app": f"app-{draw.randrange(5)}",
        "key": f"k{draw.randrange(200):010}",
        "subject": f"{draw.randrange(20_000):032x}",
        "route": draw.choice(("chat", "chat", "tickets", "客服")),
        "policy": "9565ce19b647",
        "outcome": "policy_blocked" if blocked else "engine_timeout" if number % 997 == 0 else "ok",
        "findings": [finding] if found > 0.4 else [],
        "trace": [call] if blocked else [],
        "streamed": found < 0.3,
        "timings_ms": {"engine": 2.43, "total": 3.666},
        "egress": "remote",
    }


def batches(rows: int) -> Iterator[tuple[list[Row], dict[str, int]]]:
    """The rows of two logs, and how far they reach."""
    draw = random.Random(1)
    for first in range(0, rows, BATCH):
        made = [row_of(LOGS[n % len(LOGS)], record(n, draw)) for n in range(first, min(first + BATCH, rows))]
        yield [row for row in made if row], {log: (first + BATCH) // len(LOGS) for log in LOGS}


def making_rows() -> float:
    """Microseconds of processor time for the row of a record."""
    draw = random.Random(1)
    records = [record(number, draw) for number in range(20_000)]
    started = time.process_time()
    for one in records:
        row_of(LOGS[0], one)
    return (time.process_time() - started) / len(records) * 1e6


def adding(index: Index, rows: int, keys: list[str]) -> float:
    """Rows per second, where `keys` gets every thousandth receipt; making the rows is not counted."""
    index.positions()
    spent = 0.0
    for made, positions in batches(rows):
        keys.append(made[-1].receipt)
        started = time.perf_counter()
        index.add(made, positions)
        spent += time.perf_counter() - started
    return rows / spent


def took(do: Callable[[], object], times: int = TIMES) -> tuple[float, float]:
    """Median and 99th percentile, in milliseconds."""
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        do()
        spent.append((time.perf_counter() - started) * 1e3)
    return statistics.median(spent), sorted(spent)[int(len(spent) * 0.99) - 1]


def queries(some: Row) -> dict[str, Query]:
    """One for each filter, and combinations that are hard: two that are frequent and never together."""
    day = {"since": f"{DAY}2", "until": f"{DAY}3"}
    asked: dict[str, dict[str, str]] = {
        "newest": {},
        "tenant": {"tenant": "tenant-3"},
        "app": {"app": "app-1"},
        "route": {"route": "客服"},
        "subject": {"subject": some.subject},
        "id": {"id": some.id},
        "receipt": {"receipt": some.receipt},
        "kind": {"kind": "exchange"},
        "operation": {"operation": "policy_loaded"},
        "outcome": {"outcome": "engine_timeout"},
        "decision": {"decision": "block"},
        "rule": {"rule": "cn.mobile"},
        "type": {"type": "pii"},
        "a day": day,
        "tenant, rule, a day": {"tenant": "tenant-3", "rule": "bank_card", **day},
        "tenant, decision": {"tenant": "tenant-30", "decision": "block"},
        "outcome ok, decision block": {"outcome": "ok", "decision": "block"},
        "route, streamed rule, type": {"route": "chat", "rule": "email", "type": "pii", "outcome": "ok"},
    }
    return {name: Query.parse(one) for name, one in asked.items()}


@contextmanager
def made(kind: str, folder: Path) -> Iterator[Index]:
    """An open index of a kind."""
    if kind == "postgres":
        server = PostgresServer()
        server.start()
        index: Index = PostgresIndex(server.url, print)
    else:
        server, index = None, SqliteIndex(folder / "index" / "ledger.sqlite", print)
    index.open()
    try:
        yield index
    finally:
        index.close()
        if server:
            server.remove()


def main(folder: Path | None = None, rows: int = ROWS, kind: str = "sqlite") -> dict[str, object]:
    """Measure, print a table, and return the figures."""
    figures: dict[str, object] = {f"index: µs for a row ({kind})": round(making_rows(), 2)}
    table = Table(f"index in {kind}, {rows:,} rows", "p50", "p99")
    with tempfile.TemporaryDirectory(dir=folder) as name, made(kind, Path(name)) as index:
        keys: list[str] = []
        rate = adding(index, rows, keys)
        figures[f"index: rows added/s ({kind})"] = round(rate)
        table.add_row("rows added/s", f"{rate:,.0f}", "")
        draw = random.Random(2)
        measured = {"locate": took(lambda: index.locate(draw.choice(keys)), 1000)}
        (some,) = index.find(Query(receipt=keys[len(keys) // 2])).rows
        for what, query in queries(some).items():
            measured[f"find: {what}"] = took(lambda query=query: index.find(query), 20)  # type: ignore[misc]  # bound early
        for by in ("outcome", "rule", "day"):
            measured[f"count by {by}"] = took(lambda by=by: index.count(Query(), by), 2)  # type: ignore[misc]  # bound early
        for what, (half, most) in measured.items():
            table.add_row(what, f"{half:.3f} ms", f"{most:.3f} ms")
            figures[f"index: {what}, ms ({kind})"] = round(half, 3)
        started, below = time.perf_counter(), min(rows // len(LOGS), 50_000)
        index.forget(LOGS[0], below)
        forgotten = below / (time.perf_counter() - started)
        figures[f"index: rows forgotten/s ({kind})"] = round(forgotten)
        table.add_row("rows forgotten/s", f"{forgotten:,.0f}", "")
        size = sum(path.stat().st_size for path in Path(name).rglob("*") if path.is_file())
        table.add_row("bytes a row", f"{size / rows:,.0f}", "")
    Console().print(table)
    return figures


if __name__ == "__main__":
    words = sys.argv[1:]
    main(rows=int(words[0]) if words else ROWS, kind=words[1] if len(words) > 1 else "sqlite")
