"""Which detectors could find anything in a text, and where.

Hyperscan reads everything once and says it. A short text is read together with its neighbours; a long one in windows, so
that what stands in one place of a megabyte makes detectors look there and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.look import Region
from yumen_plugins.anonymize.normalise import plain_spaces
from yumen_plugins.anonymize.prefilter import Automaton

# Code points that are read at once, and how far a window reads into the next one: nothing that an expression looks for is
# longer than that.
WINDOW_CHARS, OVERLAP_CHARS = 2048, 512
# Stands between texts that are read together; no detector can match across it.
SEPARATOR = "\n\x00\n"


class Seen:
    """The numbers of the expressions that matched in a text; in a long one also those of each window."""

    __slots__ = ("numbers", "windows")

    def __init__(self, numbers: set[int], windows: list[set[int]] | None = None) -> None:
        self.numbers = numbers
        self.windows = windows

    def regions(self, number: int, detector: Detector, whole: Region) -> list[Region]:
        """Where the detector of a number has to look, in a text that is all of `whole`."""
        windows = self.windows
        if windows is None:
            return [whole]
        # A match may begin as far before what the expression saw.
        reach = detector.span_max
        regions: list[Region] = []
        last = -2
        for index, numbers in enumerate(windows):
            if number not in numbers:
                continue
            begin = index * WINDOW_CHARS
            end = min(begin + WINDOW_CHARS + OVERLAP_CHARS, whole.end)
            if index == last + 1 or (regions and begin - reach <= regions[-1].end):
                regions[-1].end = end
            else:
                start = max(0, begin - reach)
                # Which began still earlier has ended here, and the search might have begun in its middle.
                regions.append(Region(start, end, begin if start else 0))
            last = index
        return regions


class Pass:
    """The one pass. `own` are authors' patterns; `always` are the numbers that have no expression and are always seen."""

    __slots__ = ("_all", "_always", "_ascii", "_own")

    def __init__(
        self, automata: Sequence[Automaton], own: Sequence[Automaton] = (), always: frozenset[int] = frozenset()
    ) -> None:
        self._all = [one.scan for one in automata]
        self._ascii = [one.scan for one in automata if not one.beyond_ascii]
        # What an author looks for may be as long as he likes, so that no window is large enough.
        self._own = [one.scan for one in own]
        self._always = set(always)

    def read(self, texts: Sequence[str]) -> list[Seen]:
        """What is seen in each text."""
        if len(texts) == 1 and len(texts[0]) <= WINDOW_CHARS:
            return [Seen(self._numbers(texts[0], self._own))]
        seen: list[Seen | None] = [None] * len(texts)
        group: list[int] = []
        size = 0
        for index, text in enumerate(texts):
            if len(text) > WINDOW_CHARS:
                seen[index] = self._long(text)
                continue
            if size + len(text) > WINDOW_CHARS:
                self._together(texts, group, seen)
                group, size = [], 0
            group.append(index)
            size += len(text)
        self._together(texts, group, seen)
        return [one if one is not None else Seen(set()) for one in seen]

    def _together(self, texts: Sequence[str], group: list[int], seen: list[Seen | None]) -> None:
        if group:
            both = Seen(self._numbers(SEPARATOR.join([texts[index] for index in group]), self._own))
            for index in group:
                seen[index] = both

    def _long(self, text: str) -> Seen:
        windows = [
            self._numbers(text[start : start + WINDOW_CHARS + OVERLAP_CHARS])
            for start in range(0, len(text), WINDOW_CHARS)
        ]
        whole = self._numbers(text, self._own, own_only=True) if self._own else set()
        return Seen(whole.union(*windows), windows)

    def _numbers(self, text: str, own: Sequence[Any] = (), *, own_only: bool = False) -> set[int]:
        found = set(self._always)

        def note(number: int, start: int, end: int, flags: int, context: Any) -> None:
            found.add(number)

        if text.isascii():
            data, scans = text.encode(), self._ascii
        else:
            # A lone surrogate is no character, and no detector looks for one.
            data, scans = plain_spaces(text).encode("utf-8", "replace"), self._all
        for scan in own if own_only else (*scans, *own):
            scan(data, match_event_handler=note)
        return found
