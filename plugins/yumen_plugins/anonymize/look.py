"""Looks closer at a text for one detector: its patterns, its check, the words around."""

from __future__ import annotations

import re

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.kept_patterns import compiled


class Region:
    """A part of a text in which matches may begin, in code points. `fresh` is where hits of an earlier part end."""

    __slots__ = ("end", "fresh", "start")

    def __init__(self, start: int, end: int, fresh: int = 0) -> None:
        self.start = start
        self.end = end
        self.fresh = fresh


class Form:
    """Those patterns of a detector that one expression of the one pass stands for."""

    __slots__ = ("_before", "_patterns", "detector")

    def __init__(self, detector: Detector, patterns: tuple[str, ...]) -> None:
        self.detector = detector
        self._before = detector.before
        # Each with the group that is the value.
        self._patterns = tuple((one, "value" if "value" in one.groupindex else 0) for one in map(compiled, patterns))

    def look(self, plain: str, region: Region, hits: list[Hit]) -> None:
        """Add what is found in a part of a text; the part's edges are no edges to it."""
        stop = region.end + self.detector.span_max + 1
        for pattern, group in self._patterns:
            match = pattern.search(plain, region.start, stop)
            if match is not None:
                self._take(match, group, region, hits)

    def _take(self, first: re.Match[str], group: str | int, region: Region, hits: list[Hit]) -> None:
        """Add what one pattern finds from its first match on.

        Behind the start of a candidate that is not sure the search begins anew: what looks like a value may hide the
        beginning of one. Doubtful values that overlap are one, so that no end of any is left over.
        """
        match: re.Match[str] | None = first
        detector, plain, search, stop = self.detector, first.string, first.re.search, first.endpos
        doubtful: Hit | None = None
        while match is not None and match.start() < region.end:
            start, end = match.span(group)
            if end <= region.fresh:
                match = search(plain, match.start() + 1, stop)
                continue
            sure = detector.sure(match[group])
            if sure:
                hits.append(Hit(detector, start, start + sure, "", True))
                match = search(plain, max(start + sure, match.start() + 1), stop)
                continue
            match = search(plain, match.start() + 1, stop)
            if detector.named(plain, start, end, self._before) and not detector.denied(plain, start):
                if doubtful is not None and start < doubtful.end:
                    hits.pop()  # it is the last: a sure one behind it would have moved the search beyond it
                    start, end = min(start, doubtful.start), max(end, doubtful.end)
                doubtful = Hit(detector, start, end, "", False)
                hits.append(doubtful)
