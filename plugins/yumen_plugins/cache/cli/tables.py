"""What a gateway says of its cache, for eyes. A gateway is another machine: nothing of it is taken for granted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

ROWS_MAX = 10_000
DEPTH_MAX = 6


def lookups(shown: Mapping[str, Any]) -> Table:
    """A row for each instance, tenant and reason, with its share of the tenant's exchanges."""
    table = Table("instance", "tenant", "state", "reason", "exchanges", "share")
    for instance, stats in shown.items():
        for tenant, counts in _object(_object(stats).get("lookups")).items():
            numbers = {name: count for name, count in _object(counts).items() if isinstance(count, int)}
            total = sum(numbers.values()) or 1
            for name, count in numbers.items():
                state, _, reason = name.partition(" ")
                row = (instance, tenant, state, reason, count, f"{count / total:.1%}")
                table.add_row(*map(cell, row))
    return table


def parts(shown: Mapping[str, Any]) -> Table:
    """A row for each figure of each part."""
    table = Table("instance", "part", "figure", "value")
    for instance, stats in shown.items():
        for part, figures in _object(stats).items():
            if part == "lookups" or figures is None:
                continue
            for name, value in _flat(figures):
                if table.row_count < ROWS_MAX:
                    table.add_row(*map(cell, (instance, part, name, value)))
    return table


def cell(value: Any) -> Text:
    """A value without anything that a terminal would act on."""
    return Text("".join(char if char.isprintable() else "?" for char in str(value)))


def _flat(figures: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    if not isinstance(figures, Mapping) or depth == DEPTH_MAX:
        yield name, figures
        return
    for key, value in figures.items():
        yield from _flat(value, f"{name}.{key}" if name else str(key), depth + 1)


def _object(value: Any) -> Mapping[str, Any]:
    """An object as it is; nothing of anything else."""
    return value if isinstance(value, Mapping) else {}
