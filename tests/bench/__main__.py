"""`make bench`: everything that docs/performance.md says, measured side by side in one run.

Every server handles the same body with a phone and an e-mail in it; the ratios are what travels between machines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import tests.bench_parts.detection as detection
import tests.bench_parts.ledger as ledger
from rich.console import Console
from rich.table import Table
from tests.bench import servers, streams
from tests.bench.load import Load, wrk

console = Console(stderr=True)


def throughput(folder: Path, rounds: int, seconds: float) -> dict[str, dict[str, list[Load]]]:
    """Loads at 32 connections and at 1, round by round so that the machine's moods fall on all alike."""
    with ExitStack() as stack:
        upstream = servers.canned_upstream(stack, folder)
        bare = servers.granian(stack, folder, "bare_proxy:app", {"UPSTREAM": upstream}, "bare")
        targets = {
            "nginx proxy": servers.Target(servers.nginx_proxy(stack, folder, upstream)),
            "bare ASGI proxy": servers.Target(bare),
            "yumen, starter chain": servers.yumen(stack, folder, upstream, "yumen"),
        }
        if servers.COMPILED.exists():
            compiled = servers.yumen(stack, folder, upstream, "yumen-compiled", servers.COMPILED)
            targets["yumen, starter chain, compiled"] = compiled
        for url, key in targets.values():
            wrk(url, key, 32, 2, folder)
        loads: dict[str, dict[str, list[Load]]] = {name: {"32": [], "1": []} for name in targets}
        for index in range(rounds):
            for connections in (32, 1):
                for name, (url, key) in targets.items():
                    console.print(f"round {index + 1}/{rounds}: {name}, {connections} connections", style="dim")
                    loads[name][str(connections)].append(wrk(url, key, connections, seconds, folder))
        return loads


def fdatasync_ms(folder: Path, rounds: int = 300) -> float:
    """Median time of appending a small record and syncing it."""
    times = []
    with (folder / "sync").open("ab", buffering=0) as file:
        for _ in range(rounds):
            file.write(b"x" * 1500)
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def streaming(folder: Path, count: int, rounds: int) -> dict[str, streams.Delay]:
    """Token delays at `count` streams: the upstream itself, the bare proxy, Yumen."""
    with ExitStack() as stack:
        upstream = servers.granian(stack, folder, "streams:app", {}, "token-upstream")
        bare = servers.granian(stack, folder, "bare_proxy:app", {"UPSTREAM": upstream}, "bare-stream")
        targets = {
            "upstream itself": servers.Target(upstream),
            "bare ASGI proxy": servers.Target(bare),
            "yumen, starter chain": servers.yumen(stack, folder, upstream, "yumen-stream"),
        }
        ages: dict[str, list[float]] = {name: [] for name in targets}
        for index in range(rounds + 1):
            for name, (url, key) in targets.items():
                console.print(f"round {index}/{rounds}: {name}, {count} streams", style="dim")
                read = asyncio.run(streams.measure(url, key, count))
                ages[name] += read if index else []  # the first round warms up
        return {name: streams.delay_of(read) for name, read in ages.items()}


def report_throughput(loads: dict[str, dict[str, list[Load]]], sync_ms: float) -> dict[str, object]:
    """Print the tables at 32 connections and at 1, and return their figures."""
    figures: dict[str, object] = {"fdatasync_ms": round(sync_ms, 3)}
    table = Table("32 connections", "requests/s", "p50 ms", "p99 ms", "ratio to bare ASGI")
    bare = statistics.median(load.rate for load in loads["bare ASGI proxy"]["32"])
    for name, by in loads.items():
        rate = statistics.median(load.rate for load in by["32"])
        p50 = statistics.median(load.p50_ms for load in by["32"])
        p99 = statistics.median(load.p99_ms for load in by["32"])
        table.add_row(name, f"{rate:,.0f}", f"{p50:.2f}", f"{p99:.2f}", f"{rate / bare:.2f}")
        figures[f"{name}: requests/s at 32"] = round(rate)
        figures[f"{name}: ratio to bare ASGI"] = round(rate / bare, 3)
    Console().print(table)
    one = Table("1 connection", "mean ms", "p50 ms", "added p50 ms, beyond bare + one fdatasync")
    base = statistics.median(load.p50_ms for load in loads["bare ASGI proxy"]["1"])
    for name, by in loads.items():
        p50 = statistics.median(load.p50_ms for load in by["1"])
        mean = statistics.median(load.mean_ms for load in by["1"])
        added = p50 - base - sync_ms if name.startswith("yumen") else float("nan")
        one.add_row(name, f"{mean:.2f}", f"{p50:.2f}", "" if added != added else f"{added:.2f}")
        figures[f"{name}: p50 ms at 1"] = round(p50, 3)
    Console().print(one)
    Console().print(f"one fdatasync on this disk: {sync_ms:.2f} ms")
    return figures


def report_streaming(delays: dict[str, streams.Delay]) -> dict[str, object]:
    """Print the table of token delays and return its figures."""
    figures: dict[str, object] = {}
    table = Table("32 streams", "token p50 ms", "token p99 ms", "added p99 ms, beyond bare", "tokens")
    for name, delay in delays.items():
        later = f"{delay.p99_ms - delays['bare ASGI proxy'].p99_ms:.2f}" if name.startswith("yumen") else ""
        table.add_row(name, f"{delay.p50_ms:.2f}", f"{delay.p99_ms:.2f}", later, str(delay.tokens))
        figures[f"{name}: token p99 ms"] = round(delay.p99_ms, 3)
    Console().print(table)
    return figures


def main() -> None:
    """Measure and print; `--json` prints the figures as one object instead of tables on standard output."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--only", choices=["http", "streams", "parts"], action="append")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    wanted = options.only or ["http", "streams", "parts"]
    servers.need("nginx", "wrk")
    if options.json:
        sys.stdout = sys.stderr
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="yumen-bench-") as name:
        folder = Path(name)
        if "http" in wanted:
            sync_ms = fdatasync_ms(folder)
            figures |= report_throughput(throughput(folder, options.rounds, options.seconds), sync_ms)
        if "streams" in wanted:
            figures |= report_streaming(streaming(folder, 32, options.rounds))
        if "parts" in wanted:
            figures |= detection.main()
            figures |= ledger.main(folder)
    if options.json:
        sys.__stdout__.write(json.dumps(figures, indent=2) + "\n")  # type: ignore[union-attr]  # there is a stdout


if __name__ == "__main__":
    main()
