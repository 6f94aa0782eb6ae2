"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings
from tests.redis_server import RedisServer
from tests.upstream import Upstream

from yumen import telemetry

# An example that takes longer than usual says nothing where several processes share the machine; pytest's timeout holds.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests go first: begun last, they would keep one process busy while the other has nothing left."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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
def _logging() -> Iterator[None]:
    """The command line sets logging for its whole process, which in tests is everybody's."""
    before, verbose = structlog.get_config(), telemetry.verbose
    yield
    structlog.configure(**before)
    telemetry.verbose = verbose
