"""The index in a server: what it says when it cannot be reached, and how searches are answered there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.plugins.audit.index.made import LOG, row
from tests.plugins.audit.index.postgres_server import PASSWORD, PostgresServer

from yumen import CannotStart
from yumen_plugins.audit.index import IndexUnavailable, Query
from yumen_plugins.audit.index.postgres import PostgresIndex


@pytest.fixture
def index(postgres_server: PostgresServer, said: list[str]) -> Iterator[PostgresIndex]:
    postgres_server.execute("DROP SCHEMA IF EXISTS yumen_index CASCADE")
    made = PostgresIndex(postgres_server.url, said.append)
    made.open()
    made.positions()
    yield made
    made.close()


def test_a_server_that_comes_back_is_used_again(index: PostgresIndex, postgres_server: PostgresServer) -> None:
    """Meanwhile it is said that it cannot be used; afterwards nothing has to be restarted, and nothing is lost."""
    index.add([row(seq) for seq in range(5)], {LOG: 5})
    postgres_server.stop()
    try:
        for _ in range(2):
            with pytest.raises(IndexUnavailable, match="the index in Postgres cannot be used") as raised:
                index.find(Query())
            assert PASSWORD not in str(raised.value)
            assert str(postgres_server.port) not in str(raised.value)
    finally:
        postgres_server.start()
    assert len(index.find(Query()).rows) == 5


@pytest.mark.parametrize("user", ["yumen:wrong-密码", "nobody:x"])
def test_a_server_that_refuses_is_said_at_start(postgres_server: PostgresServer, user: str) -> None:
    """Neither the password nor the address stands in the message."""
    url = f"postgresql://{user}@127.0.0.1:{postgres_server.port}/postgres"
    with pytest.raises(CannotStart, match="see that the server runs and takes its user and password") as raised:
        PostgresIndex(url, lambda _: None).open()
    assert user not in str(raised.value)
    assert str(postgres_server.port) not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("url", ["secret-pässword", "postgresql://[/x", "口令"])
def test_what_is_no_address_is_refused(url: str) -> None:
    """Without repeating it: a password might stand in it."""
    with pytest.raises(CannotStart, match="write postgresql://HOST/DB") as raised:
        PostgresIndex(url, lambda _: None)
    assert url not in str(raised.value)


def test_tables_that_somebody_removed_are_made_again(index: PostgresIndex, postgres_server: PostgresServer) -> None:
    """The search that met it fails, and the next one finds an empty index, which is then filled."""
    index.add([row(0)], {LOG: 1})
    postgres_server.execute("DROP TABLE yumen_index.posting")
    with pytest.raises(IndexUnavailable, match="42P01"):
        index.find(Query())
    assert index.positions() == {}
    index.add([row(0)], {LOG: 1})
    assert len(index.find(Query()).rows) == 1


def test_nothing_is_put_beside_other_tables(index: PostgresIndex, postgres_server: PostgresServer) -> None:
    """A database may be used by others too: all tables stand in a schema of their own."""
    index.add([row(0)], {LOG: 1})
    tables = postgres_server.execute("SELECT DISTINCT schemaname FROM pg_stat_user_tables")
    assert tables == [("yumen_index",)]


def test_a_user_that_may_make_no_schema_is_enough(index: PostgresIndex, postgres_server: PostgresServer) -> None:
    """Where an administrator has made one for it."""
    index.close()
    postgres_server.execute("DROP SCHEMA yumen_index CASCADE")
    postgres_server.execute("DROP ROLE IF EXISTS small")
    postgres_server.execute("CREATE ROLE small LOGIN PASSWORD 'x'")
    postgres_server.execute("CREATE SCHEMA yumen_index AUTHORIZATION small")
    small = PostgresIndex(postgres_server.url.replace(f"yumen:{PASSWORD}", "small:x"), lambda _: None)
    small.open()
    assert small.positions() == {}
    small.close()
    postgres_server.execute("DROP SCHEMA yumen_index CASCADE")


@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query(tenant="银行", since_us=1, until_us=1 << 60),
        Query(tenant="t1", outcome="ok", decision="allow", kind="exchange", app="default"),
        Query(subject="5e" * 16, route="chat"),
    ],
)
@pytest.mark.parametrize("analysed", [False, True])
def test_no_search_goes_through_a_table_or_sorts(
    index: PostgresIndex, postgres_server: PostgresServer, query: Query, analysed: bool
) -> None:
    """With statistics of the tables and without, a search leads from one table to the next by its key."""
    index.add([row(seq, tenant=f"t{seq % 7}") for seq in range(3000)], {LOG: 3000})
    if analysed:
        postgres_server.execute("ANALYZE yumen_index.posting, yumen_index.entry, yumen_index.log")
    asked: list[tuple[str, object]] = []
    run = index._run

    def noted(sql: str, values: object = ()) -> list[tuple[object, ...]]:
        asked.append((sql, values))
        return run(sql, values)  # type: ignore[arg-type]  # handed on as it came

    index._run = noted  # type: ignore[method-assign]  # looks at what the real one is asked
    index.find(query)
    searches = [(sql, values) for sql, values in asked if "posting" in sql]
    assert searches
    for sql, values in searches:
        with index._transaction():
            plan = "\n".join(str(line) for (line,) in run(f"EXPLAIN {sql}", values))  # type: ignore[arg-type]  # as above
        assert "Seq Scan" not in plan.replace("Seq Scan on log", "")
        assert "Sort" not in plan
        assert "Index" in plan
