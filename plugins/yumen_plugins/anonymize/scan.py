"""Finds personal data: one pass over everything to learn which detectors matter, then those alone look closer.

Hyperscan reads all texts of an exchange at once and says which detectors could find something at all; on clean text that is
all that happens. Only the detectors it names run their own patterns, with the lookarounds that hyperscan has not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hyperscan

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.normalise import needed, normalise

# Hyperscan gives up the interpreter's lock for every call, and with other threads waiting it is slow to come back: for a
# short text and few detectors their own patterns are faster.
SHORT_CHARS_MAX, FEW = 2048, 16
# Stands between texts that are scanned together; no detector can match across it.
SEPARATOR = "\n\x00\n"


@dataclass(frozen=True, slots=True)
class Hit:
    """One value: its detector, its span in the original text in code points, and the value as it is spelt plainly."""

    detector: Detector
    start: int
    end: int
    value: str
    valid: bool


class Scanner:
    """A set of detectors, compiled once."""

    def __init__(self, detectors: tuple[Detector, ...]) -> None:
        self._detectors = detectors
        self._could = {detector.id: re.compile(detector.prefilter).search for detector in detectors}
        self._needs = re.compile("[" + "".join(detector.needs for detector in detectors) + "]").search
        self._order = {detector.id: index for index, detector in enumerate(detectors)}
        self._database = hyperscan.Database()
        self._database.compile(
            expressions=[detector.prefilter.encode() for detector in detectors],
            ids=list(range(len(detectors))),
            elements=len(detectors),
            # Which detectors matter is all that is asked: each reports once, and without offsets the pass is fastest.
            flags=[hyperscan.HS_FLAG_SINGLEMATCH] * len(detectors),
        )

    def scan(self, texts: list[str]) -> list[list[Hit]]:
        """The values in each text, in order, none overlapping another."""
        joined = SEPARATOR.join(texts)
        spelt = needed(joined)
        if len(joined) <= SHORT_CHARS_MAX and len(self._detectors) <= FEW:
            return [self._scan_one(text, self._detectors, spelt) for text in texts]
        named = self._prefilter(normalise(joined)[0] if spelt else joined)
        if not named:
            return [[] for _ in texts]
        return [self._scan_one(text, named, spelt) for text in texts]

    def _prefilter(self, text: str) -> list[Detector]:
        """The detectors that could find something, in the catalogue's order."""
        found: set[int] = set()

        def note(number: int, start: int, end: int, flags: int, context: Any) -> None:
            found.add(number)

        # A lone surrogate is not UTF-8; in this form it is bytes like any other, and no detector looks for it.
        self._database.scan(text.encode("utf-8", "surrogatepass"), match_event_handler=note)
        return [self._detectors[number] for number in sorted(found)]

    def _scan_one(self, text: str, named: Sequence[Detector], spelt: bool) -> list[Hit]:
        plain, places = text, None
        if spelt and needed(text):
            plain, places = normalise(text)
        if self._needs(plain) is None:
            return []
        hits: list[Hit] = []
        for detector in named:
            if self._could[detector.id](plain) is None:
                continue
            for pattern in detector.patterns:
                _look(detector, pattern, plain, hits)
        if len(hits) > 1:
            hits = self._resolve(hits)
        if places is not None:
            # The end is the place behind the last character, so that invisible ones behind a value stay where they are.
            hits = [Hit(hit.detector, places[hit.start], places[hit.end - 1] + 1, hit.value, hit.valid) for hit in hits]
        return hits

    def _resolve(self, hits: list[Hit]) -> list[Hit]:
        """Where values overlap: valid beats doubtful, longer beats shorter, then the catalogue's order."""
        hits.sort(key=lambda hit: hit.start)
        kept: list[Hit] = []
        cluster: list[Hit] = []
        reach = 0
        for hit in hits:
            if cluster and hit.start >= reach:
                kept += self._best(cluster)
                cluster = []
            cluster.append(hit)
            reach = max(reach, hit.end)
        return kept + self._best(cluster)

    def _best(self, cluster: list[Hit]) -> list[Hit]:
        if len(cluster) == 1:
            return cluster
        kept: list[Hit] = []
        for hit in sorted(cluster, key=lambda one: (not one.valid, one.start - one.end, self._order[one.detector.id])):
            if all(hit.end <= other.start or other.end <= hit.start for other in kept):
                kept.append(hit)
        return sorted(kept, key=lambda hit: hit.start)


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
