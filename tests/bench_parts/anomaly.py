"""The plugin anomaly alone: facts and rules over exchanges, curves over rules and keys, words, and counters in Redis.

`python -m tests.bench_parts.anomaly` prints all of it side by side, in two to three minutes; `redis-server` is needed for
the last table. Everything goes through the plugin's own hooks, as in an exchange, on one core.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from rich.console import Console
from rich.table import Table
from tests.plugins.anomaly.running import running
from tests.redis_server import RedisServer

from yumen.testing import Harness, chat
from yumen.view import View

ROUNDS, PER_ROUND = 7, 400
TEXT = "Please tell me when my order 4711 will arrive, and 请告诉我怎么退货，运费由谁承担？"
# Facts of many kinds, so that a policy of so many rules reads what policies read.
CONDITIONS = (
    'requests.per_key.1m > {n} and tenant not in ["batch"]',
    "requests.per_tenant.10s > {n}",
    "tokens.per_key.1h > {n}000",
    "bytes.per_key.1m > {n}00000",
    "errors.per_key.5m > {n}",
    "distinct.ips.per_key.1h > 20",
    "repeats.per_key.1m > {n}",
    "requests.per_key.1m.times_usual > {n}",
    "time.hour < 6 and request.chars > {n}000",
    "request.entropy > 6.5 and request.encoded_share > 0.5 and request.chars > {n}",
)


def rules(count: int, kinds: int = len(CONDITIONS)) -> list[dict[str, str]]:
    """So many rules, none of which holds, of the first so many kinds: five only count."""
    return [
        {"id": f"r{number}", "when": CONDITIONS[number % kinds].format(n=1_000_000 + number), "then": "block"}
        for number in range(count)
    ]


async def hooks_us(harness: Harness, keys: int = 1) -> float:
    """Microseconds of an exchange in the plugin's hooks: the best median of a few rounds."""
    harness.engine.says("fine")
    state = (await harness.ask(chat(TEXT))).exchange
    assert state is not None
    plugin = harness.plugin()
    rounds = []
    for _ in range(ROUNDS):
        spent = []
        for number in range(PER_ROUND):
            state.principal = type(state.principal)("tenant", "app", f"key{number % keys}")
            reply, state.reply = state.reply, None
            view = View(state, "anomaly", plugin.manifest)
            started = time.perf_counter()
            await plugin.on_request(view)
            middle = time.perf_counter()
            state.reply = reply
            resumed = time.perf_counter()
            await plugin.on_response(view)
            await plugin.on_complete(view)
            spent.append(middle - started + time.perf_counter() - resumed)
        rounds.append(statistics.median(spent))
    return min(rounds) * 1e6


async def over_rules(console: Console) -> None:
    """The curve over rules, by evaluator; 0 is what the hooks cost without any."""
    table = Table(
        "rules", "counting, python", "of all kinds, python", "of all kinds, durable-rules", title="µs an exchange"
    )
    for count in (0, 10, 50, 500, 5000):
        cells = []
        for evaluator, kinds in (("python", 5), ("python", len(CONDITIONS)), ("durable-rules", len(CONDITIONS))):
            async with running(rules=rules(count, kinds), evaluator=evaluator) as harness:
                cells.append(f"{await hooks_us(harness):.1f}")
        table.add_row(str(count), *cells)
    console.print(table)


def over_keys(console: Console) -> None:
    """The curve over keys: memory of a process of its own, and an exchange among so many."""
    table = Table("keys", "MiB more", "µs an exchange", title="one rule that counts by key, in memory")
    for keys in (1, 1_000, 100_000, 1_000_000):
        code = f"from tests.bench_parts.anomaly import keys_cost; keys_cost({keys})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        table.add_row(f"{keys:,}", *done.stdout.splitlines()[-1].split())
    console.print(table)


def keys_cost(keys: int) -> None:
    """Count requests of so many keys in this process; prints the memory that took, and an exchange's time among them."""

    async def measure() -> None:
        one = [{"id": "r", "when": "requests.per_key.1m > 300", "then": "block"}]
        async with running(rules=one, keys_max=keys) as harness:
            await hooks_us(harness)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            counters = harness.plugin()._counting.counters
            assert counters is not None
            from yumen import Entry

            for number in range(keys):
                await counters.count([Entry(0, f"k_{number:012x}", (1,))])
            more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            print(f"{more:.0f} {await hooks_us(harness, 1000):.1f}")

    asyncio.run(measure())


async def in_redis(console: Console) -> None:
    """What a shared store adds to the hooks of one exchange, at rest."""
    server = RedisServer()
    server.start()
    try:
        table = Table("store", "µs an exchange", title="50 rules, 1 connection, loopback")
        async with running(rules=rules(50)) as harness:
            table.add_row("memory", f"{await hooks_us(harness):.0f}")
        async with running(rules=rules(50), redis=server.url) as harness:
            table.add_row("Redis", f"{await hooks_us(harness):.0f}")
        console.print(table)
    finally:
        server.stop()


def main() -> None:
    """Print everything."""
    console = Console(width=100)
    parts: list[Callable[[Console], Awaitable[Any]]] = [over_rules, in_redis]
    over_keys(console)
    for part in parts:
        asyncio.run(part(console))  # type: ignore[arg-type]  # they are coroutine functions


if __name__ == "__main__":
    main()
