"""The in-process tier of the cache alone: what a hit costs, what an entry costs in memory, and hit rates beside plain LRU.

`python -m tests.bench_parts.cache_memory [short]` takes a minute or two, `short`, without hit rates, some seconds. All times
are of processor time, the least of several rounds where there are several.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table
from tests.plugins.cache.memory.made import NOW, Clock, entry, key, memory
from tests.plugins.cache.memory.traces import KINDS, Lru, sizes, trace

from yumen import Kept
from yumen_plugins.cache.entry import Entry, Purge, packed
from yumen_plugins.cache.memory import Memory, warm
from yumen_plugins.cache.memory.fifo import ENTRY_BYTES_MIN
from yumen_plugins.cache.sealing import Seal

ROUNDS, TIMES = 7, 2_000
ENTRIES, MANY = 10_000, 100_000
OBJECTS, REQUESTS = 20_000, 200_000
# Of the bytes of all objects that are asked for more than once.
SHARES = (0.01, 0.05, 0.2)
EXPONENTS = (0.7, 0.9, 1.1)
PIECE = {
    "id": "chatcmpl-CjZdP2mXq0sT7vB4nK1aY8wE5rU3o",
    "object": "chat.completion.chunk",
    "created": 1764000000,
    "model": "assistant",
    "choices": [{"index": 0, "delta": {"content": " token"}, "logprobs": None, "finish_reason": None}],
}


def reply(tokens: int) -> Entry:
    """An answer of so many tokens, with its events."""
    event = b"data: " + json.dumps(PIECE).encode() + b"\n\n"
    body = {"id": PIECE["id"], "choices": [{"message": {"role": "assistant", "content": " token" * tokens}}]}
    return Entry(Kept(json.dumps(body).encode(), (event,) * tokens), "acme", "5f" * 16, "0123456789ab", NOW, 3600.0)


def micros(do: Callable[[], object], times: int = TIMES, rounds: int = ROUNDS) -> float:
    """Microseconds of processor time for one call."""
    least = float("inf")
    for _ in range(rounds):
        started = time.process_time_ns()
        for _ in range(times):
            do()
        least = min(least, time.process_time_ns() - started)
    return least / times / 1_000


def calls(told: dict[str, object], table: Table) -> None:
    """What single calls cost, of a reply of 200 tokens among many others."""
    here = memory(1 << 30, 1.0)
    for number in range(ENTRIES):
        here.put(key(number), entry(size=1_000))
    one, name, absent = reply(200), key("one"), key("absent")
    here.put(name, one)
    full = memory(4_000_000, 1.0)
    numbers = iter(range(1 << 40))
    measured = {
        "a miss": lambda: here.get(absent),
        f"a hit, plain, of {len(packed(one)):,} bytes": lambda: here.get(name, events=False),
        "the same hit, streamed (200 events)": lambda: here.get(name),
        "put, of the same": lambda: here.put(name, one),
        "put of 1,000 bytes, with an eviction": lambda: full.put(key(next(numbers)), entry(size=1_000)),
    }
    for what, do in measured.items():
        spent = micros(do)
        table.add_row(what, f"{spent:.2f} µs")
        told[f"cache: {what}, µs"] = round(spent, 2)


def filled(count: int) -> Memory:
    """A memory with so many entries, each of a subject and a moment of its own, of ten tenants."""
    here = memory(1 << 30, 1.0)
    for number in range(count):
        subject = f"{number * 2654435761:032x}"
        here.put(key(number), entry(f"tenant {number % 10}", 200, subject=subject, stored_at=NOW - number / 1e4))
    return here


def overhead(told: dict[str, object], table: Table) -> None:
    """What an entry costs beyond its payload: as Python counts it, and as this machine's memory grows."""
    payload = len(packed(entry("tenant 0", 200, subject="a" * 32, stored_at=NOW - 1e-4)))
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    here = filled(ENTRIES)
    gc.collect()
    counted = (tracemalloc.get_traced_memory()[0] - before) / ENTRIES - payload
    tracemalloc.stop()
    claimed = here.stats()["bytes"] / ENTRIES - payload
    # In a process of its own, where no memory lies ready that others gave back.
    command = [sys.executable, "-m", "tests.bench_parts.cache_memory", "rss"]
    grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / MANY - payload
    figures = {"as told": claimed, "by tracemalloc": counted, f"of {MANY:,} by resident memory": grown}
    for what, size in figures.items():
        table.add_row(f"an entry beyond its payload, {what}", f"{size:.0f} B")
        told[f"cache: overhead {what}, B"] = round(size)


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def scans(told: dict[str, object], table: Table) -> None:
    """What looks at every entry, with many of them, and what is saved of them."""
    here = filled(MANY)
    measured: dict[str, Callable[[], object]] = {
        "purge that finds none": lambda: here.purge(Purge(before=0.0)),
        "purge of one subject": lambda: here.purge(Purge("tenant 0", f"{10 * 2654435761:032x}")),
        "purge of one tenant": lambda: here.purge(Purge("tenant 1")),
        "purge of the older half": lambda: here.purge(Purge(before=NOW - MANY / 2e4)),
        "only, another policy": lambda: here.only(["another"]),
    }
    for what, do in measured.items():
        spent = micros(do, 1, 1) / 1_000
        table.add_row(f"{what}, of {MANY:,}", f"{spent:.0f} ms")
        told[f"cache: {what}, ms"] = round(spent)
    here, seal = filled(MANY), Seal(b"k" * 32)
    with tempfile.TemporaryDirectory() as name:
        count = 0

        def save() -> None:
            nonlocal count
            count = warm.save(Path(name), seal, b"", here.hottest(16 << 20), 16 << 20)

        saving = micros(save, 1, 1)
        loading = micros(lambda: sum(1 for _ in warm.load(Path(name), seal, b"")), 1, 1)
    for what, spent in (("saved", saving), ("loaded", loading)):
        table.add_row(f"{count:,} entries {what} (16 MiB)", f"{spent / 1_000:.0f} ms")
        told[f"cache: {what}, µs an entry"] = round(spent / count, 1)


