"""An index in one file of SQLite, for the gateway's processes on one machine.

It is written ahead (WAL, https://www.sqlite.org/wal.html), so that readers and the one writer do not wait for each other. A
file that is damaged is set aside and made anew: every process sees by its number (inode) that it has another one before it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from yumen import CannotStart
from yumen_plugins.audit.index import IndexUnavailable
from yumen_plugins.audit.index.tables import COLUMNS, Posting, Tables

WAIT_S = 5.0
CACHE_KIB = 8_192
WAL_BYTES = 64 << 20
# Receipts fall anywhere into the table, so a page is changed many times before it is written to its place.
WAL_PAGES = 16_384
DAMAGED = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
# The file itself comes last: whoever finds another one there must not lose what belongs to that.
SUFFIXES = ("-wal", "-shm", "")
SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    f"PRAGMA cache_size = -{CACHE_KIB}",
    f"PRAGMA wal_autocheckpoint = {WAL_PAGES}",
    f"PRAGMA journal_size_limit = {WAL_BYTES}",
    # What is forgotten is overwritten.
    "PRAGMA secure_delete = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
)
SCHEMA = (
    "CREATE TABLE meta (version INTEGER NOT NULL, epoch BLOB NOT NULL)",
    "CREATE TABLE log (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, next INTEGER NOT NULL, floor INTEGER NOT NULL)",
    "CREATE TABLE entry (place INTEGER PRIMARY KEY, time_us INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, "
    "receipt TEXT NOT NULL, tenant TEXT NOT NULL, app TEXT NOT NULL, key TEXT NOT NULL, subject TEXT NOT NULL, "
    "route TEXT NOT NULL, policy TEXT NOT NULL, outcome TEXT NOT NULL, operation TEXT NOT NULL, actor TEXT NOT NULL, "
    "decision TEXT NOT NULL, rules TEXT NOT NULL, types TEXT NOT NULL, streamed INTEGER NOT NULL, total_ms REAL NOT NULL, "
    "egress TEXT NOT NULL)",
    "CREATE TABLE posting (word INTEGER NOT NULL, time_us INTEGER NOT NULL, place INTEGER NOT NULL, "
    "PRIMARY KEY (word, time_us, place)) WITHOUT ROWID",
)
# SQLite keeps what it is given, of whatever kind; what is read before anything else must be what was written.
ODD = (
    "SELECT 1 FROM meta WHERE typeof(epoch) <> 'blob' UNION ALL SELECT 1 FROM log WHERE typeof(name) <> 'text' "
    "OR typeof(next) <> 'integer' OR typeof(floor) <> 'integer' LIMIT 1"
)
ENTRY = f"INSERT OR IGNORE INTO entry VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608  only question marks
POSTING = "INSERT OR IGNORE INTO posting VALUES (?, ?, ?)"


class SqliteIndex(Tables):
    """See `Index`. `path` is the file; beside it stand its log and a lock."""

    shared, held = "", ""
    listed = "json_each(e.{}) j"

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        super().__init__(say)
        self.path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    def open(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._lock:
                self._connected()
                if self._odd():
                    self._set_aside()
                    self._connected()
        except OSError as error:
            raise CannotStart(
                f"cannot use {self.path}: {error.strerror}; make {self.path.parent} writable, or set YUMEN_DATA"
            ) from None
        except sqlite3.Error as error:
            raise CannotStart(str(self._failed(error))) from None

    def clear(self) -> None:
        with self._lock:
            self.close()
            for suffix in SUFFIXES:
                self._beside(suffix).unlink(missing_ok=True)
            self.open()

    @contextmanager
    def exclusive(self, log: str) -> Iterator[bool]:
        try:
            descriptor = os.open(self._beside(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise IndexUnavailable(f"the lock of the index cannot be used: {error.strerror}") from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = True
            except BlockingIOError:
                mine = False
            yield mine
        finally:
            os.close(descriptor)

    def forget(self, log: str, below: int) -> None:
        super().forget(log, below)
        # The log ahead still holds what was removed.
        with self._lock, self._failing():
            self._connected().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _transaction(self, writes: bool = False) -> Iterator[None]:
        with self._lock, self._failing():
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            try:
                yield
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # some errors have ended it already
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._failed(error) from None
        except OSError as error:
            raise IndexUnavailable(f"the file of the index cannot be used: {error.strerror}") from None

    def _connected(self) -> sqlite3.Connection:
        """The connection to the file that stands there now."""
        if self._connection is not None:
            with contextlib.suppress(FileNotFoundError):
                if self.path.stat().st_ino == self._inode:
                    return self._connection
            self.close()
        # Created here for its mode, which the files beside it get too.
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._inode = os.fstat(descriptor).st_ino
        os.close(descriptor)
        self._connection = sqlite3.connect(
            self.path, timeout=WAIT_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        try:
            for setting in SETTINGS:
                self._connection.execute(setting)
            self._connection.execute("BEGIN IMMEDIATE")
            tables = {name for (name,) in self._run("SELECT name FROM sqlite_master WHERE type = 'table'")}
            self._prepare(tables, SCHEMA)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if not self._damaged(error):
                self.close()
                raise
            self._set_aside()
            return self._connected()
        return self._connection

    def _run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        assert self._connection is not None
        return self._connection.execute(sql, values).fetchall()

    def _insert(self, entries: list[tuple[Any, ...]], postings: list[Posting]) -> None:
        assert self._connection is not None
        self._connection.executemany(ENTRY, entries)
        self._connection.executemany(POSTING, postings)

    def _delete(self, postings: list[Posting]) -> None:
        assert self._connection is not None
        self._connection.executemany("DELETE FROM posting WHERE word = ? AND time_us = ? AND place = ?", postings)

    def _odd(self) -> bool:
        try:
            return bool(self._run(ODD))
        except sqlite3.Error as error:
            if self._damaged(error):
                return True
            raise

    def _damaged(self, error: Exception) -> bool:
        if not isinstance(error, sqlite3.Error):
            return True
        # What Python says itself has no code: that it was used wrongly, or that a text in the file is none.
        code = sqlite3.SQLITE_MISUSE if isinstance(error, sqlite3.ProgrammingError) else sqlite3.SQLITE_CORRUPT
        return getattr(error, "sqlite_errorcode", code) & 0xFF in DAMAGED

    def _failed(self, error: Exception) -> IndexUnavailable:
        if self._damaged(error):
            self._set_aside()
            return IndexUnavailable("the index was damaged and is made anew; ask again when the ledger has been read")
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        return IndexUnavailable(
            f"the index cannot be used ({name}); see that its disk has room and nothing else holds it"
        )

    def _set_aside(self) -> None:
        """Put a damaged file away, unless another process has done so; the last one is kept, to be looked at."""
        self.close()
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_ino != self._inode:
                return
            for suffix in SUFFIXES:
                with contextlib.suppress(FileNotFoundError):
                    self._beside(suffix).replace(self._beside(".damaged" + suffix))
            self._say(f"the index of the ledger was damaged; it is kept as {self.path.name}.damaged, and made anew")

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)
