"""Somebody else writes in the store: whatever he puts there, callers get right answers, and operators can purge."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import Redis
from tests.plugins.cache.attacks.kit import SECRET, Lag, Upstream, bundle, cached, live
from tests.redis_server import RedisServer

from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.marks.elsewhere import KEEP

CACHE = "config: {shared_timeout_ms: 5000, coalesce: null}\n"
PREFIX = b"yumen:cache:"
QUESTIONS = ["How do I return a parcel?", "怎么退货？", "x" * 60_000]


def say(text: str) -> str:
    return f"answer to {text}"


async def stored(redis: Redis, count: int, prefix: bytes = PREFIX + b"e:") -> dict[bytes, bytes]:
    """Entries as they stand there, once there are so many; the writer is behind."""
    async with asyncio.timeout(30):
        while len(names := sorted(redis.scan_iter(prefix + b"*"))) < count:
            await asyncio.sleep(0.02)
    found = {name: redis.get(name) for name in names}
    return {name: value for name, value in found.items() if isinstance(value, bytes)}


def replace(redis: Redis, name: bytes, kind: str, value: bytes, others: list[bytes]) -> None:
    """Put something else in the place of a value."""
    draw = random.Random(kind)
    redis.delete(name)
    match kind:
        case "list":
            redis.rpush(name, value, value)
        case "hash":
            redis.hset(name, "a", value)
        case "set":
            redis.sadd(name, value)
        case "sorted":
            redis.zadd(name, {value[:9]: 1.0})
        case "stream":
            redis.xadd(name, {"a": value})
        case "number":
            redis.set(name, 2**62)
        case "empty":
            redis.set(name, b"")
        case "truncated":
            redis.set(name, value[: draw.randrange(len(value))])
        case "inflated":
            redis.set(name, value + value)
        case "head":
            redis.set(name, value[:68])
        case "zeros":
            redis.set(name, bytes(len(value)))
        case "bit":
            at = draw.randrange(len(value))
            redis.set(name, value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :])
        case "large":
            redis.set(name, bytes(20 << 20))
        case "another's":
            redis.set(name, others[0] if others[0] != value else others[1])
        case "another's head":
            redis.set(name, (others[0] if others[0] != value else others[1])[:68] + value[68:])


KINDS = ["list", "hash", "set", "sorted", "stream", "number", "empty", "truncated", "inflated", "head", "zeros",
         "bit", "large",
         "another's", "another's head"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_put_in_the_place_of_an_entry_is_a_miss(
    redis_server: RedisServer, tmp_path: Path, kind: str
) -> None:
    """Entries of two tenants, swapped, cut, grown or made something else, give nobody anything but the engine's answer."""
    folder = bundle(tmp_path / "b", cache=CACHE, redis=redis_server.url)
    upstream = Upstream(say)
    with redis_server.client() as redis:
        async with live(folder, upstream) as first:
            for tenant in ("acme", "globex"):
                for text in QUESTIONS:
                    await first.say(text, tenant=tenant)
            entries = await stored(redis, 2 * len(QUESTIONS))
        for name, value in entries.items():
            replace(redis, name, kind, value, [one for other, one in entries.items() if other[:40] != name[:40]])
        async with live(folder, upstream, tmp_path / "other") as second, Lag() as lag:
            upstream.calls = 0
            for tenant in ("acme", "globex"):
                for text in QUESTIONS:
                    got = await second.say(text, tenant=tenant)
                    assert (got.status, cached(got), got.text) == (200, "miss", say(text))
            assert upstream.calls == 2 * len(QUESTIONS)
        print(f"{kind}: the loop waited {lag.longest * 1000:.1f} ms at most")
        async with live(folder, upstream, tmp_path / "third") as third:
            states = [cached(await third.say(text)) for text in QUESTIONS]
            assert states == ["hit"] * len(QUESTIONS), "what could not be read was written anew"


async def test_what_was_purged_and_is_put_back_is_not_given(redis_server: RedisServer, tmp_path: Path) -> None:
    """Copies of purged entries, put back by somebody, are a miss in every process, also in one that starts."""
    folder = bundle(tmp_path / "b", cache=CACHE, redis=redis_server.url)
    upstream = Upstream(say)
    with redis_server.client() as redis:
        async with live(folder, upstream, tmp_path / "one") as one, live(folder, upstream, tmp_path / "two") as two:
            await one.say(subject="li")
            entries = await stored(redis, 1)
            await one.works.purge(Purge("acme"))
            assert not redis.exists(*entries)
            redis.mset(entries)
            await asyncio.sleep(1.2)  # within a second a purge holds elsewhere
            assert cached(await two.say(subject="li")) == "miss"
            assert cached(await one.say(subject="wang")) == "hit", "it was asked anew after the purge"
            redis.mset(entries)
        async with live(folder, upstream, tmp_path / "three") as three:
            assert cached(await three.say()) == "miss"


