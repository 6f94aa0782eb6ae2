"""What an index is, whichever database keeps it: four tables, and what is asked of them.

`entry` holds the rows by *place*, a number made of the log's own number and seq. `posting` leads from a word (words.py) to
the places that have it, the newest last. A query is answered from one word's postings, those that reach furthest back; each
place in them is looked up under every other word. So no combination of filters needs an index of its own.

https://nlp.stanford.edu/IR-book/html/htmledition/a-first-take-at-building-an-inverted-index-1.html
"""

from __future__ import annotations

import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, get_args

import msgspec

from yumen_plugins.audit.index import By, IndexRenewed, IndexUnavailable
from yumen_plugins.audit.index.cursor import KEY_BYTES, Bound, seal, unseal
from yumen_plugins.audit.index.query import LIMIT_MAX, Page, Query
from yumen_plugins.audit.index.rows import EPOCH, SEQ_BITS, SEQ_MAX, Row
from yumen_plugins.audit.index.words import word, words_asked, words_of

# Another version of the tables is emptied and made anew.
VERSION = 1
TABLES = ("meta", "log", "entry", "posting")
COLUMNS = (
    *("place", "time_us", "kind", "id", "receipt", "tenant", "app", "key", "subject", "route", "policy", "outcome"),
    *("operation", "actor", "decision", "rules", "types", "streamed", "total_ms", "egress"),
)
ROWS = f"SELECT l.name, {', '.join(f'e.{name}' for name in COLUMNS)} FROM"
WITHIN = "word = ? AND (time_us, place) < (?, ?) AND (time_us, place) >= (?, ?)"
MATCHED = "p.word = ? AND (p.time_us, p.place) < (?, ?) AND (p.time_us, p.place) >= (?, ?)"
ITS_ENTRY = " AND e.place = p.place"
NAMED = f" AND l.no = (p.place >> {SEQ_BITS})"
NEWEST_FIRST = "ORDER BY {0}time_us DESC, {0}place DESC LIMIT ?"
LOCATED_MAX, VALUES_MAX, BATCH = 100, 1000, 1000
DAY_US = 86_400 * 10**6
FIRST: Bound = (-(1 << 63), 0)
LAST: Bound = ((1 << 63) - 1, 0)
COUNTED: tuple[str, ...] = get_args(By)
LISTS = {"rule": "rules", "type": "types"}
Posting = tuple[int, int, int]


