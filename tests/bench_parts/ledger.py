"""The ledger alone, beside a bare loop that writes and syncs as much at once: writing, verifying, finding by receipt.

`python -m tests.bench_parts.ledger [RECORDS]` writes so many records (a million by default) and looks at them.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.progress import track
from rich.table import Table

from yumen.testing import RunningClock, UnitHost
from yumen_plugins.audit.folder import WriterFolder
from yumen_plugins.audit.index.sqlite import SqliteIndex
from yumen_plugins.audit.proving.ledger import verify_ledger
from yumen_plugins.audit.reading import LedgerFolder
from yumen_plugins.audit.searching import FILE, Search
from yumen_plugins.audit.signing import Signing
from yumen_plugins.audit.writer import Writer

APPENDERS = 64
PAD = "x" * 320
SIZES = (10_000, 100_000, 1_000_000)
LOOKUPS = 300


def body(number: int, writer: str = "0123abcd") -> dict[str, Any]:
    """A record as a short chat leaves it, some 1,000 bytes."""
    return {
        "kind": "exchange",
        "time": "2026-11-28T00:00:00.000000Z",
        "id": f"{number:032x}",
        "receipt": f"{writer}.{number * 2654435761 % (1 << 128):032x}",
        "tenant": "acme",
        "app": "shop",
        "key": "k62ee510ea0",
        "subject": "",
        "route": "chat",
        "policy": "9565ce19b647",
        "model": "assistant",
        "engine": "llm",
        "outcome": "ok",
        "findings": [{"rule": "cn.mobile", "category": "pii", "path": "messages[0].content", "start": 10, "end": 21}],
        "request": [{"path": "messages[0].content", "kind": "message", "chars": 32, "role": "user", "sealed": True}],
        "sealed": {"key": "0123456789abcdef", "texts": PAD},
        "timings_ms": {"engine": 2.43, "total": 3.666},
    }


async def sustained(folder: Path, seconds: float) -> tuple[float, float]:
    """Records per second, and records per sync, with many exchanges appending at once."""
    host = UnitHost(clock=RunningClock(), data_dir=folder)
    writer = await Writer.open(
        folder, folder / "ledger", host, "bench", journal_bytes=8 << 20, queue_records=100_000, gather_s=0.0
    )
    until = time.monotonic() + seconds
    count = 0

    async def append(number: int) -> None:
        nonlocal count
        while time.monotonic() < until:
            await writer.append(body(number))
            count += 1

    await asyncio.gather(*(append(number) for number in range(APPENDERS)))
    await writer.stop()
    return count / seconds, count / max(1, sum(one.name == "sync_seconds" for one in host.captured.all))


def bare(folder: Path, batch: int, seconds: float) -> float:
    """Records per second of a loop that writes as many bytes and syncs them."""
    size = len(str(body(0)))
    data = b"x" * size * batch
    with (folder / "bare").open("ab", buffering=0) as file:
        started, count = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            file.write(data)
            os.fdatasync(file.fileno())
            count += batch
        return count / (time.perf_counter() - started)


def fill(folder: Path, count: int) -> Iterator[int]:
    """Write records, a thousand at once; yields how many there are."""
    from yumen_plugins.audit.entries import encoded

    signing = Signing.open(folder, folder / "ledger", lambda: "2026-11-28T00:00:00.000000Z")
    writer = WriterFolder.take(folder / "ledger", signing, time.time, "bench")
    written = 0
    while written < count:
        batch = [encoded(body(number, writer.writer))[0] for number in range(written, written + 1000)]
        writer.write("forever", batch).sync()
        written += 1000
        yield written
    writer.stop()


def rss_mib() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / (1 << 20)


def write_and_look(folder: Path, count: int, table: Table) -> dict[str, object]:
    """Write `count` records, verify them, index them, and find some of them by their receipts."""
    told: dict[str, object] = {}
    started = time.perf_counter()
    progress_bar = track(fill(folder, count), "writing", total=count // 1000, console=Console(stderr=True))
    memory = [rss_mib() for written in progress_bar if written % max(1000, count // 10) == 0]
    spent = time.perf_counter() - started
    table.add_row(f"{count:,} written, 1,000 per sync", f"{count / spent:,.0f} records/s")
    told["ledger: written records/s"] = round(count / spent)
    table.add_row("memory after each tenth", " ".join(f"{one:.0f}" for one in memory) + " MiB")
    public = Signing.open(folder, folder / "ledger", lambda: "").era.public
    started, began = time.perf_counter(), time.process_time()
    report = verify_ledger(folder / "ledger", [public])
    assert report.ok, report.wrong[:3]
    spent, core = time.perf_counter() - started, time.process_time() - began
    table.add_row("verified, one process", f"{count / spent:,.0f} records/s, {count / core:,.0f} of processor time")
    told["ledger: verified records/s"] = round(count / spent)
    ledger = LedgerFolder(folder / "ledger")
    (log,) = ledger.names()
    index = SqliteIndex(folder / FILE, print)
    index.open()
    search = Search(ledger, index)
    read = 0

    def progress(entries: int) -> None:
        nonlocal read
        read += entries

    started = time.perf_counter()
    for size in [one for one in SIZES if one <= count]:
        search.catch_up(progress, lambda size=size: read >= size)  # type: ignore[misc]  # a lambda bound to its size
        times = []
        for _ in range(LOOKUPS):
            receipt = body(secrets.randbelow(size - 1000), log.split("/")[0])["receipt"]
            begun = time.perf_counter()
            ((name, seq),) = search.locate(receipt)
            record = search.record(name, seq)
            times.append((time.perf_counter() - begun) * 1000)
            assert record is not None
            assert record["receipt"] == receipt
        times.sort()
        p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
        table.add_row(f"by receipt among {size:,}", f"p50 {p50:.2f} ms, p99 {p99:.2f} ms")
        told[f"ledger: by receipt among {size}"] = f"{p50:.2f} ms"
    table.add_row("indexed", f"{read / (time.perf_counter() - started):,.0f} records/s")
    search.close()
    return told


def main(folder: Path | None = None, seconds: float = 3.0, records: int = 0) -> dict[str, object]:
    """Measure, print a table, and return the figures; with `records` also of a ledger of so many."""
    table = Table("ledger", "")
    told: dict[str, object] = {}
    with tempfile.TemporaryDirectory(dir=folder) as name:
        # The loop that the gateway runs on.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rate, batch = runner.run(sustained(Path(name), seconds))
        raw = bare(Path(name), max(1, round(batch)), seconds)
        table.add_row(f"{APPENDERS} exchanges at once, {batch:.0f} per sync", f"{rate:,.0f} records/s")
        table.add_row(
            "bare write and fdatasync of as much", f"{raw:,.0f} records/s; the ledger is {rate / raw:.2f} of it"
        )
        told |= {
            "ledger: records/s": round(rate),
            "ledger: bare records/s": round(raw),
            "ledger: records per sync": round(batch, 1),
        }
    if records:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            told |= write_and_look(Path(name), records, table)
    Console().print(table)
    return told


if __name__ == "__main__":
    main(records=int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
