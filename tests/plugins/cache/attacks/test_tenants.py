"""One tenant tries to learn of, or to reach, what another one has: in every place where entries are, and by the clock."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from tests.plugins.cache.attacks.kit import Live, Upstream, bundle, cached, live
from tests.redis_server import RedisServer

from yumen import Engine, EngineManifest, Kept, NoConfig
from yumen.store.redis import RedisStore
from yumen.testing import RunningClock, UnitHost
from yumen_plugins.cache.config import CacheConfig, Memory, Semantic
from yumen_plugins.cache.entry import Entry, Purge
from yumen_plugins.cache.works import Works

# The first two are in a group. The others are called so that they might pass for one, or for one another.
TENANTS = [
    "north",
    "south",
    "share:family",
    "tenant:north",
    "family",
    "North",
    "n\u043erth",
    "north\x00",
    "e:north",
    "no",
    "rth",
    "t" * 4000,
]
CACHE = "config: {share: {family: [north, south]}, shared_timeout_ms: 5000, memory: {warm: true}}\n"
TEXT = "What is our secret? 秘密"


def say(text: str) -> str:
    return f"answer to {text}"


async def test_nobody_finds_an_entry_of_another_one(redis_server: RedisServer, tmp_path: Path) -> None:
    """In this process, in another one with the same store, and after a warm start, each has his own and his group's."""
    folder = bundle(tmp_path / "b", cache=CACHE, redis=redis_server.url)
    upstream = Upstream(say)
    expected = ["miss", "hit", *["miss"] * (len(TENANTS) - 2)]
    async with live(folder, upstream, tmp_path / "one") as one, live(folder, upstream, tmp_path / "two") as two:
        for stream in (False, True):
            text = f"{TEXT} {stream}"
            assert [cached(await one.say(text, tenant=name, stream=stream)) for name in TENANTS] == expected
            await asyncio.sleep(0.3)  # until it is written
            await two.say(text, tenant="east")
            assert [cached(await two.say(text, tenant=name)) for name in TENANTS] == ["hit"] * len(TENANTS)
        calls = upstream.calls
        assert calls == 2 * len(TENANTS)
    redis_server.clear()
    async with live(folder, upstream, tmp_path / "one") as again:
        assert cached(await again.say(f"{TEXT} False", tenant="west")) == "miss"
        assert cached(await again.say(f"{TEXT} False", tenant="north")) == "hit"


@pytest.mark.parametrize("stream", [False, True])
async def test_nobody_follows_a_call_of_another_one(redis_server: RedisServer, tmp_path: Path, stream: bool) -> None:
    """Equal requests of two tenants at the same time are two calls, in one process and in two."""
    folder = bundle(tmp_path / "b", cache=CACHE, redis=redis_server.url)
    upstream = Upstream(say)
    upstream.gate = asyncio.Event()
    async with live(folder, upstream, tmp_path / "one") as one, live(folder, upstream, tmp_path / "two") as two:
        tenants = TENANTS[1:]
        asked = [gateway.say(TEXT, tenant=name, stream=stream) for name in tenants for gateway in (one, two, one, two)]
        running = asyncio.gather(*asked)
        async with asyncio.timeout(30):
            while upstream.calls < len(tenants):
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        upstream.gate.set()
        assert all((got.status, got.text) == (200, say(TEXT)) for got in await running)
        assert upstream.calls == len(tenants)


async def test_a_purge_of_one_tenant_takes_nothing_of_another(redis_server: RedisServer, tmp_path: Path) -> None:
    """Also where one's name begins like the other's, or both have a subject of the same name."""
    folder = bundle(tmp_path / "b", cache="config: {shared_timeout_ms: 5000}\n", redis=redis_server.url)
    async with live(folder, Upstream(say)) as gateway:
        for name in TENANTS:
            await gateway.say(TEXT, tenant=name, subject="li")
        await asyncio.sleep(0.3)
        gateway.works.tiers.memory.only([])
        await gateway.works.purge(Purge("north"))
        states = [cached(await gateway.say(TEXT, tenant=name, subject="li")) for name in TENANTS]
        assert states == ["miss", *["hit"] * (len(TENANTS) - 1)]


