"""Finds the words of scripts that part their words: Latin, Cyrillic, digits and the like.

They are found as whole words, however they are spelt. Three readings are looked up, each a whole by itself:

1. tokens, which are letters side by side, one for a word and several for a phrase (`machine gun`, `machine-gun`);
2. clusters, which are tokens with symbols between them that prose seldom has there (`b-omb`, `b.o.m.b`);
3. spellings, which are three single letters or more with any symbols between them (`b o m b`, `b, o, m, b`).

In each, three equal letters and more may stand for one or two (`booomb`); two are ordinary English and stand for two.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain, groupby

import ahocorasick_rs
import numpy as np

from yumen_plugins.anomaly.words.fold import BLANK, LETTER, LOOSE, STRICT, Codes, Folded, collapsed, run_ends, spelt
from yumen_plugins.anomaly.words.wordparts import (
    GAP_MAX,
    REPEATS_MAX,
    Candidate,
    Entry,
    Lexicon,
    begins,
    merged,
    stretches,
)

# Of ASCII, the letters and digits as they are and blanks for the rest.
_BLANKED = bytes(code if chr(code).isascii() and chr(code).isalnum() else 32 for code in range(256))
_STRICT, _SYMBOLS = bytes([STRICT]), bytes([STRICT, BLANK, LOOSE])
_THRICE = re.compile(r"(.)\1\1", re.DOTALL)
# The same for letters and digits of ASCII, many times as fast, and for others.
_THRICE_ASCII = ahocorasick_rs.BytesAhoCorasick(
    [bytes([code]) * 3 for code in set(_BLANKED) - {32}], implementation=ahocorasick_rs.Implementation.DFA
)
_THRICE_OTHER = re.compile(r"([^\0-\x7f])\1\1")
# Kinds as characters. In shapes, `a` is a letter, `-` a strict symbol, and a blank any other; in bare ones all are blanks.
# Patterns begin with characters that `re` can search for, which is many times as fast as trying at every place.
_SHAPE = bytes({LETTER: 97, STRICT: 45, BLANK: 32, LOOSE: 32}.get(kind, 124) for kind in range(256))
_BARE = _SHAPE.replace(b"-", b" ")
_STRICT_GAP = re.compile(rb"-(?<=a-)-{0,%d}(?=a)" % (GAP_MAX - 1))
_SPELLING = re.compile(rb"a (?<!aa ) {0,%d}a(?: {1,%d}a)+(?!a)" % (GAP_MAX - 1, GAP_MAX))


class Tokens:
    """The tokens of a folded text: `spelt` as strings, and in parallel `spans`, where they start and end."""

    def __init__(self, folded: Folded) -> None:
        self._folded = folded
        self._kinds = folded.kinds.tobytes()
        # The text with a blank for all that is no letter of a token.
        if folded.codes.dtype == np.uint8:
            self._blanked = folded.codes.tobytes().translate(_BLANKED).decode("ascii")
        else:
            self._blanked = spelt(_narrowed(np.where(folded.kinds == LETTER, folded.codes, np.uint32(32))))
        self.spelt = self._blanked.split()

    @cached_property
    def spans(self) -> tuple[list[int], list[int]]:
        """Where the tokens start and end."""
        starts, ends = run_ends(self._folded.kinds == LETTER)
        return starts.tolist(), ends.tolist()

    @property
    def is_open(self) -> bool:
        """Whether the text ends with a letter of the last token."""
        return self._blanked[-1:] != " "

    def near(self, at: int) -> bool:
        """Whether few symbols, of any kind, alone stand between a token and the next one."""
        starts, ends = self.spans
        return _few(self._kinds[ends[at] : starts[at + 1]], _SYMBOLS)

    def backwards(self) -> Iterator[tuple[str, int, bytes]]:
        """The tokens from the last one on: each with where it starts and the kinds of what stands behind it."""
        behind = len(self._kinds)
        for token in reversed(self.spelt):
            # Blanks alone stand behind it, so it is the last place where it is spelt.
            start = self._blanked.rfind(token, 0, behind)
            yield token, start, self._kinds[start + len(token) : behind]
            behind = start

    def stretched(self) -> Iterator[tuple[int, str]]:
        """The tokens that have three equal letters in a row: where each starts, and the token."""
        raw = self._blanked.encode("ascii", "replace")
        places = [start for _, start, _ in _THRICE_ASCII.find_matches_as_indexes(raw)]
        if not self._blanked.isascii():
            places += [run.start() for run in _THRICE_OTHER.finditer(self._blanked)]
        behind = 0
        for place in sorted(places):
            if place >= behind:
                start, behind = self._around(place, place)
                yield start, self._blanked[start:behind]

    def _around(self, start: int, end: int) -> tuple[int, int]:
        """Where the token at the first place starts and the one at the second ends."""
        behind = self._blanked.find(" ", end)
        return self._blanked.rfind(" ", 0, start) + 1, len(self._blanked) if behind < 0 else behind

    def clusters(self) -> Iterator[tuple[int, int, str]]:
        """Where each cluster starts and ends, and its letters."""
        shape = self._kinds.translate(_SHAPE)
        gaps = [gap.span() for gap in _STRICT_GAP.finditer(shape)]
        index = 0
        while index < len(gaps):
            first = last = index
            # The next gap is of the same cluster where one token alone stands between the two.
            while last + 1 < len(gaps) and shape[gaps[last][1] : gaps[last + 1][0]].isalpha():
                last += 1
            start, end = self._around(gaps[first][0] - 1, gaps[last][1])
            yield start, end, self._blanked[start:end].replace(" ", "")
            index = last + 1

    def spellings(self) -> Iterator[tuple[int, int, str]]:
        """Where each spelling starts and ends, and its letters."""
        for spelling in _SPELLING.finditer(self._kinds.translate(_BARE)):
            start, end = spelling.span()
            yield start, end, self._blanked[start:end].replace(" ", "")


class LatinWords:
    """Finds words and phrases, given as tokens with one blank between them."""

    def __init__(self, words: Lexicon) -> None:
        self._words = words
        phrases = [word for word in words if " " in word]
        self._openings = {_opening for word in phrases for _opening in _openings(word)}
        joined: dict[str, list[Entry]] = {}
        for word, entries in words.items():
            joined.setdefault(word.replace(" ", ""), []).extend(entries)
        self._joined = {word: merged(entries) for word, entries in joined.items()}
        # What a token may be in reading 1: a word, or a part of a phrase.
        tokens = {token for word in words for token in word.split()}
        self._first = {word.partition(" ")[0] for word in words}
        self._stretched: dict[str, list[str]] = {}
        for token in sorted(tokens | self._joined.keys()):
            self._stretched.setdefault(collapsed(token), []).append(token)
        self._prefixes = sorted({collapsed(word) for word in self._joined})
        self._phrase_prefixes = sorted({" ".join(map(collapsed, word.split())) for word in phrases})
        self.letters_max = max(map(len, self._joined), default=0)
        self._tokens_max = max((word.count(" ") + 1 for word in phrases), default=0)

    def find(self, tokens: Tokens) -> Iterator[Candidate]:
        """The candidates of all readings, in no order."""
        if not self._words or not tokens.spelt:
            return
        meant = self._meant(tokens)
        starts, ends = tokens.spans if meant else ([], [])
        for at, first in meant.items():
            for last, entries in self._phrases(tokens, at, first):
                yield Candidate(starts[at], ends[last], entries)
        for start, end, together in chain(tokens.clusters(), tokens.spellings()):
            entries = self._joint(together)
            if entries:
                yield Candidate(start, end, entries)

    def opens(self, tokens: Tokens, length: int) -> int:
        """Where the earliest word starts that the end of a text of this length may become; `length` where none may."""
        found = length
        if not tokens.spelt or not self._words:
            return found
        strict, single, joined = True, True, ""
        phrase = "" if tokens.is_open else " "
        for index, (token, start, gap) in enumerate(tokens.backwards()):
            strict = strict and _few(gap, _STRICT)
            if not _few(gap, _SYMBOLS) or length - start > self.reach:
                break
            short = collapsed(token)
            joined = short + joined[short[-1] == joined[:1] :]
            if len(joined) > self.letters_max:
                break
            single &= len(token) == 1
            if not strict and not single and index >= self._tokens_max:
                break
            phrase = short + phrase
            if ((strict or single) and begins(self._prefixes, joined)) or begins(self._phrase_prefixes, phrase):
                found = start
            phrase = f" {phrase}"
        return found

    @property
    def reach(self) -> int:
        """The longest word or phrase, spelt as widely as it may be, in folded characters."""
        return self.letters_max * REPEATS_MAX * (1 + GAP_MAX)

    def _meant(self, tokens: Tokens) -> dict[int, list[str]]:
        """The tokens that may begin a word, and as what."""
        # Mostly there are none, and few otherwise: a small set stays close to the processor.
        known = self._first.intersection(tokens.spelt)
        meant = {at: [token] for at, token in enumerate(tokens.spelt) if token in known} if known else {}
        for start, token in tokens.stretched():
            others = self._unstretched(token)
            if others:
                meant.setdefault(bisect_left(tokens.spans[0], start), []).extend(others)
        return meant

    def _unstretched(self, token: str) -> list[str]:
        """What a token with three equal letters in a row may be, but for itself."""
        if len(token) > self.letters_max * REPEATS_MAX:
            return []
        runs = _runs(token)
        short = "".join(char for char, _ in runs)
        return [one for one in self._stretched.get(short, ()) if one != token and _fits(runs, one)]

    def _phrases(self, tokens: Tokens, at: int, first: list[str]) -> Iterator[tuple[int, tuple[Entry, ...]]]:
        """The last token of each word and phrase that begins at a token, and what it stands for."""
        so_far = set(first)
        last = at
        while so_far:
            for one in so_far & self._words.keys():
                yield last, self._words[one]
            so_far &= self._openings
            last += 1
            if not so_far or last == len(tokens.spelt) or not tokens.near(last - 1):
                return
            token = tokens.spelt[last]
            nexts = {token, *self._unstretched(token)} if _THRICE.search(token) else {token}
            so_far = {f"{one} {another}" for one in so_far for another in nexts}

    def _joint(self, letters: str) -> tuple[Entry, ...]:
        """What letters that stood apart stand for."""
        known = self._joined.get(letters, ())
        if len(letters) > self.letters_max * REPEATS_MAX or not _THRICE.search(letters):
            return known
        others = [self._joined.get(one, ()) for one in self._unstretched(letters)]
        return merged([*known, *(entry for entries in others for entry in entries)]) if any(others) else known


def _narrowed(codes: Codes) -> Codes:
    """Code points as bytes where all are of ASCII."""
    return codes.astype(np.uint8) if len(codes) and codes.max() < 128 else codes


def _few(gap: bytes, kinds: bytes) -> bool:
    """Whether a gap is few symbols of these kinds alone, or nothing."""
    return len(gap) <= GAP_MAX and not gap.strip(kinds)


def _openings(phrase: str) -> Iterator[str]:
    """What a phrase begins with, at each of its blanks."""
    place = phrase.find(" ")
    while place >= 0:
        yield phrase[:place]
        place = phrase.find(" ", place + 1)


def _runs(word: str) -> list[tuple[str, int]]:
    return [(char, sum(1 for _ in run)) for char, run in groupby(word)]


def _fits(found: Iterable[tuple[str, int]], meant: str) -> bool:
    """Whether these runs may be those of a word that is the same when collapsed."""
    return all(stretches(one, other) for (_, one), (_, other) in zip(found, _runs(meant), strict=True))
