"""Finds the words that hold a character of a script without blanks: Han, kana, Hangul, Thai.

They are found anywhere. All the letters of a text are lined up without the symbols between them and with each run of one
character as a single one; one pass (Aho-Corasick) finds every word, spelt the same way, in that line, and each find is
checked against what stood between its characters:

- strict symbols or blanks alone, as in `敏*感.词` and `敏 感 词`; or
- symbols of any kind between every two of at least three characters, as in `敏，感，词`: prose has such by chance in one
  place, but not in all.

A character may be repeated inside a word (`敏感感词`). A word that begins or ends with a Latin letter (`K粉`) has an edge
there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import NamedTuple

import ahocorasick_rs
import numpy as np

from yumen_plugins.anomaly.words.fold import (
    BLANK,
    BREAK,
    HAN,
    LETTER,
    STRICT,
    Codes,
    Folded,
    Indexes,
    collapsed,
    is_parted,
    spelt,
)
from yumen_plugins.anomaly.words.wordparts import (
    GAP_MAX,
    REPEATS_MAX,
    Candidate,
    Entry,
    Lexicon,
    continues,
    stretches,
)

SPELT_OUT_MIN = 3
_STRICT, _STRICT_OR_BLANK = bytes([STRICT]), bytes([STRICT, BLANK])
# Kinds as characters: `a` for `LETTER`, `h` for `HAN`, then the symbols from `STRICT` to `BREAK`.
_SHAPE = b"ah- ,|".ljust(256)
# A gap that parts words, which a blank does between Latin letters alone; and what no word has that is spelt out, where each
# letter stands apart from the next one.
_PARTED = re.compile(rb"[,|]|[^ah]{%d}|a-* [- ]*a" % (GAP_MAX + 1))
_NOT_SPELT_OUT = re.compile(rb"\||[^ah]{%d}|[ah]{2}" % (GAP_MAX + 1))
# Stands behind the prefixes of words whose last character is not yet the end of them.
_MORE = "\U0010ffff"


class _Shape(NamedTuple):
    """A word behind its collapsed spelling: how often each character stands, and whether Latin letters are at its edges."""

    runs: tuple[int, ...]
    latin: tuple[bool, ...]
    length: int
    entries: tuple[Entry, ...]


class Line:
    """The letters of a folded text in one line: where each stands there, and where runs of equal ones begin in the line."""

    def __init__(self, folded: Folded) -> None:
        self._shape = folded.kinds.tobytes().translate(_SHAPE)
        self.at: Indexes = (folded.kinds <= HAN).nonzero()[0]
        self.codes: Codes = folded.codes[self.at]
        if len(self.at):
            first = np.ones(len(self.at), np.bool_)
            np.not_equal(self.codes[1:], self.codes[:-1], out=first[1:])
            self.runs: Indexes = first.nonzero()[0]
        else:
            self.runs = self.at

    @property
    def short(self) -> str:
        """The line with each run as a single letter."""
        return spelt(self.codes if len(self.runs) == len(self.at) else self.codes[self.runs])

    def bounds(self, first: int, end: int) -> list[int]:
        """Where these runs begin in the line, and where the last of them ends."""
        bounds: list[int] = self.runs[first : end + 1].tolist()
        return bounds if end < len(self.runs) else [*bounds, len(self.at)]

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Where these letters of the line stand in the folded text."""
        return int(self.at[first]), int(self.at[last]) + 1

    def joins(self, start: int, end: int) -> bool:
        """Whether what stands in the folded text from one letter to another may be read as one word."""
        shape = self._shape[start:end]
        if not _PARTED.search(shape):
            return True
        return not _NOT_SPELT_OUT.search(shape) and len(re.findall(rb"[ah]", shape)) >= SPELT_OUT_MIN

    def edge(self, place: int) -> bool:
        """Whether no Latin letter stands at this place of the folded text."""
        return self._shape[max(0, place) : place + 1] != b"a"


