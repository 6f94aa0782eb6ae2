"""Finds records by the index, and shows them from their places in the ledger."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from yumen import CannotStart
from yumen_plugins.audit.index import Index, IndexUnavailable, Page, Query, Row
from yumen_plugins.audit.index.follow import catch_up
from yumen_plugins.audit.index.postgres import PostgresIndex
from yumen_plugins.audit.index.sqlite import SqliteIndex
from yumen_plugins.audit.log.files import Missing
from yumen_plugins.audit.reading import LedgerFolder
from yumen_plugins.audit.retention import kept_from
from yumen_plugins.audit.sinks import Item

FILE = Path("index") / "ledger.sqlite"
PAGE = 500

Record = dict[str, Any]


def index_of(data_dir: Path, url_env: str, say: Callable[[str], None]) -> Index:
    """The index that policy asks for, open. `say` is told what befell it. Error: `CannotStart`."""
    index: Index
    if url_env:
        url = os.environ.get(url_env, "")
        if not url:
            raise CannotStart(f"{url_env} is not set; set it to the URL of the Postgres that holds the index")
        index = PostgresIndex(url, say)
    else:
        index = SqliteIndex(data_dir / FILE, say)
    index.open()
    return index


class Search:
    """A ledger with its index. For one thread at a time; others wait. Errors of all: OSError; `IndexUnavailable`."""

    def __init__(self, ledger: LedgerFolder, index: Index) -> None:
        self._ledger = ledger
        self._index = index
        self._turn = threading.Lock()
        self._closed = False

    def catch_up(
        self, progress: Callable[[int], None] = lambda count: None, stop: Callable[[], bool] = lambda: False
    ) -> int:
        """Add to the index what is new; how many records that were."""
        with self._turn:
            return catch_up(self._index, self._ledger, progress, lambda: self._closed or stop())

    def catch_up_some(self) -> int:
        """Add to the index one batch of what is new; how many entries that were, 0 where there is nothing more."""
        read = 0

        def progress(count: int) -> None:
            nonlocal read
            read += count

        self.catch_up(progress, lambda: read > 0)
        if not read:
            with self._turn:
                self._ledger.release()
        return read

    def catch_up_within(self, seconds: float) -> bool:
        """Add to the index what is new, as far as one gets in so many seconds; whether that was all."""
        until = time.monotonic() + seconds
        if not self._turn.acquire(timeout=seconds):
            return False
        try:
            catch_up(self._index, self._ledger, lambda count: None, lambda: self._closed or time.monotonic() > until)
            return not self._closed and not self._lacking()
        finally:
            self._turn.release()

    def forget_dropped(self) -> None:
        """Remove from the index what retention has dropped from the front of logs."""
        with self._turn:
            for name in self._ledger.names():
                below = kept_from(self._ledger.folder / name)
                if below:
                    self._index.forget(name, below)

    def behind(self) -> int:
        """How many entries the index lacks."""
        with self._turn:
            return self._lacking()

    def _lacking(self) -> int:
        known = self._index.positions()
        return sum(max(0, size - known.get(log, 0)) for log, size in self._ledger.logs().items())

    def page(self, query: Query) -> Page:
        """One page of rows. Error: ValueError for a cursor that is none."""
        return self._index.find(query)

    def records(self, query: Query) -> Iterator[tuple[Row, Record]]:
        """All records of a query, page after page, the newest first; those that are gone are passed over."""
        query = msgspec.structs.replace(query, limit=PAGE)
        while True:
            page = self.page(query)
            for row in page.rows:
                record = self.record(row.log, row.seq)
                if record is not None:
                    yield row, record
            if page.cursor is None:
                return
            query = msgspec.structs.replace(query, cursor=page.cursor)

    def record(self, log: str, seq: int) -> Record | None:
        """The record at a place, or None where it was dropped, or is not what the index takes it for."""
        try:
            with self._turn:
                return self._ledger.at(log, seq)
        except (Missing, FileNotFoundError):
            return None

    def locate(self, key: str) -> list[tuple[str, int]]:
        """The places of the records with this receipt or id."""
        return self._index.locate(key)

    def close(self) -> None:
        """Let go of the index, when whoever brings it up to date has done a batch."""
        self._closed = True
        with self._turn:
            self._index.close()


class Carried:
    """What sinks read: records as they are on disk, so that their texts stay sealed, and are forgotten with their keys."""

    def __init__(self, folder: Path) -> None:
        self._ledger = LedgerFolder(folder)
        self._turn = threading.Lock()

    def read(self, after: dict[str, int], limit: int) -> Sequence[Item]:
        """See `Source` in sinks/target.py."""
        items: list[Item] = []
        with self._turn:
            sizes = self._ledger.logs()
            # What is furthest behind comes first, so that a busy log never keeps the others waiting for ever.
            for log in sorted(sizes, key=lambda name: after.get(name, 0) - sizes[name]):
                start, size = after.get(log, 0), sizes[log]
                while start < size and len(items) < limit:
                    found = self._ledger.read(log, start, limit)
                    items += [Item(log, seq, record) for seq, record in found[: limit - len(items)]]
                    start += limit
                if len(items) >= limit:
                    break
        return items

    def sizes(self) -> Mapping[str, int]:
        """The number of entries by log."""
        with self._turn:
            return self._ledger.logs()


__all__ = ["Carried", "IndexUnavailable", "Search", "index_of"]
