"""The shared tier of the cache alone: microseconds of a look beside a bare GET, of keeping, and of purging.

`python -m tests.bench_parts.cache_shared` starts a Redis server on loopback and prints two tables in about a minute. Looks
of every kind take turns, so that what else the machine does falls on all of them alike; `CPU` is this process's own time.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable

import msgspec
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table
from tests.plugins.cache.shared_kit import PATIENT_MS, SECRET, digest, key, tier
from tests.redis_server import RedisServer

from yumen import Kept
from yumen.store.redis import RedisStore
from yumen_plugins.cache.entry import Entry, Purge, packed
from yumen_plugins.cache.sealing import Seal
from yumen_plugins.cache.shared.envelope import closed

ROUNDS, PUTS = 1_500, 5_000
SPACE = "tenant:acme"
WORDS = ("the", "order", "您好", "is on", "its way", "订单", "within", "three", "days", "发货")


def reply(tokens: int) -> Kept:
    """A chat reply of so many tokens, and the stream of it, as an engine of this kind sends them."""
    chance = random.Random(tokens)
    pieces = [chance.choice(WORDS) + " " for _ in range(tokens)]
    head = {"id": "chatcmpl-0123456789", "created": 1_700_000_000, "model": "a-model"}
    message = {"role": "assistant", "content": "".join(pieces)}
    body = {**head, "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    chunks = [
        {**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": piece}}]}
        for piece in pieces
    ]
    return Kept(msgspec.json.encode(body), tuple(map(msgspec.json.encode, chunks)))


def entry_of(tokens: int) -> Entry:
    return Entry(reply(tokens), "acme", "", "policy", time.time(), 3600.0)


async def timed(operation: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Seconds that it took, and of this process's processor."""
    began, worked = time.perf_counter(), time.process_time()
    await operation()
    return time.perf_counter() - began, time.process_time() - worked


def spread(seconds: list[tuple[float, float]]) -> list[str]:
    """Microseconds: median, 95th and 99th percentile, and the median of what the processor spent."""
    cuts = statistics.quantiles([one for one, _ in seconds], n=100)
    return [f"{1e6 * cut:,.0f}" for cut in (cuts[49], cuts[94], cuts[98], statistics.median(own for _, own in seconds))]


def beyond(seconds: list[tuple[float, float]], base: list[tuple[float, float]]) -> list[str]:
    """Microseconds at the median beyond those of something else: that it takes, and of the processor."""
    return [
        f"{1e6 * (statistics.median(one[part] for one in seconds) - statistics.median(one[part] for one in base)):,.0f}"
        for part in (0, 1)
    ]


async def looks(url: str, console: Console) -> None:
    bare = Redis.from_url(url)
    store = RedisStore.of(url)
    space = store.namespaced("cache")
    shared = tier(space, timeout_ms=PATIENT_MS)
    table = Table(title=f"one look at a time, {ROUNDS:,} of each kind in turn, µs")
    for heading in ("tokens", "packed B", "in Redis B", "what", "p50", "p95", "p99", "CPU", "beyond GET", "CPU"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for tokens in (20, 200, 2_000):
        made = entry_of(tokens)
        shared.put(SPACE, key(tokens), made)
        await shared.flush()
        name = shared._spaces.of(SPACE).name(key(tokens))
        value = await space.get(name) or b""
        seal = Seal(digest(f"seal {digest(f'name {SPACE}', SECRET)[:16].hex()}", SECRET))
        kinds: dict[str, Callable[[], Awaitable[object]]] = {
            "bare GET": lambda name=name: bare.get(f"yumen:cache:{name}"),  # type: ignore[misc]
            "Store.get": lambda name=name: space.get(name),  # type: ignore[misc]
            "Shared.get, hit": lambda tokens=tokens: shared.get(SPACE, key(tokens)),  # type: ignore[misc]
            "Shared.get, miss": lambda: shared.get(SPACE, key("absent")),
        }
        seconds: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
        for _ in range(ROUNDS):
            # In no order: on a busy machine, whoever comes last in each round would be the one who is interrupted.
            for kind in random.sample(list(kinds), len(kinds)):
                seconds[kind].append(await timed(kinds[kind]))
        sizes = [f"{tokens:,}", f"{len(packed(made)):,}", f"{len(value):,}"]
        for kind, each in seconds.items():
            table.add_row(*sizes, kind, *spread(each), *beyond(each, seconds["bare GET"]))
            sizes = ["", "", ""]
        began = time.process_time()
        for _ in range(200):
            closed(seal, name, bytes(40), packed(made), 2048)
        table.add_row("", "", "", "seal and compress", "", "", "", f"{5e3 * (time.process_time() - began):,.0f}")
        table.add_section()
    console.print(table)
    await shared.close()
    await bare.aclose()
    await store.close()


async def writes(url: str, console: Console) -> None:
    store = RedisStore.of(url)
    shared = tier(store.namespaced("cache"), timeout_ms=PATIENT_MS)
    made = entry_of(200)
    table = Table(title=f"entries of 200 tokens, {PUTS:,} of them, µs of this process's processor for each")
    table.add_column("what")
    table.add_column("µs", justify="right")
    in_put = 0.0

    async def put_all() -> None:
        nonlocal in_put
        for number in range(PUTS):
            before = time.process_time()
            shared.put(SPACE, key(number), made)
            in_put += time.process_time() - before
            if number % 500 == 499:
                await shared.flush()

    steps: dict[str, Callable[[], Awaitable[object]]] = {
        "put and written, in batches": put_all,
        "purge of a subject, for every entry of its tenant": lambda: shared.purge(Purge("acme", "s" * 32)),
        "purge of a tenant, for every entry that goes": lambda: shared.purge(Purge("acme")),
    }
    for what, step in steps.items():
        _, own = await timed(step)
        table.add_row(what, f"{1e6 * own / PUTS:,.0f}")
    table.add_row("put, for who calls it", f"{1e6 * in_put / PUTS:,.0f}")
    console.print(table)
    await shared.close()
    await store.close()


async def main() -> None:
    console = Console()
    server = RedisServer()
    server.start()
    try:
        await looks(server.url, console)
        await writes(server.url, console)
    finally:
        server.stop()


if __name__ == "__main__":
    asyncio.run(main())
