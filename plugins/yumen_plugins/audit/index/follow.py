"""Brings an index up to date with a ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from yumen_plugins.audit.index import Index, IndexRenewed
from yumen_plugins.audit.index.rows import Row, row_of
from yumen_plugins.audit.threads import YIELD_EVERY, give_way

BATCH = 1000


class Source(Protocol):
    """The logs of a ledger, as they are on disk now."""

    def logs(self) -> dict[str, int]:
        """How many entries each log has."""
        ...

    def read(self, log: str, start: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
        """Those of the entries `start` to `start + limit - 1` that are records, with their seq. Entries that are not may be
        parts, or dropped: an empty list says that none of these will ever be a record. An entry that ought to be readable
        and is not raises.
        """
        ...


def catch_up(index: Index, source: Source, progress: Callable[[int], None], stop: Callable[[], bool]) -> int:
    """Add what the index does not have yet; return how many records that were.

    `progress` is told how many entries were read, after each batch; with `stop` it ends after a batch. A log that somebody
    else is adding is left to them. A log that is shorter than the index knows it is another one, from a backup perhaps, and
    is added from its beginning. Errors: those of the source; `IndexUnavailable`.
    """
    added = 0
    for log in sorted(source.logs()):
        if stop():
            break
        with index.exclusive(log) as mine:
            if mine:
                added += _log(index, source, log, progress, stop)
    return added


def _log(index: Index, source: Source, log: str, progress: Callable[[int], None], stop: Callable[[], bool]) -> int:
    """`catch_up` of one log."""
    added = 0
    while not stop():
        # In this order: a log grows, so what the index has of it was there before.
        start = index.positions().get(log, 0)
        size = source.logs().get(log, 0)
        if start > size:
            index.drop(log)
            continue
        if start == size:
            break
        end = min(start + BATCH, size)
        rows = list(_rows(log, source.read(log, start, end - start)))
        try:
            index.add(rows, {log: end})
        except IndexRenewed:
            continue
        added += len(rows)
        progress(end - start)
    return added


def _rows(log: str, found: list[tuple[int, dict[str, Any]]]) -> Iterator[Row]:
    for seq, record in found:
        if not seq % YIELD_EVERY:
            give_way()
        if row := _row(log, seq, record):
            yield row


def _row(log: str, seq: int, record: dict[str, Any]) -> Row | None:
    # Where a record stands says the log, and not the record.
    return row_of(log, record if record.get("seq") == seq else {**record, "seq": seq})
