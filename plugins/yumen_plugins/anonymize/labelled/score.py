"""Scores findings against labels.

A gold span is *found* where every letter, digit and Han character of it is masked by findings of whatever kind: a value of
which half is masked has leaked. It is of the *right kind* where findings that fit its label do that alone. A finding is
*spurious* where it touches no gold span of any label. Precision P is found / (found + spurious), recall R found / gold, and
F2 = 5PR / (4P + R), which counts a miss for more than a finding too many (van Rijsbergen, Information Retrieval, 1979).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.labelled.labels import GROUPS, Group, Kind, Labels, kind_of_id, row_of_id
from yumen_plugins.anonymize.labelled.read import Item, Span
from yumen_plugins.anonymize.scan import Scanner

# Recall and precision to reach; and how many characters outside all labels may be masked, of 1,000.
AIMS: dict[Group, tuple[float, float]] = {
    "structured": (0.97, 0.95), "secrets": (0.97, 0.95), "names": (0.85, 0.85), "addresses": (0.85, 0.85),
}  # fmt: skip
OUTSIDE_MAX = 3.0
TEXTS_AT_ONCE = 256
AROUND = 16
LABELS_MAX = 1000


class TooManyLabels(Exception):
    """A set whose labels are no labels."""


@dataclass
class Counts:
    """What is counted for a label, or for a group of them."""

    gold: int = 0
    found: int = 0
    right: int = 0
    spurious: int = 0

    @property
    def missed(self) -> int:
        return self.gold - self.found

    @property
    def recall(self) -> float | None:
        return self.found / self.gold if self.gold else None

    @property
    def precision(self) -> float | None:
        return self.found / (self.found + self.spurious) if self.found + self.spurious else None

    @property
    def f2(self) -> float | None:
        recall, precision = self.recall, self.precision
        if recall is None or precision is None:
            return None
        return 5 * precision * recall / (4 * precision + recall) if precision + recall else 0.0

    def add(self, other: Counts) -> None:
        """Count both together."""
        self.gold += other.gold
        self.found += other.found
        self.right += other.right
        self.spurious += other.spurious


@dataclass(frozen=True)
class Case:
    """A miss or a spurious finding: where, what, and its text between two bars, with a little of what stands around."""

    place: str
    name: str
    start: int
    end: int
    note: str
    text: str


@dataclass
class Score:
    """All that is known of one set."""

    name: str
    texts: int = 0
    chars: int = 0
    outside: int = 0
    odd: int = 0
    rows: dict[str, Counts] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    strange: Counter[str] = field(default_factory=Counter)
    misread: Counter[tuple[str, str]] = field(default_factory=Counter)
    misses: list[Case] = field(default_factory=list)
    extras: list[Case] = field(default_factory=list)

    @property
    def outside_per_1000(self) -> float:
        """Masked characters outside all labels, of 1,000 characters of text."""
        return 1000 * self.outside / self.chars if self.chars else 0.0

    def total(self, group: Group | None = None) -> Counts:
        """The rows of a group, or all of them, counted together."""
        whole = Counts()
        for row, counts in self.rows.items():
            if group is None or self.groups[row] == group:
                whole.add(counts)
        return whole

    def failed(self) -> list[str]:
        """The aims that are missed, each in words."""
        out = []
        for group in GROUPS:
            counts = self.total(group)
            for word, value, aim in zip(
                ("recall", "precision"), (counts.recall, counts.precision), AIMS[group], strict=True
            ):
                if value is not None and value < aim:
                    out.append(f"{group}: {word} {value:.3f}, the aim is {aim}")
        if self.outside_per_1000 > OUTSIDE_MAX:
            out.append(
                f"masked outside all labels: {self.outside_per_1000:.2f} of 1,000 characters, the aim is {OUTSIDE_MAX:g}"
            )
        return out


def score(name: str, items: Iterable[Item], scanner: Scanner, labels: Labels, keep: int = 20) -> Score:
    """Score a set; `keep` misses and as many spurious findings are listed. Error: `TooManyLabels`."""
    made = _Scoring(Score(name), labels, keep)
    rest = iter(items)
    while some := list(islice(rest, TEXTS_AT_ONCE)):
        for item, hits in zip(some, scanner.scan([item.text for item in some]), strict=True):
            made.take(item, [hit for hit in hits if not hit.covered])
    made.settle()
    return made.score


class _Scoring:
    """Counts text by text."""

    def __init__(self, score: Score, labels: Labels, keep: int) -> None:
        self.score = score
        self._labels = labels
        self._keep = keep
        self._kinds: dict[str, Kind] = {}
        self._extra: Counter[str] = Counter()

    def take(self, item: Item, hits: Sequence[Hit]) -> None:
        """Count one text."""
        size = len(item.text)
        masked, gold = _marks(size, hits), _marks(size, item.spans)
        self.score.texts += 1
        self.score.chars += size
        self.score.outside += sum(map(int.__gt__, masked, gold))
        for span in item.spans:
            self._gold(item, span, hits, masked)
        for hit in hits:
            if gold.find(1, hit.start, hit.end) < 0:
                self._extra[hit.detector.id] += 1
                self._list(self.score.extras, item, hit.detector.id, hit.start, hit.end, "")

    def settle(self) -> None:
        """Give spurious findings to the row that they would have been right for."""
        for rule, count in self._extra.items():
            row = row_of_id(rule)
            if row not in self.score.rows:
                row = next((name for name, kind in self._kinds.items() if kind.takes(rule)), row)
            self._row(row, kind_of_id(rule).group).spurious += count

    def _gold(self, item: Item, span: Span, hits: Sequence[Hit], masked: bytearray) -> None:
        self.score.odd += span.other
        kind = self._labels.kind(span.label)
        if kind is None:
            self.score.strange[span.label] += 1
            if len(self.score.strange) > LABELS_MAX:
                raise TooManyLabels
            return
        row = self._labels.row(span.label)
        counts = self._row(row, kind.group)
        self._kinds.setdefault(row, kind)
        counts.gold += 1
        touching = [hit for hit in hits if hit.start < span.end and span.start < hit.end]
        if not _whole(item.text, span, masked):
            note = "in part" if touching else ""
            self._list(self.score.misses, item, span.label, span.start, span.end, note)
            return
        counts.found += 1
        right = [hit for hit in touching if kind.takes(hit.detector.id)]
        if len(right) == len(touching) or _whole(item.text, span, _marks(len(item.text), right)):
            counts.right += 1
        else:
            self.score.misread.update((row, rule) for rule in {hit.detector.id for hit in touching if hit not in right})

    def _row(self, row: str, group: Group) -> Counts:
        if row not in self.score.rows:
            if len(self.score.rows) >= LABELS_MAX:
                raise TooManyLabels
            self.score.rows[row], self.score.groups[row] = Counts(), group
        return self.score.rows[row]

    def _list(self, cases: list[Case], item: Item, name: str, start: int, end: int, note: str) -> None:
        if len(cases) < self._keep:
            before, behind = item.text[max(0, start - AROUND) : start], item.text[end : end + AROUND]
            cases.append(Case(item.place, name, start, end, note, f"{before}|{item.text[start:end]}|{behind}"))


def _marks(size: int, spans: Iterable[Hit | Span]) -> bytearray:
    """A byte for each character, 1 within a span."""
    marks = bytearray(size)
    for span in spans:
        marks[span.start : span.end] = b"\x01" * (span.end - span.start)
    return marks


def _whole(text: str, span: Span, masked: bytearray) -> bool:
    """Whether all of a span that says anything is masked: its letters, digits and Han characters."""
    places = [place for place in range(span.start, span.end) if text[place].isalnum()] or range(span.start, span.end)
    return all(masked[place] for place in places)
