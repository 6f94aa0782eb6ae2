"""Each kind of index, made of what really keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.plugins.audit.index.postgres_server import PostgresServer

from yumen_plugins.audit.index.postgres import PostgresIndex
from yumen_plugins.audit.index.sqlite import SqliteIndex
from yumen_plugins.audit.index.tables import Tables

Make = Callable[[], Tables]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server on a port of its own, shared by all tests of the index."""
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def said() -> list[str]:
    """What an operator was told."""
    return []


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    return tmp_path / "index" / "ledger.sqlite"


@pytest.fixture(params=["sqlite", "postgres"])
def make(request: pytest.FixtureRequest, sqlite_path: Path, said: list[str]) -> Iterator[Make]:
    """Opens an empty index, and then the same one again, as another process does."""
    opened: list[Tables] = []
    server: PostgresServer | None = None
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        server.execute("DROP SCHEMA IF EXISTS yumen_index CASCADE")

    def one() -> Tables:
        index = PostgresIndex(server.url, said.append) if server else SqliteIndex(sqlite_path, said.append)
        index.open()
        index.positions()
        opened.append(index)
        return index

    yield one
    for index in opened:
        index.close()


@pytest.fixture
def index(make: Make) -> Tables:
    """An empty index, open."""
    return make()
