"""The stores that processes share, and times that run out sooner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.plugins.cache.flights.processes import INSTANCE, patient
from tests.redis_server import RedisServer

from yumen import Store
from yumen.store.memory import MemoryStore
from yumen.store.redis import RedisStore
from yumen_plugins.cache.flights import owned, remote, theirs


@pytest.fixture(params=["memory", "redis"])
async def store(
    request: pytest.FixtureRequest, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    """Both stores; the one in memory as if two processes had it."""
    if request.param == "memory":
        yield MemoryStore()
        return
    patient(monkeypatch)
    redis_server.clear()
    opened = RedisStore.of(redis_server.url)
    yield opened.namespaced(INSTANCE)
    await opened.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter times, for tests in which they run out."""
    for module, name, seconds in (
        (owned, "CLAIM_S", 1.0),
        (remote, "CLAIM_S", 1.0),
        (owned, "RENEW_S", 0.1),
        (owned, "PARTS_S", 1.0),
        (theirs, "CARE_S", 0.1),
        (theirs, "LISTEN_S", 1.0),
        (theirs, "SILENT_S", 1.0),
        (owned, "CARE_S", 0.1),
    ):
        monkeypatch.setattr(module, name, seconds)


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """A server that a test may stop."""
    server = RedisServer()
    server.start()
    yield server
    server.stop()
