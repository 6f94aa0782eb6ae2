"""Two workers that share a cache in Redis, end to end: crowds, purges, and a server that goes away and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from tests.e2e.cache_callers import REDIS, STREAM, Caller, Got, purge, served
from tests.redis_server import RedisServer
from tests.reload.live import admin, wait
from tests.serving import Gateway
from tests.upstream import Upstream

pytestmark = pytest.mark.server

# How long a purge may take to reach the other processes, and then some.
HEARD_S = 2.0


class Crowd(NamedTuple):
    """Two workers with a Redis server."""

    gateway: Gateway
    redis: RedisServer
    caller: Caller


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Crowd]:
    server = RedisServer()
    server.start()
    folder = tmp_path_factory.mktemp("crowd")
    gateway = served(folder, upstream, store=REDIS, TEST_REDIS=server.url, YUMEN_WORKERS="2")
    try:
        caller = Caller(gateway, "north")
        with caller.client:
            yield Crowd(gateway.start(), server, caller)
    finally:
        gateway.stop()
        server.stop()


def reachable(gateway: Gateway) -> bool:
    """Whether the worker that happens to be asked reaches Redis; each leaves it alone for a while after failures."""
    answer: bool = admin(gateway, "GET", "/admin/cache")[1]["cache"]["shared"]["reachable"]
    return answer


def together(count: int, ask: Callable[[], Got]) -> list[Got]:
    """What so many callers get who ask at the same moment."""
    barrier = threading.Barrier(count)

    def go() -> Got:
        barrier.wait(30)
        return ask()

    with ThreadPoolExecutor(count) as pool:
        return [one.result(90) for one in [pool.submit(go) for _ in range(count)]]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_crowd_makes_one_call(crowd: Crowd, upstream: Upstream, stream: bool) -> None:
    """Equal requests to two workers at one moment: the engine is asked once, and all get the reply."""
    upstream.clear()
    text = f"Everybody at once 大家一起 {stream}"
    got = together(30, lambda: crowd.caller.ask(text, model="slow-2000", **(STREAM if stream else {})))
    assert {one.text for one in got} == {text}
    assert len(upstream.requests) == 1
    assert sorted(one.cache for one in got) == ["hit"] * 29 + ["miss"]


def test_workers_find_each_others_entries(crowd: Crowd, upstream: Upstream) -> None:
    """What one worker has kept, every worker gives."""
    upstream.clear()
    assert crowd.caller.ask("One for all 一人为大家").cache == "miss"
    wait(lambda: crowd.redis.client().dbsize() > 0)
    assert {crowd.caller.ask("One for all 一人为大家").cache for _ in range(12)} == {"hit"}
    assert len(upstream.requests) == 1


def test_a_purge_reaches_every_worker(crowd: Crowd) -> None:
    """Copies in the memory of the worker that was not asked go as well."""
    texts = [f"Purged 清除 {number}" for number in range(6)]
    for text in texts:
        assert crowd.caller.ask(text).cache == "miss"
        assert {crowd.caller.ask(text).cache for _ in range(8)} == {"hit"}
    assert purge(crowd.gateway, "--tenant", "north")["purged"] >= len(texts)
    time.sleep(HEARD_S)
    # Chance decides which worker is asked, so that all six go to the one that did the purge once in 64 times.
    assert [crowd.caller.ask(text).cache for text in texts] == ["miss"] * len(texts)


def test_without_redis_everything_is_a_miss_and_nothing_an_error(crowd: Crowd, upstream: Upstream) -> None:
    """A server that hangs keeps nobody waiting and fails nobody; when it is back, entries are found again."""
    upstream.clear()
    crowd.redis.hang()
    try:
        for number in range(4):
            got = crowd.caller.ask(f"Nobody there 没人 {number}")
            assert (got.text, got.cache) == (f"Nobody there 没人 {number}", "miss")
        incomplete = crowd.gateway.yumen("cache", "purge", "--tenant", "nobody", "--yes")
        assert incomplete.returncode == 2, incomplete.stdout + incomplete.stderr
        assert "shared store" in incomplete.stderr
    finally:
        crowd.redis.go_on()
    wait(lambda: all(reachable(crowd.gateway) for _ in range(8)))
    assert crowd.caller.ask("Back again 又来了").cache == "miss"
    wait(lambda: {crowd.caller.ask("Back again 又来了").cache for _ in range(8)} == {"hit"})
    _, metrics = crowd.gateway.get("/metrics")
    assert "yumen_cache_shared_failures_total" in metrics


def test_nothing_personal_is_anywhere(crowd: Crowd, upstream: Upstream) -> None:
    """A canary in a kept reply is in neither Redis, nor the data directory, the log or the metrics, plain or masked."""
    canary = "canary-4711@example.com"
    for stream in (False, True):
        for _ in range(3):
            got = crowd.caller.ask(f"Write to {canary}, 谢谢 {stream}", who=canary, **(STREAM if stream else {}))
            assert canary in got.text
    purge(crowd.gateway, "--tenant", "north", "--subject", "nobody-canary")
    everything = crowd.redis.everything()
    assert len(everything) > 500
    _, metrics = crowd.gateway.get("/metrics")
    data_dir = crowd.gateway.data_dir
    files = {path.relative_to(data_dir): path.read_bytes() for path in data_dir.rglob("*") if path.is_file()}
    own = b"".join(content for path, content in files.items() if path.parts[0] == "cache")
    ledger = crowd.gateway.ledger()
    assert b"Write to <EMAIL" in ledger, "the ledger has the masked form"
    assert own
    assert b"canary" not in b"".join(files.values()) + ledger
    for place in (everything, own, metrics.encode(), crowd.gateway.log.encode()):
        assert b"canary" not in place
        assert b"Write to" not in place
    assert b"north" not in everything
