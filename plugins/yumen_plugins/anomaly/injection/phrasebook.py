"""Reads phrases from files and looks for all of them at once.

A file of `phrases/` holds one kind, one phrase a line. A phrase is a regular expression in lower case, with some additions:

    {name}   one of the words of that list, which stands in `lists.txt`
    blank    what parts two words: blanks, commas, quotation marks
    a ~ b    at most four other words between, in the same sentence
    前~后    at most eight other characters between, in the same sentence

Texts are looked for as `fold` spells them. One pass says of which phrases the words are there at all, then each of those is
looked for by itself: one automaton of all would have a state for every mixture of words that somebody writes. Both take time
in proportion to the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import re2

from yumen_plugins.anomaly.injection.needles import Needles
from yumen_plugins.anomaly.injection.readings import options, readings
from yumen_plugins.anomaly.words.fold import fold

FOLDER = Path(__file__).parent / "phrases"
GAP = r"(?:[\s,:'\"*_()<>`“”‘’-]{1,4})"
WORD = r"[^\s.!?;。\x00]+"
SOME_WORDS = rf"(?:{GAP}|{GAP}(?:{WORD}{GAP}){{1,4}})"
SOME_HAN = r"[^\n.!?;。\x00]{0,8}"
# The same where everything but letters has been taken out.
SOLID_WORDS, SOLID_HAN = "[a-z0-9]{0,16}", r"[^\n\x00]{0,8}"
NAME = re.compile(r"\{([^\W\d]\w*)\}")
# Words are looked for in pieces of so many bytes, so that those of one phrase stand near each other; no phrase is longer
# than what two pieces share.
PIECE, SHARED = 2_048, 512
# Phrases of one kind that are told apart in one piece: more of them say nothing more.
OF_ONE_MAX = 8
# How many phrases are looked for by themselves in one text, how many more in each piece of a longer one, and how many are
# found. Prose needs a third of that; a salad of the words of attacks is cut short, and says so.
LOOKS, LOOKS_EACH, SPANS_MAX = 512, 20, 512
# Bytes for each phrase's automaton, and more for each of its instructions.
MEMORY, MEMORY_EACH = 1 << 18, 512


class Span(msgspec.Struct, frozen=True, order=True):
    """A phrase of one kind: where it stands, in bytes of UTF-8."""

    start: int
    end: int
    kind: str


class Found(msgspec.Struct, frozen=True):
    """Phrases in the order of a text, the kinds of hints, and whether there was more than is looked at."""

    spans: list[Span]
    hints: set[str]
    more: bool


class Phrases:
    """Some phrases, by kind; of `hints`, by kind as well, it only matters whether they are there. Any thread may ask."""

    def __init__(
        self, phrases: Mapping[str, Sequence[str]], hints: Mapping[str, Sequence[str]] = MappingProxyType({})
    ) -> None:
        listed = [(kind, one) for kind, several in phrases.items() for one in several]
        listed += [(kind, one) for kind, several in hints.items() for one in several]
        read = readings([one for _, one in listed])
        self._each = [
            (kind, re2.compile(one, _options(known.instructions)))
            for (kind, one), known in zip(listed, read, strict=True)
        ]
        self._hints = frozenset(hints)
        self._needles = Needles([one for _, one in listed], [known.needed for known in read])

    def find(self, data: bytes, leave_out: str = "") -> Found:
        """What stands in a folded text, but for one kind; phrases of one kind that overlap are one."""
        spans: list[tuple[str, int, int]] = []
        hints: set[str] = set()
        left = LOOKS + LOOKS_EACH * (len(data) // PIECE)
        for at in range(0, max(len(data), 1), PIECE):
            piece = data[at : at + PIECE + SHARED] if len(data) > PIECE else data
            for number in self._needles.candidates(piece):
                kind, phrase = self._each[number]
                if kind in self._hints:
                    if kind not in hints and phrase.search(piece) is not None:
                        hints.add(kind)
                elif kind != leave_out and left > 0 and len(spans) < SPANS_MAX:
                    left -= 1
                    matches = islice(phrase.finditer(piece), OF_ONE_MAX)
                    spans += [(kind, at + match.start(), at + match.end()) for match in matches]
        return Found(merged(spans) if spans else [], hints, left <= 0 or len(spans) >= SPANS_MAX)


def merged(found: Iterable[tuple[str, int, int]]) -> list[Span]:
    """Kinds, starts and ends, those of one kind that overlap made one, in the order of the text."""
    spans: list[Span] = []
    for kind, start, end in sorted(found):
        last = spans[-1] if spans else None
        if last is not None and last.kind == kind and start < last.end:
            spans[-1] = Span(last.start, max(last.end, end), kind)
        else:
            spans.append(Span(start, end, kind))
    return sorted(spans)


def expressions(*kinds: str, solid: bool = False) -> dict[str, list[str]]:
    """The phrases of some files as regular expressions; `solid`: for texts that consist of letters only."""
    return {kind: [expression(line, solid=solid) for line in lines(kind)] for kind in kinds}


def lines(name: str) -> list[str]:
    """The lines of a file, folded, without comments."""
    said = (FOLDER / f"{name}.txt").read_text("utf-8").splitlines()
    return [fold(line).text for line in said if line and not line.startswith("#")]


def expression(phrase: str, *, solid: bool = False) -> str:
    """A phrase as a regular expression. Error: KeyError for a list that there is none of."""
    while NAME.search(phrase):
        phrase = NAME.sub(lambda name: f"({_lists()[name[1]]})", phrase)
    phrase = re.sub(r"(?<!\\)\((?!\?)", "(?:", phrase)
    if solid:
        return phrase.replace(" ~ ", SOLID_WORDS).replace("~", SOLID_HAN).replace(" ?", "").replace(" ", "")
    edge = r"\b" if re.match(r"[a-z(]", phrase) and not re.search(r"[\u4e00-\u9fff]", phrase) else ""
    return edge + phrase.replace(" ~ ", "\x01").replace("~", SOME_HAN).replace(" ", GAP).replace("\x01", SOME_WORDS)


@cache
def _lists() -> Mapping[str, str]:
    """The words that phrases name."""
    pairs = (line.partition(" = ") for line in lines("lists"))
    return {name.strip(): words for name, _, words in pairs}


def _options(instructions: int) -> Any:
    """How an expression is read; its automaton gets memory in proportion to its size, and is made anew beyond that."""
    made = options()
    made.max_mem = MEMORY + MEMORY_EACH * instructions
    return made
