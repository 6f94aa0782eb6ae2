"""Fixtures that every test may use."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings
from tests.redis_server import RedisServer
from tests.upstream import Upstream

from yumen import telemetry
from yumen.store import redis as redis_store

# How long an operation of the store may take where that is not what is tested.
STORE_PATIENCE_S = 20.0

# An example that takes longer than usual says nothing where several processes share the machine; pytest's timeout holds.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files go first: begun last, they would keep one process busy while the other has nothing left.

    The longest are those with slow tests, then those that start servers.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    server = {item.path for item in items if item.get_closest_marker("server")}
    items.sort(key=lambda item: (item.path not in slow, item.path not in server))


@pytest.fixture(scope="module", autouse=True)
def _light() -> None:
    """What is there before a file's tests, above all ten thousand collected tests, stays to the end: whoever collects
    garbage need not look through it each time, which would take longer than many of the tests that do so.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """A recording upstream in a thread of its own; see upstream.py for what it can be told. `clear` it before use."""
    server = Upstream()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis server on a port of its own, shared by all tests; `clear` it before use."""
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shared Redis server neither hangs nor stops, but the machine may be busy: an answer may take longer than is taken
    for a hang where that is tested, which is on servers that tests have to themselves.
    """
    if "redis_server" in request.fixturenames:
        for limit in ("CONNECT_S", "ANSWER_S", "OPERATION_S"):
            monkeypatch.setattr(redis_store, limit, STORE_PATIENCE_S)


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """The command line sets logging for its whole process, which in tests is everybody's."""
    before, verbose, configured = structlog.get_config(), telemetry.verbose, telemetry.configured
    yield
    structlog.configure(**before)
    telemetry.verbose, telemetry.configured = verbose, configured