class HanWords:
    """Finds words, given as folded letters without symbols."""

    def __init__(self, words: Lexicon) -> None:
        shapes: dict[str, list[_Shape]] = {}
        prefixes: set[str] = set()
        for word, entries in words.items():
            short = collapsed(word)
            plain = len(short) == len(word)
            runs = (1,) * len(word) if plain else tuple(sum(1 for _ in run) for _, run in groupby(word))
            latin = tuple(map(is_parted, short))
            shapes.setdefault(short, []).append(_Shape(runs, latin, len(word), entries))
            prefixes.add(short + _MORE if latin[-1] or runs[-1] > 1 else short)
        self._shapes = list(shapes.values())
        self._prefixes = sorted(prefixes)
        # What a prefix may begin with: looked up first, as most letters of a text begin no word.
        self._beginnings = {prefix[:size] for prefix in prefixes for size in (1, 2)}
        self._matcher = ahocorasick_rs.AhoCorasick(shapes, store_patterns=False) if shapes else None
        self.letters_max = max(map(len, words), default=0)
        # Of a run that a word begins with, no more than so many characters are the word's.
        self.mixed = any(one.latin[0] for same in self._shapes for one in same)
        self._first_max = max((one.runs[0] for same in self._shapes for one in same), default=0)

    def find(self, line: Line) -> Iterator[Candidate]:
        """The candidates, in no order."""
        if self._matcher is None or not len(line.at):
            return
        for index, first, end in self._matcher.find_matches_as_indexes(line.short, overlapping=True):
            for shape in self._shapes[index]:
                yield from self._fit(line, shape, first, end)

    def _fit(self, line: Line, shape: _Shape, first: int, end: int) -> Iterator[Candidate]:
        """The places of a word in these runs: one, or several where it is one character repeated."""
        bounds = line.bounds(first, end)
        counts = [right - left for left, right in pairwise(bounds)]
        if len(counts) == 1:
            places = range(bounds[0], bounds[1] - shape.length + 1)
            spans = [(place, place + shape.length) for place in places]
        elif _fits(shape, counts):
            # A Latin letter at an edge takes its whole run, a Han one no more of it than the word has.
            start = bounds[0] if shape.latin[0] else bounds[1] - shape.runs[0]
            stop = bounds[-1] if shape.latin[-1] else bounds[-2] + shape.runs[-1]
            spans = [(start, stop)]
        else:
            return
        for first_letter, stop in spans:
            start, behind = line.span(first_letter, stop - 1)
            edges = (not shape.latin[0] or line.edge(start - 1)) and (not shape.latin[-1] or line.edge(behind))
            if edges and line.joins(start, behind):
                yield Candidate(start, behind, shape.entries)

    @property
    def reach(self) -> int:
        """The longest word, spelt as widely as it may be, in folded characters."""
        return self.letters_max * REPEATS_MAX * (1 + GAP_MAX)

    def opens(self, text: str, kinds: bytes) -> int:
        """Where the earliest word starts that the end of a folded text may become; its length where none may.

        What stands further than `reach` from the end is of no account.
        """
        found = length = behind = len(text)
        whole, apart = True, True
        short, run, latin = "", 0, False
        for at in range(length - 1, max(-1, length - 1 - self.reach), -1):
            if kinds[at] > HAN:
                if behind - at > GAP_MAX:
                    break
                continue
            gap, was_latin, latin = kinds[at + 1 : behind], latin, kinds[at] == LETTER
            loose = gap.strip(_STRICT if latin and was_latin else _STRICT_OR_BLANK)
            whole, apart = whole and not loose, apart and BREAK not in gap and bool(gap or not short)
            if short and not whole and not apart:
                break
            char, behind = text[at], at
            run = run + 1 if short[:1] == char else 1
            short = short if run > 1 else char + short
            if len(short) > self.letters_max:
                break
            first_max = max(self._first_max, REPEATS_MAX) if latin else self._first_max
            if run <= first_max and short[:2] in self._beginnings and continues(self._prefixes, short):
                found = at
        return found


def _fits(shape: _Shape, counts: list[int]) -> bool:
    """Whether runs of these lengths may be the word's."""
    last = len(counts) - 1
    for index, (found, meant, latin) in enumerate(zip(counts, shape.runs, shape.latin, strict=True)):
        if latin:
            fits = stretches(found, meant)
        elif index in (0, last):
            fits = found >= meant
        else:
            fits = found == meant or meant < found <= REPEATS_MAX
        if not fits:
            return False
    return True
