"""The cache as a whole, in one run: hits beside a handler that does nothing, and throughput against the share of hits.

`python -m tests.bench_parts.cache` takes about two minutes and needs nginx and wrk.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import uuid
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.bench import servers
from tests.bench.load import BODY, Load, read_load, wrk

ROUNDS, SECONDS = 3, 4
SHARES = (0, 25, 50, 70, 80, 90, 95)
BAR = 40
# Asks the same question in so many of a hundred requests, and one that nobody has asked before in the others.
MIXED = """
math.randomseed({seed})
local count = 0
request = function()
  local words = "hello"
  if math.random(100) > {share} then
    count = count + 1
    words = "{run} " .. count
  end
  return wrk.format("POST", nil, {{["content-type"]="application/json", ["authorization"]="Bearer {key}"}},
    '{{"model":"m","messages":[{{"role":"user","content":"' .. words .. '"}}]}}')
end
"""


def mixed(target: servers.Target, share: int, folder: Path) -> Load:
    """Load in which so many percent of the requests have been made before."""
    script = folder / "mixed.lua"
    seed = int.from_bytes(os.urandom(3), "big")
    script.write_text(MIXED.format(seed=seed, share=share, run=uuid.uuid4().hex[:8].translate(LETTERS), key=target.key))
    command = [
        "wrk",
        "-t1",
        "-c32",
        f"-d{SECONDS}s",
        "--latency",
        "-s",
        str(script),
        f"{target.url}/v1/chat/completions",
    ]
    return read_load(target.url, subprocess.run(command, capture_output=True, text=True, check=True).stdout)


# Letters, so that no detector takes the name of a run for a number.
LETTERS = str.maketrans("0123456789", "ghijklmnop")


def hits(folder: Path, console: Console) -> None:
    """Requests per second of hits through the whole chain, beside handlers that decode and answer."""
    with ExitStack() as stack:
        upstream = servers.canned_upstream(stack, folder)
        targets = {
            "bare ASGI, decodes and answers": servers.Target(
                servers.granian(stack, folder, "bare_decode:app", {}, "bare")
            ),
            "Litestar handler, the same": servers.Target(
                servers.granian(stack, folder, "bare_decode:litestar_app", {}, "litestar")
            ),
            "yumen, hits through the whole chain": servers.yumen(stack, folder, upstream, "yumen-hits"),
        }
        if servers.COMPILED.exists():
            compiled = servers.yumen(stack, folder, upstream, "yumen-hits-compiled", servers.COMPILED)
            targets["the same, compiled"] = compiled
        for url, key in targets.values():
            wrk(url, key, 32, 2, folder)
        loads: dict[str, list[Load]] = {name: [] for name in targets}
        for _ in range(ROUNDS):
            for name, (url, key) in targets.items():
                loads[name].append(wrk(url, key, 32, SECONDS, folder))
    base = statistics.median(load.rate for load in loads["Litestar handler, the same"])
    table = Table("hits, 32 connections", "requests/s", "p50 ms", "p99 ms", "beside Litestar")
    for name, measured in loads.items():
        rate = statistics.median(load.rate for load in measured)
        p50, p99 = (statistics.median(getattr(load, one) for load in measured) for one in ("p50_ms", "p99_ms"))
        table.add_row(name, f"{rate:,.0f}", f"{p50:.2f}", f"{p99:.2f}", f"{rate / base:.2f}")
    console.print(table)


def curve(folder: Path, console: Console, at_once: int) -> None:
    """Throughput against the share of hits, with an engine that takes 20 ms, so many at a time."""
    with ExitStack() as stack:
        env = {"AT_ONCE": str(at_once), "PYTHONPATH": str(servers.HERE.parents[1])}
        engine = servers.granian(stack, folder, "slow_engine:app", env, "engine")
        target = servers.yumen(stack, folder, engine, "yumen-curve")
        mixed(target, 100, folder)
        rates = {share: statistics.median(mixed(target, share, folder).rate for _ in range(2)) for share in SHARES}
    table = Table(f"hits, engine of 20 ms, {at_once} at a time", "requests/s", "times", "")
    most = max(rates.values())
    for share, rate in rates.items():
        bar = "█" * round(BAR * rate / most)
        table.add_row(f"{share} %", f"{rate:,.0f}", f"{rate / rates[0]:.2f}", bar)
    console.print(table)


def main() -> None:
    """Measure and print."""
    servers.need("nginx", "wrk")
    console = Console()
    console.print(f"every request of the first table: {BODY}", style="dim")
    with tempfile.TemporaryDirectory(prefix="yumen-bench-") as name:
        hits(Path(name), console)
        for at_once in (1, 4):
            folder = Path(name) / f"curve-{at_once}"
            folder.mkdir()
            curve(folder, console, at_once)


if __name__ == "__main__":
    main()
