"""What the finders of Latin and Han words share: entries, candidates, and how far a word may be spelt out.

A word may be spelt with symbols between its characters and with characters repeated. Both have bounds, the same for a text
and for a stream, so that what a stream holds is finite.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from yumen_plugins.anomaly.words.fold import INVISIBLE_MAX

# Symbols between two characters of a word, and how often a character may stand in a row.
GAP_MAX, REPEATS_MAX = 4, 8
# From this many on, a repeated Latin letter is no ordinary spelling: "shoot" is not "shot".
STRETCHED_MIN = 3
# In original characters: one folded character with the symbols behind it, and the invisible characters at each of them.
SPREAD_MAX = 1 + GAP_MAX + INVISIBLE_MAX * (1 + GAP_MAX)


class Entry(NamedTuple):
    """What a word stands for. `allowed`: it is an exception."""

    category: str
    severity: int
    allowed: bool


class Candidate(NamedTuple):
    """A word in a folded text, from `start` to `end` (offsets there), and what it stands for."""

    start: int
    end: int
    entries: tuple[Entry, ...]


Lexicon = dict[str, tuple[Entry, ...]]


def merged(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Each category once, as hit and as exception, with its highest severity."""
    entries = tuple(entries)
    if len(entries) == 1:
        return entries
    best: dict[tuple[str, bool], Entry] = {}
    for entry in entries:
        key = (entry.category, entry.allowed)
        if key not in best or best[key].severity < entry.severity:
            best[key] = entry
    return tuple(sorted(best.values()))


def stretches(found: int, meant: int) -> bool:
    """Whether a run of `found` equal Latin letters may be one of `meant`."""
    return found == meant or max(meant, STRETCHED_MIN) <= found <= REPEATS_MAX


def begins(ordered: Sequence[str], key: str) -> bool:
    """Whether any of these strings, in order, begins with the key or is it."""
    at = bisect_left(ordered, key)
    return at < len(ordered) and ordered[at].startswith(key)


def continues(ordered: Sequence[str], key: str) -> bool:
    """Whether any of these strings, in order, begins with the key and is longer."""
    at = bisect_right(ordered, key)
    return at < len(ordered) and ordered[at].startswith(key)