class Tables(ABC):
    """See `Index`. A page looks at `scan_max` places at most, a count at `count_max`. `say` is told what an operator should
    know, in a sentence.
    """

    scan_max = 20_000
    count_max = 2_000_000
    # How SQL says that what was read stays as it is until the end, or is nobody else's; how a list in a column becomes rows.
    shared: str
    held: str
    listed: str

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        # Each thread adds to what it has read itself.
        self._read = threading.local()

    @abstractmethod
    def open(self) -> None: ...

    @abstractmethod
    def clear(self) -> None: ...

    @abstractmethod
    def exclusive(self, log: str) -> AbstractContextManager[bool]: ...

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def _transaction(self, writes: bool = False) -> AbstractContextManager[None]:
        """All or nothing; one thread at a time. Errors of the database come out as `IndexUnavailable`."""

    @abstractmethod
    def _run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What one statement answers. Values stand in it as `?`, never as text."""

    @abstractmethod
    def _insert(self, entries: list[tuple[Any, ...]], postings: list[Posting]) -> None:
        """Add what is not there yet."""

    @abstractmethod
    def _delete(self, postings: list[Posting]) -> None:
        """Remove postings."""

    def positions(self) -> dict[str, int]:
        with self._transaction():
            self._read.epoch = self._key()
            return dict(self._run("SELECT name, next FROM log"))

    def add(self, rows: Sequence[Row], positions: Mapping[str, int]) -> None:
        with self._transaction(writes=True):
            if self._key(self.shared) != getattr(self._read, "epoch", b""):
                raise IndexRenewed
            logs = {name: self._log(name) for name in sorted({row.log for row in rows} | set(positions))}
            entries, postings = list[tuple[Any, ...]](), list[Posting]()
            for row in rows:
                number, floor = logs[row.log]
                if row.seq >= floor:
                    place = number << SEQ_BITS | row.seq
                    entries.append(_values(place, row))
                    postings += [(each, row.time_us, place) for each in set(words_of(row))]
            # Neighbours in the table are neighbours here.
            postings.sort()
            self._insert(entries, postings)
            for name, following in positions.items():
                self._run("UPDATE log SET next = ? WHERE no = ? AND next < ?", (following, logs[name][0], following))

    def locate(self, key: str) -> list[tuple[str, int]]:
        sql = f"{ROWS} {_tables(0, 'entry e', 'log l')} WHERE p.word IN (?, ?){ITS_ENTRY}{NAMED} LIMIT ?"
        with self._transaction():
            found = self._run(sql, (word("id", key), word("receipt", key), LOCATED_MAX))
            return sorted({(row.log, row.seq) for row in map(_row, found) if key in (row.id, row.receipt)})

    def find(self, query: Query) -> Page:
        limit = max(1, min(query.limit, LIMIT_MAX))
        with self._transaction():
            key = self._key()
            upper, lower = _times(query)
            if query.cursor:
                upper = min(upper, unseal(key, query))
            first, *others = words_asked(query)
            reached = None
            if others:
                first, others, reached = self._rarest([first, *others], upper, lower)
            where = (first, *upper, *(reached or lower), *others)
            tables = _tables(len(others), "entry e", "log l")
            sql = f"{ROWS} {tables} WHERE {MATCHED}{ITS_ENTRY}{NAMED}{_also(len(others))} {NEWEST_FIRST.format('p.')}"
            found = self._run(sql, (*where, limit + 1))
            if len(found) > limit:
                _, place, time_us, *_ = found[limit - 1]
                reached = time_us, place
            return Page([_row(one) for one in found[:limit]], seal(key, query, reached) if reached else None)

    def count(self, query: Query, by: By) -> dict[str, int]:
        if by not in COUNTED:
            raise ValueError(f"there is nothing of that name to count by; there are {', '.join(COUNTED)}")
        value, joined, order = f"e.{by}", ITS_ENTRY, "2 DESC, 1"
        tables = ["entry e"]
        if by in LISTS:
            value = "j.value"
            tables.append(self.listed.format(LISTS[by]))
        elif by == "day":
            value, joined, order = f"p.time_us / {DAY_US}", "", "1 DESC"
            tables.clear()
        with self._transaction():
            upper, lower = _times(query)
            first, others, _ = self._rarest(words_asked(query), upper, lower)
            if self._reach(first, upper, lower, self.count_max + 1):
                raise ValueError(
                    f"these are more than {self.count_max:,} records to count; bring since and until closer"
                )
            counted = self._run(
                f"SELECT {value}, count(*) FROM {_tables(len(others), *tables)}"  # noqa: S608  only our own names
                f" WHERE {MATCHED}{joined}{_also(len(others))} GROUP BY 1 ORDER BY {order} LIMIT ?",
                (first, *upper, *lower, *others, VALUES_MAX),
            )
        if by == "day":
            return {(EPOCH + timedelta(days=day)).date().isoformat(): count for day, count in reversed(counted)}
        return {name: count for name, count in counted if name}

    def forget(self, log: str, below: int) -> None:
        below = min(below, SEQ_MAX + 1)
        with self._transaction(writes=True):
            number, _ = self._log(log)
            # First of all, so that nothing that is being read meanwhile comes back.
            self._run("UPDATE log SET floor = ? WHERE no = ? AND floor < ?", (below, number, below))
            self._run("UPDATE log SET next = ? WHERE no = ? AND next < ?", (below, number, below))
        first = number << SEQ_BITS
        while self._forget_some(first, first + below):
            pass

    def drop(self, log: str) -> None:
        self.forget(log, SEQ_MAX + 1)
        with self._transaction(writes=True):
            self._renew()
            self._run("DELETE FROM log WHERE name = ?", (log,))

    def _forget_some(self, first: int, end: int) -> bool:
        """Remove a batch of the entries from `first` to before `end`; whether there were any."""
        sql = (
            f"{ROWS} entry e CROSS JOIN log l WHERE e.place >= ? AND e.place < ? AND l.no = ? ORDER BY e.place LIMIT ?"
        )
        with self._transaction(writes=True):
            found = self._run(sql, (first, end, first >> SEQ_BITS, BATCH))
            if found:
                self._delete([(each, one[2], one[1]) for one in found for each in set(words_of(_row(one)))])
                self._run("DELETE FROM entry WHERE place >= ? AND place <= ?", (found[0][1], found[-1][1]))
        return bool(found)

    def _prepare(self, tables: set[str], schema: Sequence[str]) -> None:
        """Make the tables where there are none, or not those of this version. Call it in a transaction."""
        if tables.issuperset(TABLES):
            if self._run("SELECT version FROM meta") == [(VERSION,)]:
                return
            self._say("the index of the ledger is of another version; it is made anew")
        for statement in (*(f"DROP TABLE IF EXISTS {name}" for name in TABLES), *schema):
            self._run(statement)
        self._run("INSERT INTO meta (version, epoch) VALUES (?, ?)", (VERSION, secrets.token_bytes(KEY_BYTES)))

    def _renew(self) -> None:
        self._run("UPDATE meta SET epoch = ?", (secrets.token_bytes(KEY_BYTES),))

    def _key(self, held: str = "") -> bytes:
        """The key of cursors. It is another one after rows were taken away that may come again: nothing that was read from
        the index before holds then.
        """
        found = self._run(f"SELECT epoch FROM meta{held}")  # noqa: S608  only our own names
        if len(found) != 1:
            raise IndexUnavailable("the index has lost its own key; clear it, and it is made anew")
        return bytes(found[0][0])

    def _log(self, name: str) -> tuple[int, int]:
        """The number of a log and the first seq that it may have; nobody changes them until the transaction ends."""
        sql = f"SELECT no, floor FROM log WHERE name = ?{self.held}"  # noqa: S608  only our own names
        found = self._run(sql, (name,))
        if not found:
            self._run("INSERT INTO log (name, next, floor) VALUES (?, 0, 0) ON CONFLICT (name) DO NOTHING", (name,))
            found = self._run(sql, (name,))
        number, floor = found[0]
        return number, floor

    def _rarest(self, words: list[int], upper: Bound, lower: Bound) -> tuple[int, list[int], Bound | None]:
        """The word whose postings reach furthest back, the others, and how far `scan_max` of them reach."""
        reached = {each: self._reach(each, upper, lower, self.scan_max) for each in words}
        first = min(words, key=lambda each: reached[each] or FIRST)
        return first, [each for each in words if each != first], reached[first]

    def _reach(self, each: int, upper: Bound, lower: Bound, count: int) -> Bound | None:
        """Where so many postings of a word end, or None where there are fewer."""
        sql = f"SELECT time_us, place FROM posting WHERE {WITHIN} {NEWEST_FIRST.format('')} OFFSET ?"  # noqa: S608  only our own names
        found = self._run(sql, (each, *upper, *lower, 1, count - 1))
        return (found[0][0], found[0][1]) if found else None


def _tables(others: int, *more: str) -> str:
    """The tables of a search, in the order in which they are looked into: other words first, which let few places pass."""
    return " CROSS JOIN ".join(("posting p", *(f"posting q{number}" for number in range(others)), *more))


def _also(others: int) -> str:
    """That a place has other words too."""
    one = " AND q{0}.word = ? AND q{0}.time_us = p.time_us AND q{0}.place = p.place"
    return "".join(one.format(number) for number in range(others))


def _times(query: Query) -> tuple[Bound, Bound]:
    """What is behind a query's rows, and where they begin. Times that no database can hold are as far away as can be."""
    until = LAST if query.until_us is None else max(FIRST, min((query.until_us, 0), LAST))
    since = FIRST if query.since_us is None else max(FIRST, min((query.since_us, 0), LAST))
    return until, since


def _values(place: int, row: Row) -> tuple[Any, ...]:
    return (
        place,
        row.time_us,
        row.kind,
        row.id,
        row.receipt,
        row.tenant,
        row.app,
        row.key,
        row.subject,
        row.route,
        row.policy,
        row.outcome,
        row.operation,
        row.actor,
        row.decision,
        msgspec.json.encode(row.rules).decode(),
        msgspec.json.encode(row.types).decode(),
        int(row.streamed),
        row.total_ms,
        row.egress,
    )


_names = msgspec.json.Decoder(tuple[str, ...])
# Where the names of a found row end; the log stands before its columns.
NAMES_END = 1 + COLUMNS.index("rules")


def _row(found: tuple[Any, ...]) -> Row:
    log, place, time_us, *names = found[:NAMES_END]
    rules, types, streamed, total_ms, egress = found[NAMES_END:]
    lists = _names.decode(rules), _names.decode(types)
    values: tuple[Any, ...] = (log, place & SEQ_MAX, time_us, *names, *lists, bool(streamed), total_ms, egress)
    return Row(*values)