class Alike(Engine[NoConfig]):
    """Every text has the same embedding."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="alike", version="1")

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"embeddings": np.ones((len(batch["texts"]), 4), np.float32) / 2}


async def test_questions_of_one_tenant_answer_none_of_another(redis_server: RedisServer, tmp_path: Path) -> None:
    """The index, what processes tell each other, and what is saved for the next one keep tenants apart."""
    store = RedisStore.of(redis_server.url)
    config = CacheConfig(
        semantic=Semantic(engine="alike", timeout_ms=5000), memory=Memory(warm=True), shared_timeout_ms=5000
    )

    async def opened(name: str) -> tuple[Works, Any]:
        host = UnitHost(clock=RunningClock(), data_dir=tmp_path / name, engines={"alike": Alike(NoConfig())})
        host.store = store.namespaced("cache")
        works = await Works.open(config, host)
        return works, works._semantic

    spaces = [f"tenant:{name}" for name in TENANTS]
    one, semantic = await opened("one")
    question = await semantic.question(TEXT, b"c" * 24)
    kept = Entry(
        Kept(body=b"{}"), "north", "", "0" * 12, time.time(), 600.0, TEXT, question.context, question.vector_bytes
    )
    semantic.add(spaces[0], question, b"k" * 24, kept)
    await one.tiers.put(spaces[0], b"k" * 24, kept)
    found = [await semantic.find(space, question) for space in spaces]
    assert found == [b"k" * 24, *[None] * (len(spaces) - 1)]
    await semantic._shared.flush()
    other, theirs = await opened("two")
    asked = await theirs.question(TEXT, b"c" * 24)
    assert [await theirs.find(space, asked) for space in spaces] == found
    # Somebody copies the list to the name that it would have for another tenant.
    with redis_server.client() as redis:
        (name,) = redis.scan_iter("yumen:cache:q:*")
        copy = f"yumen:cache:{theirs._shared._key(spaces[1], question.context)}"
        redis.copy(name, copy, replace=True)
    third, more = await opened("three")
    asked = await more.question(TEXT, b"c" * 24)
    assert [await more.find(space, asked) for space in spaces] == found
    for works in (one, other, third):
        await works.close()
    fourth, recalled = await opened("one")
    asked = await recalled.question(TEXT, b"c" * 24)
    assert [await recalled.find(space, asked) for space in spaces] == found
    await fourth.close()
    await store.close()


async def seconds(gateway: Live, text: str, tenant: str) -> float:
    began = time.perf_counter()
    got = await gateway.say(text, tenant=tenant)
    assert cached(got) == "miss"
    return time.perf_counter() - began


@pytest.mark.parametrize("shared", [False, True], ids=["memory", "redis"])
async def test_the_clock_does_not_tell_what_another_tenant_has(
    redis_server: RedisServer, tmp_path: Path, shared: bool
) -> None:
    """A miss on what another tenant has asks the store for as much as one on what nobody asked; the times are printed."""
    folder = bundle(
        tmp_path / "b", cache="config: {shared_timeout_ms: 5000}\n", redis=redis_server.url if shared else ""
    )
    count = 150
    async with live(folder, Upstream(say)) as gateway:
        with redis_server.client() as redis:
            for number in range(count):
                await gateway.say(f"known {number:04}", tenant="acme")
            await asyncio.sleep(0.6)
            times: dict[str, list[float]] = {"known": [], "never": []}
            commands: dict[str, str] = {}
            for number in range(count):
                # In turns, so that whatever else this machine does is met by both.
                for kind in sorted(times, reverse=number % 2 == 0):
                    times[kind].append(await seconds(gateway, f"{kind} {number:04}", "globex"))
            for kind in times:
                await asyncio.sleep(0.6)
                redis.config_resetstat()
                await seconds(gateway, f"{kind} 0000 ", "initech")
                await asyncio.sleep(0.6)
                stats: Any = redis.info("commandstats")
                asked = {name: row["calls"] for name, row in stats.items() if name in ("cmdstat_get", "cmdstat_set")}
                commands[kind] = json.dumps(asked, sort_keys=True)
    assert commands["known"] == commands["never"]
    known, never = (sorted(times[kind])[: count * 9 // 10] for kind in ("known", "never"))
    apart = statistics.mean(known) - statistics.mean(never)
    error = (statistics.variance(known) / len(known) + statistics.variance(never) / len(never)) ** 0.5
    print(
        f"{'redis' if shared else 'memory'}: median {statistics.median(known) * 1e6:.0f} us for what another tenant has, "
        f"{statistics.median(never) * 1e6:.0f} us for what nobody has; apart {apart * 1e6:+.1f} us, t = {apart / error:+.2f}"
    )
