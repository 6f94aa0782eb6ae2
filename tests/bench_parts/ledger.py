"""The ledger alone: durable records per second, beside a bare loop that writes and syncs as much at once."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.plugins.host import UnitHost

from yumen_plugins.audit.writer import Writer

APPENDERS = 64
BODY = {"kind": "exchange", "text": "x" * 1200}


async def sustained(folder: Path, seconds: float) -> tuple[float, float]:
    """Records per second, and records per sync, with many exchanges appending at once."""
    host = UnitHost(folder)
    writer = Writer(
        folder, folder / "ledger", host, "bench", journal_bytes=8 << 20, queue_records=100_000, gather_s=0.002
    )
    until = time.monotonic() + seconds
    count = 0

    async def append() -> None:
        nonlocal count
        while time.monotonic() < until:
            await writer.append(BODY)
            count += 1

    await asyncio.gather(*(append() for _ in range(APPENDERS)))
    await writer.stop()
    return count / seconds, count / max(1, host.metrics.counts["sync_seconds_count"])


def bare(folder: Path, batch: int, seconds: float) -> float:
    """Records per second of a loop that writes as many bytes and syncs them."""
    data = b"x" * 1400 * batch
    with (folder / "bare").open("ab", buffering=0) as file:
        started, count = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            file.write(data)
            os.fdatasync(file.fileno())
            count += batch
        return count / (time.perf_counter() - started)


def main(folder: Path | None = None, seconds: float = 3.0) -> dict[str, object]:
    """Measure, print a table, and return the figures."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        rate, batch = asyncio.run(sustained(Path(name), seconds))
        raw = bare(Path(name), max(1, round(batch)), seconds)
    table = Table("ledger", "records/s", "records per sync")
    table.add_row(f"{APPENDERS} exchanges at once", f"{rate:,.0f}", f"{batch:.0f}")
    table.add_row("bare write and fdatasync", f"{raw:,.0f}", f"{round(batch)}")
    Console().print(table)
    return {
        "ledger: records/s": round(rate),
        "ledger: bare records/s": round(raw),
        "ledger: records per sync": round(batch, 1),
    }


if __name__ == "__main__":
    main()
