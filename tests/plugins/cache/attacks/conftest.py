"""A real server, and gateways on it, for all attacks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.redis_server import RedisServer


@pytest.fixture(scope="session")
def one_server() -> Iterator[RedisServer]:
    made = RedisServer()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def redis_server(one_server: RedisServer) -> RedisServer:
    """One that holds nothing."""
    one_server.clear()
    return one_server


@pytest.fixture
def own_server() -> Iterator[RedisServer]:
    """One that may be stopped."""
    made = RedisServer()
    made.start()
    yield made
    made.stop()