def hit_rates(told: dict[str, object]) -> Table:
    """Hit rates beside plain LRU with as many bytes, on the same requests."""
    table = Table("requests", "bytes", *[f"s = {exponent}: LRU" for exponent in EXPONENTS])
    clock = Clock()
    for kind in track(KINDS, "traces", console=Console(stderr=True)):
        rows: dict[float, list[str]] = {share: [] for share in SHARES}
        for exponent in EXPONENTS:
            asked = trace(kind, exponent, REQUESTS, OBJECTS)
            entries = [entry(size=size) for size in sizes(max(asked) + 1)]
            names = [key(number) for number in range(len(entries))]
            costs = [len(packed(one)) + ENTRY_BYTES_MIN for one in entries]
            for share, row in rows.items():
                bytes_max = int(sum(costs[:OBJECTS]) * share)
                here = Memory(bytes_max, 1.0, now=clock)
                ours = 0
                for number in asked:
                    if here.get(names[number], events=False) is None:
                        here.put(names[number], entries[number])
                    else:
                        ours += 1
                rate, plain = ours / len(asked), Lru(bytes_max).hits(asked, costs) / len(asked)
                row.append(f"{rate:.3f} : {plain:.3f}")
                told[f"cache: hit rate, {kind}, s={exponent}, {share:.0%} of bytes"] = [round(rate, 3), round(plain, 3)]
        for share, row in rows.items():
            table.add_row(kind, f"{share:.0%}", *row)
    return table


def main(*, traces: bool = True) -> dict[str, object]:
    """Measure, print tables, and return the figures."""
    told: dict[str, object] = {}
    table = Table("the cache in this process", "")
    calls(told, table)
    overhead(told, table)
    scans(told, table)
    console = Console()
    console.print(table)
    if traces:
        console.print(hit_rates(told))
    return told


if __name__ == "__main__":
    if sys.argv[1:] == ["rss"]:
        start = resident()
        kept = filled(MANY)
        print(resident() - start)
    else:
        main(traces=sys.argv[1:] != ["short"])
