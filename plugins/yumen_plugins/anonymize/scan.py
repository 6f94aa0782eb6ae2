"""Finds personal data: one pass over everything to learn which detectors matter, then those alone look closer.

Hyperscan reads all texts of an exchange at once and says which detectors could find something at all; on clean text that is
all that happens. Only the detectors it names run their own patterns, with the lookarounds that hyperscan has not. The
patterns of a policy's author take part in the same pass, and then run in RE2.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.hits import Hit, Overlaps
from yumen_plugins.anonymize.normalise import needed, normalise, plain_spaces
from yumen_plugins.anonymize.own import SECONDS_MAX, Own
from yumen_plugins.anonymize.prefilter import database

# Hyperscan gives up the interpreter's lock for every call, and with other threads waiting it is slow to come back: for a
# short text and few detectors their own patterns are faster.
SHORT_CHARS_MAX, FEW = 2048, 16
# Stands between texts that are scanned together; no detector can match across it.
SEPARATOR = "\n\x00\n"


def enforce(rule: str) -> str:
    """The mode of every rule, where nobody says otherwise."""
    return "enforce"


class Scanner:
    """A set of detectors, compiled once. `keeps` are the rules that only report, `blocks` those that end exchanges."""

    def __init__(
        self,
        detectors: tuple[Detector, ...],
        own: tuple[Own, ...] = (),
        keeps: frozenset[str] = frozenset(),
        blocks: frozenset[str] = frozenset(),
    ) -> None:
        self._detectors = detectors
        self._own = own
        self._could = {detector.id: re.compile(detector.prefilter).search for detector in detectors}
        self._few = not own and len(detectors) <= FEW
        needs = "".join(detector.needs for detector in detectors)
        self._needs = re.compile(f"[{needs}]" if needs else "(?!)").search
        self._overlaps = Overlaps((*detectors, *(one.detector for one in own)), keeps, blocks)
        built_in = [(detector.prefilter.encode(), 0) for detector in detectors]
        self._database, self._always = database(built_in, [one.expression for one in own])
        self._passes = len(detectors) + len(own) > len(self._always)

    def scan(self, texts: list[str], mode: Callable[[str], str] = enforce) -> list[list[Hit]]:
        """The values in each text, in order, none overlapping another but those that are `covered`.

        `mode` says how policy has a rule: `enforce`, `shadow` or `off`. It is asked about rules that found something. Error:
        TimeoutError where authors' patterns are too slow for these texts.
        """
        joined = SEPARATOR.join(texts)
        spelt = needed(joined)
        if self._few and len(joined) <= SHORT_CHARS_MAX:
            return [self._scan_one(text, self._detectors, spelt, mode) for text in texts]
        named, own = self._prefilter(normalise(joined)[0] if spelt else joined)
        if not named and not own:
            return [[] for _ in texts]
        until = time.perf_counter() + SECONDS_MAX
        return [self._scan_one(text, named, spelt, mode, own, until) for text in texts]

    def _prefilter(self, text: str) -> tuple[list[Detector], list[Own]]:
        """The detectors that could find something, in the catalogue's order, and the authors' patterns."""
        found: set[int] = set()

        def note(number: int, start: int, end: int, flags: int, context: Any) -> None:
            found.add(number)

        if self._own:
            found.update(self._always)
            # Authors' patterns are about characters, and a lone surrogate is none.
            data = plain_spaces(text).encode("utf-8", "replace")
        else:
            # A lone surrogate is not UTF-8; in this form it is bytes like any other, and no detector looks for it.
            data = text.encode("utf-8", "surrogatepass")
        if self._passes:
            self._database.scan(data, match_event_handler=note)
        first = len(self._detectors)
        return (
            [self._detectors[number] for number in sorted(found) if number < first],
            [self._own[number - first] for number in sorted(found) if number >= first],
        )

    def _scan_one(
        self,
        text: str,
        named: Sequence[Detector],
        spelt: bool,
        mode: Callable[[str], str],
        own: Sequence[Own] = (),
        until: float = 0.0,
    ) -> list[Hit]:
        plain, places = text, None
        if spelt and needed(text):
            plain, places = normalise(text)
        if self._needs(plain) is None:
            if not own:
                return []
            named = ()
        hits: list[Hit] = []
        for detector in named:
            if self._could[detector.id](plain) is None:
                continue
            for pattern in detector.patterns:
                _look(detector, pattern, plain, hits)
        if own:
            _look_for_own(own, plain_spaces(plain), hits, until)
        if hits:
            hits = self._overlaps.settle(hits, mode)
        if places is not None:
            # The end is the place behind the last character, so that invisible ones behind a value stay where they are.
            hits = [hit.at(places[hit.start], places[hit.end - 1] + 1) for hit in hits]
        return hits


def _look_for_own(own: Sequence[Own], plain: str, hits: list[Hit], until: float) -> None:
    """Add what authors' patterns find."""
    data = plain.encode("utf-8", "replace")
    for one in own:
        hits += [Hit(one.detector, start, end, plain[start:end], True) for start, end in one.look(plain, data, until)]


def _look(detector: Detector, pattern: re.Pattern[str], plain: str, hits: list[Hit]) -> None:
    """Add what one pattern finds.

    Behind the start of a candidate that is not sure the search begins anew: what looks like a value may hide the beginning
    of one. Doubtful values that overlap are one, so that no end of any is left over.
    """
    doubtful: Hit | None = None
    match = pattern.search(plain)
    while match is not None:
        start, end = match.span()
        value = match[0]
        if detector.validate(value):
            hits.append(Hit(detector, start, end, value, True))
            match = pattern.search(plain, end)
            continue
        match = pattern.search(plain, start + 1)
        if detector.named(plain, start, end):
            if doubtful is not None and start < doubtful.end:
                hits.pop()  # it is the last: a sure one behind it would have moved the search beyond it
                start = doubtful.start
            doubtful = Hit(detector, start, end, plain[start:end], False)
            hits.append(doubtful)
