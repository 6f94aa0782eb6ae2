"""The index of a ledger: finds records by what stands in them, and leads to their places.

It is derived: made from the ledger's own files, at any time again, and it holds names, ids and categories, never a text.
What it says proves nothing. Whoever shows a record reads it from its place in the ledger and verifies it there, and whoever
has to be sure that nothing is missing goes through the ledger itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from yumen_plugins.audit.index.query import Page, Query
from yumen_plugins.audit.index.rows import Row, row_of

By = Literal["outcome", "rule", "type", "decision", "tenant", "route", "policy", "day"]


class IndexUnavailable(Exception):
    """The index cannot answer now; the message says why, and holds no value and no address."""


class IndexRenewed(Exception):
    """The index was emptied since its positions were read, so that what was to be added has no place: read them again."""


class Index(Protocol):
    """One index. Several processes may use it at once, each through an object of its own; an object serves one thread at a
    time and lets others wait. Error of every method: `IndexUnavailable`.
    """

    def open(self) -> None:
        """Connect, and make the tables where there are none, or those of another version. Error: `CannotStart`."""
        ...

    def positions(self) -> dict[str, int]:
        """For each log, the entry to go on with."""
        ...

    def add(self, rows: Sequence[Row], positions: Mapping[str, int]) -> None:
        """Add rows and move positions forward, both or neither. Rows that are there already, or were forgotten, change
        nothing. Error: `IndexRenewed`.
        """
        ...

    def locate(self, key: str) -> list[tuple[str, int]]:
        """The places, as log and seq, of what has this receipt or this id of an exchange."""
        ...

    def find(self, query: Query) -> Page:
        """One page of what a query asks for, the newest first. It looks at a bounded number of rows, so a page may hold
        fewer than asked for, or none, and yet have a cursor to go on with. Error: `ValueError` for a cursor that is none.
        """
        ...

    def count(self, query: Query, by: By) -> dict[str, int]:
        """How many records there are for each value, the most frequent first, or for each `day` in UTC, in their order; of
        more than 1,000 values the most frequent, or the latest. What has no value is not counted, and `limit` and `cursor`
        mean nothing. Error: `ValueError` where too many would have to be looked at, or `by` is none of these.
        """
        ...

    def forget(self, log: str, below: int) -> None:
        """Remove what has a smaller seq, for good: it is not added again. Call it again where it was interrupted."""
        ...

    def drop(self, log: str) -> None:
        """Remove a log wholly, as if it had never been read."""
        ...

    def clear(self) -> None:
        """Remove everything, to be made anew."""
        ...

    def exclusive(self, log: str) -> AbstractContextManager[bool]:
        """Whether this is the only one that now brings a log up to date; it does not wait."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


__all__ = ["By", "Index", "IndexRenewed", "IndexUnavailable", "Page", "Query", "Row", "row_of"]