@pytest.mark.parametrize("kind", ["list", "hash", "number", "stream", "empty"])
async def test_a_list_of_purges_that_is_none_keeps_nobody_from_purging(
    redis_server: RedisServer, tmp_path: Path, kind: str
) -> None:
    """Whatever stands where purges are told: a gateway starts, a purge is done and told, and others hear of it."""
    folder = bundle(tmp_path / "b", cache=CACHE, redis=redis_server.url)
    upstream = Upstream(say)
    with redis_server.client() as redis:
        forged = b"forged" * 20
        replace(redis, PREFIX + b"purges", kind, forged, [])
        async with live(folder, upstream, tmp_path / "one") as one, live(folder, upstream, tmp_path / "two") as two:
            assert cached(await one.say()) == "miss"
            await stored(redis, 1)
            assert cached(await two.say()) == "hit"
            replace(redis, PREFIX + b"purges", kind, forged, [])
            assert await one.works.purge(Purge("acme")) == 1
            async with asyncio.timeout(30):
                while len(two.works.tiers.memory):
                    await asyncio.sleep(0.05)
            assert cached(await two.say()) == "miss"
            replace(redis, PREFIX + b"purges", kind, forged, [])
        async with live(folder, upstream, tmp_path / "one") as again:
            await asyncio.sleep(1.2)
            assert redis.type(PREFIX + b"purges") == b"list", "what this gateway knows is told anew"
            assert again.works.marks.stats()["readable"]


async def test_forged_marks_purge_nothing_and_hold_nobody_up(redis_server: RedisServer, tmp_path: Path) -> None:
    """As many items as the list may have, none of them ours, and one of ours that was cut: entries are given as before."""
    folder = bundle(tmp_path / "b", cache=CACHE, redis=redis_server.url)
    upstream = Upstream(say)
    with redis_server.client() as redis:
        async with live(folder, upstream) as gateway:
            await gateway.say()
            await stored(redis, 1)
            async with Lag() as lag:
                for _ in range(KEEP // 1000):
                    redis.rpush(PREFIX + b"purges", *[random.randbytes(120) for _ in range(1000)])
                async with asyncio.timeout(30):
                    while gateway.works.marks.stats()["refused"] < KEEP:
                        await asyncio.sleep(0.05)
                assert cached(await gateway.say()) == "hit"
            print(f"{KEEP} forged marks: the loop waited {lag.longest * 1000:.1f} ms at most")
            assert await gateway.works.purge(Purge("acme")) == 1


async def test_nothing_of_anybody_can_be_read_there(redis_server: RedisServer, tmp_path: Path) -> None:
    """Names and values in the store hold no tenant, subject, text, or key of policy: they are digests and sealed."""
    folder = bundle(tmp_path / "b", cache=CACHE.replace("null", "{}"), redis=redis_server.url)
    async with live(folder, Upstream(say)) as gateway:
        for stream in (False, True):
            await gateway.say("Ruf 13812345678 an, 请回电", tenant="geheim-gmbh", subject="li.na", stream=stream)
        await gateway.works.purge(Purge("geheim-gmbh", "x" * 32))
        with redis_server.client() as redis:
            await stored(redis, 1)
    everything = redis_server.everything()
    for word in (
        "geheim",
        "li.na",
        "13812345678",
        "Ruf",
        "请回电",
        "CN_MOBILE",
        "answer",
        SECRET.derive("cache").hex(),
    ):
        assert word.encode() not in everything


@asynccontextmanager
async def dribbling(port: int) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A way to a server, and what makes every answer on it come a byte at a time from then on."""
    slow = asyncio.Event()
    pumps: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        try:
            while data := await reader.read(1 << 16):
                step = 1 if slow.is_set() and answers else len(data)
                for at in range(0, len(data), step):
                    writer.write(data[at : at + step])
                    await writer.drain()
                    await asyncio.sleep(0.05 if step == 1 else 0)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        for one, other, answers in ((reader, back, False), (there, writer, True)):
            task = asyncio.create_task(pump(one, other, answers=answers))
            pumps.add(task)
            task.add_done_callback(pumps.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], slow
    finally:
        server.close()
        for task in [*pumps]:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        await server.wait_closed()


@pytest.mark.parametrize("coalesce", ["null", "{}"])
async def test_a_store_that_dribbles_keeps_nobody_waiting(
    redis_server: RedisServer, tmp_path: Path, coalesce: str
) -> None:
    """A server that answers a byte now and then: misses, each no later than policy says, and none raised."""
    upstream = Upstream(say)
    cache = CACHE.replace("5000", "50").replace("null", coalesce)
    async with dribbling(redis_server.port) as (port, slow):
        folder = bundle(tmp_path / "b", cache=cache, redis=f"redis://127.0.0.1:{port}/0")
        async with live(folder, upstream) as gateway, Lag() as lag:
            await gateway.say()
            slow.set()
            made = [gateway.say(f"{number % 20}", stream=number % 2 == 0) for number in range(100)]
            for number, got in enumerate(await asyncio.gather(*made)):
                assert (got.status, got.text) == (200, say(f"{number % 20}"))
            again = [await gateway.say(f"{number}") for number in range(20)]
            assert {cached(got) for got in again} == {"hit"}, "what a process has itself needs no store"
            failures = (await gateway.works.tiers.stats())["shared"]["failures"]
            assert failures.get("timeout") or failures.get("store")
        print(f"dribbling: the loop waited {lag.longest * 1000:.1f} ms at most; {failures}")
