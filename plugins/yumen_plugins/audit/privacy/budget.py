"""What has been given away: every shared release, what it cost, and how much may still be given away.

The file `privacy.sqlite` in the data directory. A release, its price and its noisy numbers come into it in one transaction,
which is on disk before any number is handed out. So there is no state in between: a crash before the commit has told nobody
anything and costs nothing, and after it the release is there, and is handed out again as it is.

It keeps the noisy numbers and never the noise. The same noise over a count that has changed meanwhile would tell the exact
difference.

**What a budget covers.** Prices of one dataset (a tenant, or `*` for all tenants together) and one calendar month add up.
An exchange of a tenant is in the releases of that tenant and in those of `*`, so both are counted together: whatever was
released about a month, no exchange in it has cost more than the total. Who is a unit over several months pays in each.

**What it cannot do.** Whoever deletes the file, or puts an older copy back, has a full budget again. Each release is also an
operation in the ledger, with what it cost: that is where an auditor adds them up.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import msgspec

from yumen import CannotStart

FILE = "privacy.sqlite"
SCHEMA = 1
# All tenants together.
ALL = "*"
BUSY_S = 30.0
MONTHS_MAX = 120
PRICE = re.compile(r"[0-9]{1,40}(/[1-9][0-9]{0,39})?")
RESTORE = "restore it from a backup; without it nobody knows what has been released already"

_TABLES = """
CREATE TABLE release (
    key TEXT PRIMARY KEY, dataset TEXT NOT NULL, query TEXT NOT NULL, epsilon TEXT NOT NULL,
    numbers TEXT NOT NULL, at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE charge (
    dataset TEXT NOT NULL, month TEXT NOT NULL, key TEXT NOT NULL REFERENCES release, epsilon TEXT NOT NULL,
    PRIMARY KEY (dataset, month, key)
) WITHOUT ROWID;
"""

Numbers = dict[str, int]


class BudgetSpent(Exception):
    """A release would cost more than is left. Nothing was drawn, and nothing was charged. The text is for people."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a release answers; two that are equal are one release.

    `dataset` is a tenant or `*`; `query` names what is counted and holds its version; `months` are the first and the last
    month, as `2026-11`; `cells` are the names of the numbers; `sensitivity` and `unit` are those of `release`.
    """

    dataset: str
    query: str
    months: tuple[str, str]
    cells: tuple[str, ...]
    epsilon: Fraction
    sensitivity: int
    unit: str

    @property
    def key(self) -> str:
        """What tells it from others: a SHA-256 over its members, in a form in which they cannot run into each other."""
        members = (
            "1",
            self.dataset,
            self.query,
            *self.months,
            str(self.epsilon),
            str(self.sensitivity),
            self.unit,
            *self.cells,
        )
        return hashlib.sha256(msgspec.json.encode(members)).hexdigest()


class Kept(msgspec.Struct, frozen=True):
    """A release as it was charged. `spent` and `left` are those of the month that has the least left; `again` is whether
    it had been there before.
    """

    numbers: Numbers
    spent: Fraction
    left: Fraction
    again: bool


class Budget:
    """Opens `privacy.sqlite` in a data directory, and makes it where there is none.

    `total` is how much ε may be spent on one dataset and month, `totals` that of single datasets. They come from the
    policy, not from the file. Errors of every method: `CannotStart` where the file cannot be used.
    """

    def __init__(
        self, data_dir: Path, *, total: Fraction = Fraction(1), totals: Mapping[str, Fraction] | None = None
    ) -> None:
        self.path = data_dir / FILE
        self._total = total
        self._totals = dict(totals or {})
        with self._used():
            _create(self.path)
        with self._transaction() as base:
            version = base.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in filter(None, map(str.strip, _TABLES.split(";"))):
                    base.execute(statement)
                base.execute(f"PRAGMA user_version = {SCHEMA}")
            elif version != SCHEMA:
                raise CannotStart(f"{self.path} was made by another version of Yumen; use that version, or {RESTORE}")

    def once(self, question: Question, draw: Callable[[], Numbers]) -> Kept:
        """The release that answers a question: the one that is there, or what `draw` gives, charged and on disk.

        `draw` is called while every other process waits, and what it gives is never handed out unless it was stored.
        Errors: `BudgetSpent`; `ValueError` for months that are none; whatever `draw` raises, which costs nothing.
        """
        months = list(months_of(*question.months))
        with self._transaction() as base:
            found = base.execute("SELECT numbers FROM release WHERE key = ?", (question.key,)).fetchone()
            if found is None:
                self._afford(base, question, months)
                numbers = draw()
                self._keep(base, question, months, numbers)
            else:
                numbers = _numbers(found[0], question)
            spent, left = min((self._state(base, question.dataset, month) for month in months), key=lambda one: one[1])
        return Kept(numbers, spent, left, found is not None)

    def state(self, dataset: str, month: str) -> tuple[Fraction, Fraction]:
        """How much has been spent of a dataset's month, and how much is left."""
        with self._transaction() as base:
            return self._state(base, dataset, month)

    def _afford(self, base: sqlite3.Connection, question: Question, months: list[str]) -> None:
        for month in months:
            spent, left = self._state(base, question.dataset, month)
            if question.epsilon > left:
                raise BudgetSpent(
                    f"this release costs ε = {question.epsilon}, and of {spent + left} for {month} only {left} is left; "
                    "ask what has been released already, which costs nothing, or ask with a smaller ε"
                )

    def _state(self, base: sqlite3.Connection, dataset: str, month: str) -> tuple[Fraction, Fraction]:
        """Spent and left. Of `*`, what is left is what the tenant can bear that has spent the most of its own."""
        spent = dict[str, Fraction]()
        for name, epsilon in base.execute("SELECT dataset, epsilon FROM charge WHERE month = ?", (month,)):
            spent[name] = spent.get(name, Fraction(0)) + _price(epsilon)
        of_all = spent.get(ALL, Fraction(0))
        names = spent.keys() | self._totals.keys() | {ALL} if dataset == ALL else {dataset}
        states = []
        for name in names:
            used = of_all if name == ALL else of_all + spent.get(name, Fraction(0))
            states.append((used, max(self._totals.get(name, self._total) - used, Fraction(0))))
        return min(states, key=lambda one: one[1])

    def _keep(self, base: sqlite3.Connection, question: Question, months: list[str], numbers: Numbers) -> None:
        epsilon = str(question.epsilon)
        base.execute(
            "INSERT INTO release VALUES (?, ?, ?, ?, ?, ?)",
            (
                question.key,
                question.dataset,
                question.query,
                epsilon,
                msgspec.json.encode(numbers).decode(),
                time.time(),
            ),
        )
        base.executemany(
            "INSERT INTO charge VALUES (?, ?, ?, ?)",
            [(question.dataset, month, question.key, epsilon) for month in months],
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One writer at a time over all processes; on disk when it is left without an error, undone otherwise."""
        with self._used(), closing(sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)) as base:
            # FULL would leave a moment in which a power failure undoes a commit: https://sqlite.org/pragma.html#pragma_synchronous
            base.execute("PRAGMA synchronous = EXTRA")
            base.execute("BEGIN IMMEDIATE")
            try:
                yield base
                base.execute("COMMIT")
            finally:
                if base.in_transaction:
                    base.execute("ROLLBACK")

    @contextmanager
    def _used(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CannotStart(f"cannot use {self.path}: {error.strerror}; make its folder writable") from None
        except sqlite3.DatabaseError as error:
            # Its name, because the message could quote what was asked. What is no text has none.
            name = getattr(error, "sqlite_errorname", "")
            if isinstance(error, sqlite3.OperationalError) and name:
                raise CannotStart(f"cannot use {self.path}: {name}; make it writable, or try again") from None
            raise CannotStart(f"{self.path} is damaged; {RESTORE}") from None


def _price(written: object) -> Fraction:
    """What a release has cost. Error: `sqlite3.DatabaseError` for what nobody here has written: then nobody knows."""
    if not isinstance(written, str) or not PRICE.fullmatch(written):
        raise sqlite3.DatabaseError("no price")
    return Fraction(written)


def _numbers(written: object, question: Question) -> Numbers:
    """The numbers of a release. Error: `sqlite3.DatabaseError` for what nobody here has written."""
    if isinstance(written, str):
        with suppress(msgspec.MsgspecError, ValueError):
            numbers = msgspec.json.decode(written, type=Numbers)
            if numbers.keys() == set(question.cells):
                return numbers
    raise sqlite3.DatabaseError("no numbers")


def months_of(first: str, last: str) -> Iterator[str]:
    """Every month from the first to the last one, `2026-11` to `2027-02` for example. Error: `ValueError`."""
    number, end = _month(first), _month(last)
    if not number <= end < number + MONTHS_MAX:
        raise ValueError(f"a release is about 1 to {MONTHS_MAX} months, the first of which comes first")
    while number <= end:
        yield f"{number // 12:04}-{number % 12 + 1:02}"
        number += 1


def _month(text: str) -> int:
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text, re.ASCII):
        raise ValueError("a month is written as 2026-11")
    return int(text[:4]) * 12 + int(text[5:]) - 1


def _create(path: Path) -> None:
    """Make an empty file that only its owner can read; SQLite gives its journal the same rights."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
