"""An index in a PostgreSQL server, for the gateways of several machines; their logs have different names.

The tables stand in a schema of their own, `yumen_index`, in whatever database the address names. A session must stay ours,
so between us and the server there is no pooler that hands it to others. Needs the extra `postgres`.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from yumen import CannotStart
from yumen_plugins.audit.index import IndexUnavailable
from yumen_plugins.audit.index.tables import COLUMNS, Posting, Tables
from yumen_plugins.audit.index.words import word

INSTALL = "an index in Postgres needs the package `psycopg`; install it with: pip install 'yumen[postgres]'"
SCHEMA_NAME = "yumen_index"
CONNECT_S = 5
# A count goes through millions of rows; nothing else takes long.
OPTIONS = " ".join(
    f"-c {setting}"
    for setting in (
        f"search_path={SCHEMA_NAME}",
        "statement_timeout=60000",
        "lock_timeout=10000",
        # Queries are written in the order in which they are to be answered. The planner would rather guess from statistics,
        # which are old where rows come fast, and read a whole table where one page was asked for.
        "join_collapse_limit=1",
        "enable_seqscan=off",
        "enable_bitmapscan=off",
        "enable_hashjoin=off",
        "enable_mergejoin=off",
        "enable_sort=off",
        "enable_incremental_sort=off",
        "enable_material=off",
        "jit=off",
    )
)
TYPES = {"place": "bigint", "time_us": "bigint", "streamed": "integer", "total_ms": "float8"}
DECLARED = [f"{name} {TYPES.get(name, 'text')} NOT NULL" for name in COLUMNS]
SCHEMA = (
    "CREATE TABLE meta (version integer NOT NULL, epoch bytea NOT NULL)",
    "CREATE TABLE log (no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, "
    "next bigint NOT NULL, floor bigint NOT NULL)",
    f"CREATE TABLE entry ({', '.join(DECLARED)}, PRIMARY KEY (place))",
    "CREATE TABLE posting (word bigint NOT NULL, time_us bigint NOT NULL, place bigint NOT NULL, "
    "PRIMARY KEY (word, time_us, place))",
)
ARRAYS = ", ".join(f"?::{TYPES.get(name, 'text')}[]" for name in COLUMNS)
ENTRY = f"INSERT INTO entry SELECT * FROM unnest({ARRAYS}) ON CONFLICT DO NOTHING"  # noqa: S608  only our own names
POSTING = "INSERT INTO posting SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::bigint[]) ON CONFLICT DO NOTHING"
REMOVE = (
    "DELETE FROM posting p USING unnest(?::bigint[], ?::bigint[], ?::bigint[]) AS d (word, time_us, place) "
    "WHERE p.word = d.word AND p.time_us = d.time_us AND p.place = d.place"
)


class PostgresIndex(Tables):
    """See `Index`. `url` is an address as libpq takes it, `postgresql://user:password@host/database`. Nothing repeats it."""

    shared, held = " FOR SHARE", " FOR UPDATE"
    listed = "jsonb_array_elements_text(e.{}::jsonb) j (value)"

    def __init__(self, url: str, say: Callable[[str], None]) -> None:
        super().__init__(say)
        try:
            import psycopg.conninfo
        except ImportError:
            raise CannotStart(INSTALL) from None
        try:
            psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.Error:  # its message repeats the address
            raise CannotStart(
                "the address of the index is none that Postgres takes; write postgresql://HOST/DB"
            ) from None
        self._library: Any = psycopg
        self._url = url
        self._lock = threading.RLock()
        self._connection: Any = None

    def open(self) -> None:
        try:
            with self._transaction():
                pass
        except IndexUnavailable as error:
            raise CannotStart(f"{error}; see that the server runs and takes its user and password") from None

    def clear(self) -> None:
        with self._transaction(writes=True):
            self._renew()
            self._run("TRUNCATE log, entry, posting")

    @contextmanager
    def exclusive(self, log: str) -> Iterator[bool]:
        key = word("exclusive", f"{SCHEMA_NAME}/{log}")
        with self._transaction():
            ((mine,),) = self._run("SELECT pg_try_advisory_lock(?)", (key,))
        try:
            yield bool(mine)
        finally:
            if mine:
                # A server that has lost the connection has let go of the lock.
                with contextlib.suppress(IndexUnavailable), self._transaction():
                    self._run("SELECT pg_advisory_unlock(?)", (key,))

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                with contextlib.suppress(self._library.Error):
                    self._connection.close()
                self._connection = None

    @contextmanager
    def _transaction(self, writes: bool = False) -> Iterator[None]:
        with self._lock:
            try:
                with self._connected().transaction():
                    yield
            except (self._library.Error, msgspec.MsgspecError, UnicodeDecodeError) as error:
                # A new connection begins with a look at the tables.
                self.close()
                # A code of SQLSTATE says what is wrong, and unlike the message nothing else.
                what = getattr(error, "sqlstate", None) or type(error).__name__
                raise IndexUnavailable(f"the index in Postgres cannot be used ({what})") from None

    def _connected(self) -> Any:
        if self._connection is None or self._connection.closed:
            self._connection = self._library.connect(
                self._url, autocommit=True, connect_timeout=CONNECT_S, options=OPTIONS, application_name="yumen"
            )
            with self._connection.transaction():
                # Of all who come at once, one makes the tables.
                self._run("SELECT pg_advisory_xact_lock(?)", (word("schema", SCHEMA_NAME),))
                # An administrator may have made it, for a user that may not.
                if self._run("SELECT to_regnamespace(?) IS NULL", (SCHEMA_NAME,)) == [(True,)]:
                    self._run(f"CREATE SCHEMA {SCHEMA_NAME}")
                found = self._run("SELECT tablename::text FROM pg_tables WHERE schemaname = ?", (SCHEMA_NAME,))
                self._prepare({name for (name,) in found}, SCHEMA)
        return self._connection

    def _run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        cursor = self._connection.execute(sql.replace("?", "%s"), values)
        return cursor.fetchall() if cursor.description else []

    def _insert(self, entries: list[tuple[Any, ...]], postings: list[Posting]) -> None:
        if entries:
            self._run(ENTRY, [list(column) for column in zip(*entries, strict=True)])
            self._run(POSTING, [list(column) for column in zip(*postings, strict=True)])

    def _delete(self, postings: list[Posting]) -> None:
        self._run(REMOVE, [list(column) for column in zip(*postings, strict=True)])
