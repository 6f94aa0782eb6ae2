"""What detectors find, and what is taken where it overlaps.

Readings by built-in detectors compete: a sure one beats a doubtful one, a longer one a shorter one. A doubtful one that
lost was read wrongly; of a sure one that lost, what is left is taken as well, since two may share some characters. A pattern
that the policy's author wrote is no reading but an order: a sure reading goes before it, and what then is left of its value,
or of a doubtful one that it beat, is taken as well.

What enforces is settled first and what is in shadow afterwards, in the places that are left, so that shadow changes nothing.
In the same way what changes something goes before what only reports.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

from yumen_plugins.anonymize.detector import Detector

# Rules of a lower stage have their way before those of a higher one: those that change something, those that only report,
# and the same two in shadow. What is off takes no part.
KEEPS, SHADOW, OFF = 1, 2, 4
# How a place was taken: by a reading, or by an author's pattern that beat what else could have been read there.
READ, ORDERED = b"\x01", b"\x02"


@dataclass(slots=True)
class Hit:
    """One value: its detector, its span in the text in code points, and, once it is settled, its plain spelling."""

    detector: Detector
    start: int
    end: int
    value: str
    valid: bool

    @property
    def covered(self) -> bool:
        """Whether others have taken all of its place: it was found, and there is nothing left to edit."""
        return False

    def spelt(self, value: str) -> Hit:
        """The same with its value."""
        return Hit(self.detector, self.start, self.end, value, self.valid)


@dataclass(slots=True)
class Covered(Hit):
    """A value of an author's pattern that ends exchanges, where the place is taken: it ends them all the same."""

    @property
    def covered(self) -> bool:
        return True

    def spelt(self, value: str) -> Hit:
        return Covered(self.detector, self.start, self.end, value, self.valid)


@dataclass(slots=True)
class Allowed(Covered):
    """A word that policy says is none of what is looked for: nothing within it is taken, and that is on record."""

    def spelt(self, value: str) -> Hit:
        return Allowed(self.detector, self.start, self.end, value, self.valid)


