"""Counters in the memory of one process. See `yumen.state.Counters`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar
from weakref import WeakValueDictionary

from yumen.state import Entry, Reading, Scope, Series
from yumen.store.counting import check, fields, nothing
from yumen.store.windows import Column, Distinct, Recent, Ring, Until, Usual

ROWS_MIN = 64
Made = TypeVar("Made", bound=Column)


class Table:
    """Everybody in one scope, each with a row in every column. The least recently used give their rows to others.

    A column is found again by its name as long as somebody counts in it: a policy that takes another's place goes on with
    what did not change, while exchanges under way still count in what the old one had.
    """

    def __init__(self) -> None:
        self.keys_max = 0
        self._rows: OrderedDict[str, int] = OrderedDict()  # least recently used first
        self._free: list[int] = []
        self._room = 0
        self._columns: WeakValueDictionary[str, Column] = WeakValueDictionary()

    def __contains__(self, who: str) -> bool:
        """Whether somebody is counted."""
        return who in self._rows

    @property
    def names(self) -> list[str]:
        """Everybody who is counted."""
        return [*self._rows]

    def row(self, who: str) -> int:
        """Where somebody is counted."""
        row = self._rows.get(who)
        if row is None:
            return self._new(who)
        self._rows.move_to_end(who)
        return row

    def _new(self, who: str) -> int:
        # Two go for one that comes where a policy has lowered the ceiling, so that nobody waits for all of them.
        for _ in range(min(2, max(0, len(self._rows) - self.keys_max + 1))):
            row = self._rows.popitem(last=False)[1]
            for column in self._columns.values():
                column.forget(row)
            self._free.append(row)
        row = self._free.pop() if self._free else len(self._rows)
        if row >= self._room:
            self._room = max(ROWS_MIN, min(self.keys_max, self._room + self._room // 4), row + 1)
            for column in self._columns.values():
                column.grow(self._room)
        self._rows[who] = row
        return row

    def column(self, name: str, kind: type[Made], make: Callable[[], Made]) -> Made:
        """The column of this name."""
        column = self._columns.get(name)
        if not isinstance(column, kind):
            column = make()
            column.grow(self._room)
            self._columns[name] = column
        return column

    def clear(self) -> None:
        """Forget everybody."""
        self._rows.clear()
        self._free.clear()
        self._room = 0
        for column in self._columns.values():
            column.clear()


class Sum:
    """A series over several windows, each a column of its own."""

    def __init__(self, rings: list[Ring]) -> None:
        self.rings = rings
        self._only = rings[0] if len(rings) == 1 else None

    def change(self, row: int, now: float, change: float | None) -> Reading:
        """What each window holds."""
        if self._only is not None:
            return (self._only.add(row, now, change),)
        return tuple([ring.add(row, now, change) for ring in self.rings])


class MemoryCounters:
    """See `yumen.state.Counters`. `tables` are those of all counters of the same name, by scope."""

    def __init__(self, scopes: Sequence[Scope], tables: dict[str, Table], monotonic: Callable[[], float]) -> None:
        check(scopes)
        self._monotonic = monotonic
        self._scopes: list[tuple[Table, list[Sum | Column]]] = []
        self._nothing = [tuple(map(nothing, scope.series)) for scope in scopes]
        for scope in scopes:
            table = tables.setdefault(scope.name, Table())
            table.keys_max = scope.keys_max
            self._scopes.append((table, [_series(table, series) for series in scope.series]))

    async def count(self, entries: Sequence[Entry]) -> list[tuple[Reading, ...]]:
        """See `yumen.state.Counters`. Error: ValueError where an entry has not one change for each series."""
        now = self._monotonic()
        readings: list[tuple[Reading, ...]] = []
        for scope, who, changes in entries:
            table, counted = self._scopes[scope]
            if len(changes) != len(counted):
                raise ValueError("an entry has one change for each series of its scope")
            # Who only reads makes nobody known, and pushes nobody out.
            row = table.row(who) if who in table or any(change is not None for change in changes) else None
            if row is None:
                readings.append(self._nothing[scope])
                continue
            readings.append(
                tuple([series.change(row, now, change) for series, change in zip(counted, changes, strict=True)])
            )
        return readings

    async def wait_s(self, scope: int, who: str, series: int, limit: float) -> int:
        """See `yumen.state.Counters`. Error: ValueError where it is no sum."""
        table, counted = self._scopes[scope]
        asked = counted[series]
        if not isinstance(asked, Sum):
            raise ValueError("only a sum says when there is room")
        return asked.rings[0].wait_s(table.row(who), self._monotonic(), limit) if who in table else 1


def _series(table: Table, series: Series) -> Sum | Column:
    names, windows = fields(series), series.windows_s
    if series.kind == "sum":
        return Sum([_ring(table, name, window) for name, window in zip(names, windows, strict=True)])
    if series.kind == "distinct":
        return table.column(names[0], Distinct, lambda: Distinct(windows))
    if series.kind == "usual":
        return table.column(names[0], Usual, lambda: Usual(windows[0]))
    if series.kind == "recent":
        return table.column(names[0], Recent, lambda: Recent(series.keep))
    return table.column(names[0], Until, Until)


def _ring(table: Table, name: str, window_s: int) -> Ring:
    return table.column(name, Ring, lambda: Ring(window_s))
