"""The store that `gateway.yaml` names: who gets it, and what happens where it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.redis_server import RedisServer

from yumen import CannotStart, Principal, Secret, Settings
from yumen.parts import Parts
from yumen.policy.bundle import Bundle, StoreSpec
from yumen.policy.load import load_bundle
from yumen.policy.testing.harness import Harness
from yumen.runtime import Runtime
from yumen.store.memory import MemoryStore
from yumen.store.redis import RedisStore

GATEWAY = """
version: 1
{store}
engines:
  f: {{adapter: faq, egress: local}}
routes:
  - id: chat
    match: {{paths: [/v1/chat/completions]}}
    engine: f
    chain: [limits]
"""
BODY = b'{"model":"m","messages":[{"role":"user","content":"hello"}]}'


def bundle(folder: Path, url: str = "") -> Bundle:
    """A bundle whose limits count in the store."""
    store = f'store: {{redis: "{url}"}}' if url else ""
    (folder / "gateway.yaml").write_text(GATEWAY.format(store=store))
    (folder / "limits.yaml").write_text("version: 1\nplugin: limits\nconfig: {requests_per_minute: 1}\n")
    return load_bundle(str(folder))


def parts(workers: int = 2) -> Parts:
    return Parts(Settings(data_dir=Path("/nonexistent"), workers=workers), Secret(bytes(32)))


async def test_plugins_get_the_store_that_policy_names(tmp_path: Path, redis_server: RedisServer) -> None:
    """With Redis several workers start with limits; a bundle without it beside has the memory; each stops what it began."""
    redis_server.clear()
    shared = parts()
    first, again = (Runtime(bundle(tmp_path, redis_server.url), shared) for _ in range(2))
    await first.start()
    await again.start()
    assert await first.ready() == {}
    made = await shared.shared_store(StoreSpec(redis=redis_server.url))
    assert made is not None
    assert isinstance(made.made, RedisStore)
    assert made.users == 3
    await shared.give_back(made)
    with pytest.raises(CannotStart, match="store that all 2 workers share"):
        await Runtime(bundle(tmp_path), shared).start()
    await first.stop()
    assert await again.ready() == {}
    await again.stop()
    assert shared._parts == []
    assert isinstance(shared.store, MemoryStore)


async def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    """A gateway does not start without its store, and is not ready when it is lost; the address stays unsaid."""
    server = RedisServer()
    server.start()
    runtime = Runtime(bundle(tmp_path, server.url), parts())
    await runtime.start()
    server.stop()
    reasons = await runtime.ready()
    assert list(reasons) == ["store"]
    assert str(server.port) not in str(reasons)
    await runtime.stop()
    with pytest.raises(CannotStart, match="store redis: the store could not be asked") as refused:
        await Runtime(bundle(tmp_path, server.url), parts()).start()
    assert str(server.port) not in str(refused.value)


async def test_policy_tests_never_ask_a_store(tmp_path: Path) -> None:
    """Tests of a policy count in memory, whether its store is there or not."""
    async with Harness(bundle(tmp_path, "redis://127.0.0.1:1/0")) as harness:
        sent = [await harness.send("/v1/chat/completions", BODY, Principal("t", "a", "k")) for _ in range(2)]
    assert [outcome.status for outcome in sent] == [200, 429]


def test_the_hash_of_a_bundle_tells_its_store(tmp_path: Path) -> None:
    """Another store is another policy."""
    urls = ["", "redis://127.0.0.1:1/0", "redis://127.0.0.1:1/1"]
    assert len({bundle(tmp_path, url).hash for url in urls}) == 3
