"""Somebody else writes in the store where processes tell each other whose call it is, and what it gives."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from tests.plugins.cache.attacks.kit import Live, Upstream, bundle, cached, live
from tests.redis_server import RedisServer

CACHE = "config: {shared_timeout_ms: 5000, memory: {bytes_max: 0}, coalesce: {wait_s: 2}}\n"
PREFIX = "yumen:cache:"
OWNER = "ab" * 16
TEXT = "How do I return a parcel? 怎么退货"
# Far more than the four seconds that it is listened to an owner that says nothing, far less than `wait_s` is by default.
PATIENT_S = 8.0


def say(text: str) -> str:
    return f"answer to {text}"


async def names(gateway: Live, server: RedisServer) -> str:
    """The key of the request, as whoever reads the store learns it, and nothing left there."""
    await gateway.say(TEXT)
    with server.client() as redis:
        async with asyncio.timeout(30):
            while not (found := list(redis.scan_iter(f"{PREFIX}e:*"))) or list(redis.scan_iter(f"{PREFIX}f:*")):
                await asyncio.sleep(0.05)
    server.clear()
    return str(found[0].decode().rsplit(":", 1)[1])


@pytest.mark.parametrize("claim", ["list", "empty", "short", "number", "text", "binary"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_claim_that_is_none_is_passed_over(
    redis_server: RedisServer, tmp_path: Path, claim: str, stream: bool
) -> None:
    """What stands where an owner should be and is none: the process asks for itself, at once."""
    upstream = Upstream(say)
    async with live(bundle(tmp_path / "b", cache=CACHE, redis=redis_server.url), upstream) as gateway:
        name = f"{PREFIX}f:{await names(gateway, redis_server)}"
        with redis_server.client() as redis:
            match claim:
                case "list":
                    redis.rpush(name, OWNER)
                case "number":
                    redis.set(name, 7)
                case _:
                    values = {
                        "empty": b"",
                        "short": b"ab",
                        "text": OWNER.upper().encode(),
                        "binary": random.randbytes(40),
                    }
                    redis.set(name, values[claim])
        got = await gateway.say(TEXT, stream=stream)
        assert (got.status, cached(got), got.text) == (200, "miss", say(TEXT))


@pytest.mark.parametrize("part", ["garbage", "text", "string", "hash", "many", "large"])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_a_forged_owner_tells_is_not_believed(
    redis_server: RedisServer, tmp_path: Path, part: str, stream: bool
) -> None:
    """Made-up parts of a made-up call are given to nobody; the process asks for itself."""
    upstream = Upstream(say)
    async with live(bundle(tmp_path / "b", cache=CACHE, redis=redis_server.url), upstream) as gateway:
        key = await names(gateway, redis_server)
        parts = f"{PREFIX}i:{key}:{OWNER}"
        with redis_server.client() as redis:
            redis.set(f"{PREFIX}f:{key}", OWNER)
            match part:
                case "string":
                    redis.set(parts, b"x" * 100)
                case "hash":
                    redis.hset(parts, "a", "b")
                case "many":
                    redis.rpush(parts, *[b"x"] * 5000)
                case "large":
                    redis.rpush(parts, bytes(8 << 20))
                case _:
                    redis.rpush(parts, random.randbytes(200) if part == "garbage" else say(TEXT))
        got = await gateway.say(TEXT, stream=stream)
        assert (got.status, got.text) == (200, say(TEXT))
        assert cached(got) == "miss"


async def test_parts_of_another_call_are_not_believed(redis_server: RedisServer, tmp_path: Path) -> None:
    """Parts that were written for one call, copied to where those of another one would stand, open nowhere."""
    upstream = Upstream(say)
    folder = bundle(tmp_path / "b", cache=CACHE, redis=redis_server.url)
    async with live(folder, upstream, tmp_path / "one") as one, live(folder, upstream, tmp_path / "two") as two:
        key = await names(one, redis_server)
        upstream.gate = asyncio.Event()
        upstream.calls = 0
        asked = [asyncio.create_task(gateway.say("Are you open? 开门吗", stream=True)) for gateway in (one, two)]
        with redis_server.client() as redis:
            async with asyncio.timeout(30):
                while not list(redis.scan_iter(f"{PREFIX}l:*")):
                    await asyncio.sleep(0.02)
                upstream.gate.set()
                while not (lists := list(redis.scan_iter(f"{PREFIX}i:*"))):
                    await asyncio.sleep(0.005)
            assert [got.text for got in await asyncio.gather(*asked)] == [say("Are you open? 开门吗")] * 2
            redis.set(f"{PREFIX}f:{key}", OWNER)
            redis.copy(lists[0], f"{PREFIX}i:{key}:{OWNER}", replace=True)
        got = await one.say(TEXT, stream=True)
        assert (got.status, got.text) == (200, say(TEXT))


async def test_an_owner_that_says_nothing_is_not_waited_for(redis_server: RedisServer, tmp_path: Path) -> None:
    """A forged claim that never ends, and nobody behind it: an exchange notices nearly as soon as with a process that died,
    and the next one does not listen to it again.
    """
    upstream = Upstream(say)
    cache = CACHE.replace("wait_s: 2", "wait_s: 30")
    folder = bundle(tmp_path / "b", cache=cache, redis=redis_server.url, timeout_ms=int(PATIENT_S * 1000))
    async with live(folder, upstream) as gateway:
        key = await names(gateway, redis_server)
        with redis_server.client() as redis:
            redis.set(f"{PREFIX}f:{key}", OWNER)
        got = await gateway.say(TEXT)
        assert (got.status, got.code) == (200, "")
        listens = f"{PREFIX}l:{key}:{OWNER}"
        with redis_server.client() as redis:
            async with asyncio.timeout(30):
                while not (kept := list(redis.scan_iter(f"{PREFIX}e:*"))):
                    await asyncio.sleep(0.05)
            redis.delete(*kept, listens)
            assert redis.get(f"{PREFIX}f:{key}") == OWNER.encode()
            got = await gateway.say(TEXT)
            assert (got.status, cached(got)) == (200, "miss")
            assert not redis.exists(listens)