class Overlaps:
    """Decides between overlapping hits of some detectors.

    Of two equally good readings the one of the earlier detector is taken. `keeps` are rules that only report, `blocks` those
    that end exchanges.
    """

    def __init__(self, detectors: tuple[Detector, ...], keeps: frozenset[str], blocks: frozenset[str]) -> None:
        self._order = {detector.id: index for index, detector in enumerate(detectors)}
        self._keeps = keeps
        self._blocks = blocks

    def settle(self, hits: list[Hit], mode: Callable[[str], str]) -> list[Hit]:
        """The hits that count, in order; those that are not `covered` are apart. `mode` is asked for every rule that hit."""
        allowed = [hit for hit in hits if isinstance(hit, Allowed)]
        if not allowed:
            return self._settle(hits, mode)
        rest = [hit for hit in hits if not isinstance(hit, Allowed)]
        noted = [hit for hit in allowed if mode(hit.detector.id) != "off"]
        within = _Within([hit for hit in noted if mode(hit.detector.id) == "enforce"])
        return sorted([*self._settle([hit for hit in rest if not within.holds(hit)], mode), *noted], key=_start)

    def _settle(self, hits: list[Hit], mode: Callable[[str], str]) -> list[Hit]:
        for hit in hits:
            rule = hit.detector.id
            if mode(rule) != "enforce" or rule in self._keeps:
                return self._settle_by_stage(hits, mode)
        return self.resolve(hits) if len(hits) > 1 else hits

    def _settle_by_stage(self, hits: list[Hit], mode: Callable[[str], str]) -> list[Hit]:
        stages = {rule: self._stage(rule, mode(rule)) for rule in {hit.detector.id for hit in hits}}
        taken: list[Hit] = []
        covered: list[Hit] = []
        for stage in range(OFF):
            level = [hit for hit in hits if stages[hit.detector.id] == stage]
            if level:
                for hit in self.resolve(self._free(level, taken, covered)):
                    (covered if hit.covered else taken).append(hit)
                taken.sort(key=_start)
        return sorted(taken + covered, key=_start)

    def _stage(self, rule: str, mode: str) -> int:
        if mode == "off":
            return OFF
        return (KEEPS if rule in self._keeps else 0) + (SHADOW if mode == "shadow" else 0)

    def _free(self, level: list[Hit], taken: list[Hit], covered: list[Hit]) -> list[Hit]:
        """Those hits whose place is free."""
        free: list[Hit] = []
        index = 0
        for hit in sorted(level, key=_start):
            while index < len(taken) and taken[index].end <= hit.start:
                index += 1
            if index == len(taken) or taken[index].start >= hit.end:
                free.append(hit)
            elif self._insists(hit):
                covered.append(_covered(hit))
        return free

    def _insists(self, hit: Hit) -> bool:
        return hit.detector.own and hit.detector.id in self._blocks

    def resolve(self, hits: list[Hit]) -> list[Hit]:
        """Where values overlap: valid beats doubtful, longer beats shorter, then the catalogue's order."""
        hits.sort(key=_start)
        hits = _shown(hits)
        kept: list[Hit] = []
        cluster: list[Hit] = []
        reach = 0
        for hit in hits:
            if cluster and hit.start >= reach:
                kept += self._best(cluster, reach)
                cluster = []
            cluster.append(hit)
            reach = max(reach, hit.end)
        return kept + self._best(cluster, reach)

    def _best(self, cluster: list[Hit], reach: int) -> list[Hit]:
        if len(cluster) < 2:
            return cluster
        base = cluster[0].start
        best = min(cluster, key=self._rank)
        if best.start == base and best.end == reach and not any(hit.detector.own for hit in cluster):
            # Mostly one reading holds all the others, and nothing of them is left.
            return [best]
        places = bytearray(reach - base)
        kept: list[Hit] = []
        lost: list[Hit] = []
        for hit in sorted(cluster, key=self._rank):
            start, end = hit.start - base, hit.end - base
            if places.count(0, start, end) < end - start:
                lost.append(hit)
            else:
                places[start:end] = (ORDERED if hit.detector.own else READ) * (end - start)
                kept.append(hit)
        for hit in lost:
            self._salvage(hit, base, places, kept)
        return sorted(kept, key=_start)

    def _rank(self, hit: Hit) -> tuple[bool, int, bool, int]:
        detector = hit.detector
        unsure = not hit.valid or detector.own or detector.guessed
        return unsure, hit.start - hit.end, not detector.own, self._order[detector.id]

    def _salvage(self, hit: Hit, base: int, places: bytearray, kept: list[Hit]) -> None:
        """Take what is left of a value that lost: of a sure one, of an author's pattern, and of what such a one beat."""
        start, end = hit.start - base, hit.end - base
        sure = hit.valid and not hit.detector.guessed
        if not hit.detector.own and not sure and ORDERED not in places[start:end]:
            return
        found = False
        at = places.find(0, start, end)
        while at >= 0:
            stop = at
            while stop < end and not places[stop]:
                stop += 1
            places[at:stop] = READ * (stop - at)
            kept.append(Hit(hit.detector, base + at, base + stop, "", hit.valid))
            found = True
            at = places.find(0, stop, end)
        if not found and self._insists(hit):
            kept.append(_covered(hit))


def _shown(hits: list[Hit]) -> list[Hit]:
    """Those that no other hides, of hits in order."""
    hiding = [hit for hit in hits if hit.valid and hit.detector.hides]
    if not hiding:
        return hits
    starts = [hit.start for hit in hiding]

    def hidden(hit: Hit) -> bool:
        before = bisect_left(starts, hit.start) - 1
        return (
            before >= 0
            and hiding[before].detector.hides == hit.detector.id
            and hit.start < hiding[before].end < hit.end
        )

    return [hit for hit in hits if not hidden(hit)]


def _covered(hit: Hit) -> Hit:
    return Covered(hit.detector, hit.start, hit.end, "", hit.valid)


def _start(hit: Hit) -> int:
    return hit.start


class _Within:
    """Whether values lie within one of many spans."""

    def __init__(self, spans: list[Hit]) -> None:
        ordered = sorted(spans, key=_start)
        self._starts = [span.start for span in ordered]
        # How far the spans up to each one reach.
        self._reaches = list(accumulate((span.end for span in ordered), max))

    def holds(self, hit: Hit) -> bool:
        """Whether one span holds all of a value."""
        before = bisect_right(self._starts, hit.start)
        return before > 0 and self._reaches[before - 1] >= hit.end
