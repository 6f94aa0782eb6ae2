"""The file `subjects.sqlite`: opened by every process of a gateway at once, and scrubbed of what is deleted.

SQLite runs with a write-ahead log and synchronous=FULL, so what was committed is on disk; with secure_delete, so deleted
bytes are overwritten; and after an erasure the write-ahead log is cut to nothing, because it holds older copies of pages.
Beyond its reach are copies outside of these files: backups, snapshots, and what a file system or a drive has freed but not
overwritten. They hold wrapped keys only.

See https://sqlite.org/pragma.html#pragma_secure_delete and https://sqlite.org/wal.html.
"""

from __future__ import annotations

import os
import random
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yumen import CannotStart
from yumen_plugins.audit.subjects.errors import KeyringUnavailable

FILE = "subjects.sqlite"
SCHEMA_VERSION = 1
BUSY_S = 5.0
RETRY_S = 0.001
ADVICE = "see that its disk has room and can be written, and that no other program keeps it locked"
OCCUPIED = frozenset(("SQLITE_BUSY", "SQLITE_LOCKED"))
DAMAGED = frozenset(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
RESTORE = "restore it from a backup, and repeat erasures since; without it no sealed text can be read"
# `retired` is 0 for the key in use and otherwise the row's own number, so that a subject has at most one in use.
SCHEMA = """
CREATE TABLE about (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE tenants (tenant TEXT PRIMARY KEY, subjects INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE keys (
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, subject TEXT NOT NULL,
  retired INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL, sealed INTEGER NOT NULL DEFAULT 0, wrapped BLOB NOT NULL,
  UNIQUE (tenant, subject, retired)
);
CREATE TABLE erasures (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, tenant TEXT NOT NULL, subject TEXT NOT NULL,
  whole_tenant INTEGER NOT NULL, actor TEXT NOT NULL, erased INTEGER NOT NULL, subjects INTEGER NOT NULL
);
CREATE TABLE destroyed (
  n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, erasure INTEGER NOT NULL REFERENCES erasures
);
CREATE INDEX destroyed_by ON destroyed (erasure);
CREATE TABLE holds (
  id TEXT PRIMARY KEY, tenant TEXT NOT NULL, subject TEXT NOT NULL, reason TEXT NOT NULL, actor TEXT NOT NULL,
  since REAL NOT NULL, until REAL
) WITHOUT ROWID;
"""


class Database:
    """One connection, for any thread. Errors of every method: `KeyringUnavailable`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._connection = connection
        self._stamp = self._file()

    @classmethod
    def open(cls, data_dir: Path, check: bytes) -> Database:
        """Open or make the file. `check` tells whether it was made under the same secret. Error: `CannotStart`."""
        path = data_dir / FILE
        try:
            data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            _make_private(path)
            connection = sqlite3.connect(path, BUSY_S, isolation_level=None, check_same_thread=False)
        except OSError as error:
            raise CannotStart(f"cannot use {path}: {error.strerror}; make it writable, or set YUMEN_DATA") from None
        except sqlite3.Error as error:
            raise CannotStart(_explain(path, error)) from None
        try:
            _prepare(connection)
            _check(path, connection, check)
            # Where an erasure was cut off before its end.
            _cut(connection)
            return cls(path, connection)
        except sqlite3.Error as error:
            connection.close()
            raise CannotStart(_explain(path, error)) from None
        except BaseException:
            connection.close()
            raise

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement to its end, so that it holds no lock of the file."""
        with self.lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise self._unusable(error) from None

    @contextmanager
    def write(self) -> Iterator[None]:
        """All statements within, or none; durable when it ends. Waits up to BUSY_S for other processes."""
        with self.lock:
            self.check()
            try:
                _begin(self._connection)
            except sqlite3.Error as error:
                raise self._unusable(error) from None
            try:
                yield
                self.rows("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self.rows("ROLLBACK")
                raise

    def check(self) -> None:
        """Make sure that the file is still the one that was opened: in another one nothing would be erased, or held."""
        if self._file() != self._stamp:
            raise KeyringUnavailable(f"{self.path} was replaced under a running process; start it again")

    def version(self) -> int:
        """Changes when another connection wrote; takes microseconds. Also makes sure that the file is still the same."""
        self.check()
        version: int = self.rows("PRAGMA data_version")[0][0]
        return version

    def scrub(self) -> None:
        """Bring what is deleted out of the write-ahead log, too."""
        until = time.monotonic() + BUSY_S
        with self.lock:
            try:
                while not _cut(self._connection):
                    if time.monotonic() > until:
                        raise KeyringUnavailable(
                            "the key is deleted, but a copy is left where another process reads; erase once more"
                        )
                    time.sleep(RETRY_S)
            except sqlite3.Error as error:
                raise self._unusable(error) from None

    def close(self) -> None:
        with self.lock:
            self._connection.close()

    def _file(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _unusable(self, error: sqlite3.Error) -> KeyringUnavailable:
        return KeyringUnavailable(_explain(self.path, error))


def _explain(path: Path, error: sqlite3.Error) -> str:
    # The library's own message could quote a statement.
    name: str = getattr(error, "sqlite_errorname", type(error).__name__)
    return f"cannot use {path}: {name}; {RESTORE if name in DAMAGED else ADVICE}"


def _make_private(path: Path) -> None:
    # The empty file gets its name when it is closed: closing a file drops every lock that this process has on it.
    if not path.exists():
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    path.chmod(0o600)


def _prepare(connection: sqlite3.Connection) -> None:
    until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
            break
        except sqlite3.OperationalError:
            # Going over to a write-ahead log does not wait for others that do so at the same time.
            if time.monotonic() > until:
                raise
            time.sleep(RETRY_S)
    for setting in ("synchronous=FULL", "secure_delete=ON", "temp_store=MEMORY", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {setting}").fetchall()


def _check(path: Path, connection: sqlite3.Connection, check: bytes) -> None:
    if _version(connection) == 0:
        _begin(connection)
        if _version(connection) == 0:
            for statement in SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute("INSERT INTO about VALUES ('check', ?)", (check,))
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        connection.execute("COMMIT")
    if _version(connection) > SCHEMA_VERSION:
        raise CannotStart(f"{path} is of a later version of Yumen; start that one")
    if connection.execute("SELECT value FROM about WHERE name = 'check'").fetchone() != (check,):
        raise CannotStart(f"{path} was made under another secret; restore DATA/secret, which its keys are wrapped with")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _begin(connection: sqlite3.Connection) -> None:
    # SQLite looks every tenth of a second whether its turn has come, and finds a gap between the writes of a busy process
    # too seldom.
    until = time.monotonic() + BUSY_S
    with _at_once(connection):
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname not in OCCUPIED or time.monotonic() > until:
                    raise
                time.sleep(random.uniform(0, 2 * RETRY_S))  # noqa: S311 - so that two do not look in step


def _cut(connection: sqlite3.Connection) -> bool:
    """Move the write-ahead log into the file and cut it to nothing, unless somebody is in the way just now."""
    with _at_once(connection):
        try:
            busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname not in OCCUPIED:
                raise
            return False
    return not busy


@contextmanager
def _at_once(connection: sqlite3.Connection) -> Iterator[None]:
    """What is done within waits for nobody."""
    connection.execute("PRAGMA busy_timeout=0").fetchall()
    try:
        yield
    finally:
        connection.execute(f"PRAGMA busy_timeout={int(BUSY_S * 1000)}").fetchall()
