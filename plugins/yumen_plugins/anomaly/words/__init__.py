"""Lists of sensitive words: what of a text is on them, by category and severity.

Words are found however they are spelt, see `fold`, `wordlatin` and `wordhan`. A hit names its category and its place and
never the word. Time is in proportion to the text, whatever is in it, and hardly depends on how long the lists are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from yumen_plugins.anomaly.words.fold import HAN, LETTER, fold, spelt
from yumen_plugins.anomaly.words.pinyin import readings
from yumen_plugins.anomaly.words.wordfile import Word, read_words
from yumen_plugins.anomaly.words.wordhan import HanWords, Line
from yumen_plugins.anomaly.words.wordlatin import LatinWords, Tokens
from yumen_plugins.anomaly.words.wordparts import GAP_MAX, REPEATS_MAX, SPREAD_MAX, Candidate, Entry, Lexicon, merged

# Whether a word is a whole one depends on no more folded characters before it: a Latin letter that is repeated.
_BEHIND = (1 + REPEATS_MAX) * (1 + GAP_MAX)
_LETTER, _HAN = bytes([LETTER]), bytes([HAN])
_SHIPPED = Path(__file__).parent / "shipped"


class WordHit(NamedTuple):
    """A sensitive word in a text: `text[start:end]`, in code points, with its severity from 1 to 5."""

    category: str
    severity: int
    start: int
    end: int


class Found(NamedTuple):
    """A word or an exception in a text, before it is decided what counts."""

    start: int
    end: int
    entry: Entry


class Look(NamedTuple):
    """What stands in a text; where the earliest find starts that more text could change, and from where on text matters.

    `opens` is the length of the text where nothing at its end can become a word. What stands before `matters` has no part in
    what is found from `opens` on.
    """

    found: list[Found]
    opens: int
    matters: int


class Choice:
    """Decides which finds count, from left to right: in each category the leftmost, and of those the longest.

    It keeps what it has to know of what it was given before, so that a text may come in parts.
    """

    def __init__(self) -> None:
        self._ends: dict[str, int] = {}
        self._excused: list[Found] = []

    def of(self, found: Iterable[Found]) -> list[WordHit]:
        """The hits among finds, none of which starts before those of the last call did; ordered by place."""
        ordered = sorted(found, key=_rank)
        hits: list[WordHit] = []
        for start, end, (category, severity, allowed) in ordered:
            if allowed:
                self._excuse(start, end, category)
            elif start >= self._ends.get(category, 0) and not self._is_excused(start, end, category):
                self._ends[category] = end
                hits.append(WordHit(category, severity, start, end))
        return hits

    def _excuse(self, start: int, end: int, category: str) -> None:
        """Note an exception, in place of those that it outlasts."""
        kept = [one for one in self._excused if one.end > start and (one.entry.category != category or one.end > end)]
        self._excused = [*kept, Found(start, end, Entry(category, 0, True))]

    def _is_excused(self, start: int, end: int, category: str) -> bool:
        return any(one.start <= start and end <= one.end and one.entry.category == category for one in self._excused)


class WordLists:
    """The words of lists, ready to be found."""

    def __init__(self, words: Sequence[Word]) -> None:
        latin: dict[str, list[Entry]] = {}
        han: dict[str, list[Entry]] = {}
        for word, plain, kinds in _folded(words):
            entry = Entry(word.category, word.severity, word.allowed)
            if HAN in kinds:
                han.setdefault(_letters(plain, kinds), []).append(entry)
            elif LETTER in kinds:
                latin.setdefault(_tokens(plain, kinds), []).append(entry)
        for word, reading in readings(words):
            latin.setdefault(reading, []).append(Entry(word.category, word.severity, word.allowed))
        self._latin = LatinWords(_lexicon(latin))
        self._han = HanWords(_lexicon(han))
        self.categories = tuple(sorted({word.category for word in words if not word.allowed}))
        # The longest word, each character as often as it may stand, with all the symbols and invisible characters between.
        self.hold_max = max(self._latin.letters_max, self._han.letters_max) * REPEATS_MAX * SPREAD_MAX

    @classmethod
    def load(cls, files: Sequence[Path]) -> WordLists:
        """The words of files; raises `WordFileError`, and `CannotStart` where the extra for pinyin is missing."""
        return cls(read_words(files))

    @staticmethod
    def shipped(category: str | None = None) -> list[Path]:
        """The example lists that come with Yumen: of one category, or all; a category without one has none."""
        return sorted(path for path in _SHIPPED.glob("*.txt") if category in (None, path.stem))

    def find(self, text: str) -> list[WordHit]:
        """The hits in a text, ordered by place. Those of several categories may overlap, those of one never do."""
        found = self.look(text, tail=False).found
        return Choice().of(found) if found else []

    def look(self, text: str, *, tail: bool) -> Look:
        """All words and exceptions in a text. Without `tail` the text is the whole, and nothing opens at its end."""
        folded = fold(text)
        kinds = folded.kinds.tobytes()
        candidates: list[Candidate] = []
        opens = length = len(folded)
        if _LETTER in kinds:
            tokens = Tokens(folded)
            candidates += self._latin.find(tokens)
            opens = self._latin.opens(tokens, length) if tail else opens
        if _HAN in kinds:
            candidates += self._han.find(Line(folded))
        if tail and (_HAN in kinds or self._han.mixed):
            start = max(0, length - self._han.reach)
            opens = min(opens, start + self._han.opens(spelt(folded.codes[start:]), kinds[start:]))
        found = [Found(*folded.span(one.start, one.end), entry) for one in candidates for entry in one.entries]
        place = folded.place(opens) if opens < length else len(text)
        return Look(found, place, folded.place(max(0, opens - _BEHIND)))


def count(hits: Iterable[WordHit]) -> dict[str, int]:
    """How many hits each category has; one without any is left out."""
    counts: dict[str, int] = {}
    for hit in hits:
        counts[hit.category] = counts.get(hit.category, 0) + 1
    return counts


def severity_max(hits: Iterable[WordHit]) -> int:
    """The highest severity, 0 where there are no hits."""
    return max((hit.severity for hit in hits), default=0)


def _rank(found: Found) -> tuple[int, bool, int, int]:
    """From left to right, exceptions first, then the longest, then the gravest."""
    return found.start, not found.entry.allowed, -found.end, -found.entry.severity


def _folded(words: Sequence[Word]) -> Iterable[tuple[Word, str, bytes]]:
    """Words with their folded spelling and its kinds, all of them folded at once."""
    # Each word has an end of its own, so that there is one more line than words.
    folded = fold("".join(word.text + "\n" for word in words))
    text, kinds = spelt(folded.codes), folded.kinds.tobytes()
    start = 0
    for word, plain in zip(words, text.split("\n")[:-1], strict=True):
        yield word, plain, kinds[start : start + len(plain)]
        start += len(plain) + 1


def _letters(plain: str, kinds: bytes) -> str:
    return "".join(char for char, kind in zip(plain, kinds, strict=True) if kind <= HAN)


def _tokens(plain: str, kinds: bytes) -> str:
    return " ".join("".join(char if kind == LETTER else " " for char, kind in zip(plain, kinds, strict=True)).split())


def _lexicon(words: dict[str, list[Entry]]) -> Lexicon:
    return {word: merged(entries) for word, entries in words.items()}
