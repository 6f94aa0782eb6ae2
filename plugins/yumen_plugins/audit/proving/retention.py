"""What retention has dropped, and the statements that must say so."""

from __future__ import annotations

import re

from yumen_plugins.audit.log import note
from yumen_plugins.audit.log.tiles import ENTRIES, WIDTH, tile_path
from yumen_plugins.audit.proving.anchors import Trees
from yumen_plugins.audit.proving.report import Findings
from yumen_plugins.audit.proving.scan import Event, seconds

CLASS = re.compile(r"keep-([1-9][0-9]{0,5})d")
DAY_S = 86_400.0
CLOCK_S = 2.0


class Drops:
    """Bundles of one log that are not there, and what its records say of it."""

    def __init__(self, log: str, findings: Findings) -> None:
        match = CLASS.fullmatch(log.rpartition("/")[2])
        self._days = int(match[1]) if match else 0
        self._findings = findings
        self._missing: list[tuple[int, int]] = []
        self._statements: list[Event] = []
        # Bundles, from one up to another, that are not there without a statement, once that is concluded.
        self.unstated: list[tuple[int, int]] = []
        # How many records were dropped, and the latest time that a statement gives of one.
        self.count = 0
        self.dropped_to = ""

    def missing(self, number: int) -> None:
        """A bundle is not there."""
        if self._missing and self._missing[-1][1] == number:
            self._missing[-1] = (self._missing[-1][0], number + 1)
        else:
            self._missing.append((number, number + 1))

    def state(self, event: Event) -> None:
        """Take a statement."""
        self._statements.append(event)

    def conclude(self, trees: Trees, holds: int) -> None:
        """Compare the two, now that the log up to `holds` is known to be what was signed."""
        covered: list[tuple[int, int]] = []
        for event in self._statements:
            if event.seq < holds and self._fits(event, trees):
                covered.append((event.first // WIDTH, event.end // WIDTH))
                self.dropped_to = max(self.dropped_to, event.to_time)
                what = f"records {event.first} to {event.end - 1} of {event.from_time} to {event.to_time}"
                self._findings.add("dropped", f"{what} were dropped after {event.days} days", seq=event.seq)
        there = _without(covered, self._missing)
        self.unstated = _without(self._missing, covered)
        for first, end in self.unstated:
            what = (
                f"records {first * WIDTH} to {end * WIDTH - 1} are not there, and no statement says they were dropped"
            )
            self._findings.add("bundle-missing", what, file=tile_path(ENTRIES, first))
        for first, end in there:
            what = f"records {first * WIDTH} to {end * WIDTH - 1} should have been dropped, and are there"
            self._findings.add("not-dropped", what, file=tile_path(ENTRIES, first))
        self.count = sum(end - first for first, end in self._missing) * WIDTH

    def _fits(self, event: Event, trees: Trees) -> bool:
        first, end = event.first, event.end
        root = note.decoded(event.root)
        if not 0 <= first < end <= event.seq or first % WIDTH or end % WIDTH or root is None:
            self._findings.add("retention", "it does not say which bundles were dropped", seq=event.seq)
            return False
        if root not in trees.ranges(first // WIDTH, end // WIDTH):
            what = f"records {first} to {end - 1} are not those that it says were dropped"
            self._findings.add("retention", what, seq=event.seq)
            return False
        at, last = seconds(event.time), seconds(event.to_time)
        if not self._days or event.days < self._days:
            kept = f"for {self._days} days" if self._days else "forever"
            what = f"it drops records after {event.days} days, and they are to be kept {kept}"
            self._findings.add("dropped-early", what, seq=event.seq)
        elif at is None or last is None or at + CLOCK_S < last + event.days * DAY_S:
            what = f"it drops a record of {event.to_time} before its {event.days} days were over"
            self._findings.add("dropped-early", what, seq=event.seq)
        return True


def _without(ranges: list[tuple[int, int]], others: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges less what lies in others as well."""
    left: list[tuple[int, int]] = []
    cuts = _merged(others)
    for start, end in _merged(ranges):
        for other_start, other_end in cuts:
            if other_end <= start or other_start >= end:
                continue
            if other_start > start:
                left.append((start, other_start))
            start = max(start, other_end)
        if start < end:
            left.append((start, end))
    return left


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
