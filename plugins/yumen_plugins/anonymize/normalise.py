"""Spells text as detectors expect it, and knows where every character came from.

People and models write digits full-width or in Chinese, put invisible characters inside them, or letters that look like
digits. Such a text is spelt plainly before it is matched, and `Places` leads every match back to the original, where the
edit lands. Text that needs nothing of this costs no work here: `Speller.expressions` take part in the scanner's one pass,
and say whether anything has to be spelt otherwise. Ordinary Chinese and English need nothing.

What is done, in this order:

1. characters that are written as escapes of JSON (`\\u5f20`) or references of HTML (`&#64;`) are decoded, and
   percent-encoded ones, once (an option);
2. full-width forms, letters of mathematical alphabets, circled letters, other scripts' digits (an option), unusual hyphens
   and blanks become ASCII, ligatures their letters, and invisible characters are left out;
3. marks over, under and around an ASCII character go, but for one that makes another letter of it (`e` and an acute: `é`);
4. Chinese numerals, circled and raised digits (an option) and letters that look like digits (an option) become digits
   inside a number, see `numerals.py`;
5. digits that stand one by one (`1 3 8 0 0 1 3 8 0 0 0`) move together, where they are as many as a number of a person has;
6. letters of Cyrillic and Greek in an e-mail address that has Latin ones become those they look like (an option).

All of it takes time in proportion to the text, whatever is in it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cache

from yumen_plugins.anonymize.characters import (
    BLANKS,
    DIGITS,
    FULL_WIDTH,
    HYPHENS,
    INVISIBLE,
    JOINERS,
    LATIN,
    MARKS,
    NUMERALS,
    PLAIN,
    PROSE,
)
from yumen_plugins.anonymize.config import Spelling
from yumen_plugins.anonymize.encodings import (
    ESCAPE,
    HTML_ESCAPE,
    JSON_ESCAPE,
    html_unescaped,
    json_unescaped,
    unescaped,
)
from yumen_plugins.anonymize.numerals import HAN_FIRST, HAN_LAST, Numbers
from yumen_plugins.anonymize.sets import members, over_bytes

# Of the marks on one character, as many are looked at: composing is quadratic in them.
COMPOSED_MARKS = 3
IRREGULAR = {code: plain for code, plain in PLAIN.items() if len(plain) > 1} | dict.fromkeys(INVISIBLE, "")
WIDE_RUN, WIDE_ALNUM = re.compile("[！-～]+"), re.compile("[０-９Ａ-Ｚａ-ｚ]")


# Characters that change the length, marks on what may be marked, and addresses that hold a letter of another script.
CHANGES = re.compile(f"[{members(INVISIBLE)}]+|[{members(code for code, plain in IRREGULAR.items() if plain)}]")
BMP = 0xFFFF
NEAR, FAR = (members(code for code in MARKS if (code > BMP) == far) for far in (False, True))
# What is beyond U+FFFF is looked at where something is: almost never.
MARKED = re.compile(f"([0-9A-Za-z._%+@-])((?:[{NEAR}]|(?=[\U00010000-\U0010ffff])[{FAR}])++)")
LOCAL, DOMAIN = "[A-Za-z0-9._%+-]", "[A-Za-z0-9.-]"
FOREIGN_LOCAL, FOREIGN_DOMAIN = (one[:-2] + members(LATIN) + "-]" for one in (LOCAL, DOMAIN))
# What is spelt plainly already, and most values are: no letter or numeral that could be a digit, no escape.
HAN = members(set(range(HAN_FIRST, HAN_LAST + 1)) - NUMERALS.keys())
PLAIN_VALUE = re.compile(f"[0-9a-km-np-zA-HJ-NP-Z.@ _{HAN}-]*+|[a-zA-Z.@ _{HAN}-]*+")
JSON_ESCAPED, HTML_ESCAPED = re.compile(JSON_ESCAPE), re.compile(HTML_ESCAPE)
# Digits one by one with the same sign between them: so people write what is to be read aloud, or not to be found.
ONE_BY_ONE = "[0-9](?:[ ._-] ?[0-9]){5}"
SPACED = re.compile(
    r"(?<![0-9])(?<![0-9][ ._-])[0-9](?P<sign> {1,2}|[._-])[0-9](?:(?P=sign)[0-9]){9,18}(?:(?P=sign)[Xx])?(?![ ._-]?[0-9])"
)
# Twenty digits, an X, and two blanks between any two of them.
SPACED_CHARS_MAX = 62
ADDRESS = re.compile(f"(?<!{FOREIGN_LOCAL}){FOREIGN_LOCAL}{{1,64}}+@{FOREIGN_DOMAIN}{{3,64}}+")


class Places:
    """Where the characters of a plain spelling stood in the original.

    Only what changed the length is written down, each step of spelling for itself.
    """

    __slots__ = ("_layers",)

    def __init__(self) -> None:
        self._layers: list[Layer] = []

    def add(self, layer: Layer) -> None:
        """Note what one more step did to what the steps before it made."""
        if layer.starts:
            self._layers.append(layer)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The place in the original of `plain[start:end]`, in code points.

        It holds all that these characters were written with, and the invisible characters between them; those before and
        behind stay outside. A part of what one original character stood for (`f` of a ligature) is all of that character.
        """
        for layer in reversed(self._layers):
            start, end = (layer.start(start), layer.end(end)) if start < end else (layer.start(start),) * 2
        return start, end


class Layer:
    """What one step changed: `starts` and `ends` in its result, and in parallel where that stood in its input."""

    __slots__ = ("_from", "_shift", "_to", "ends", "starts")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self._from: list[int] = []
        self._to: list[int] = []
        self._shift = 0

    def note(self, first: int, last: int, width: int) -> None:
        """The input's characters `first` to `last` have become `width` characters; called from left to right."""
        start = first + self._shift
        self.starts.append(start)
        self.ends.append(start + width)
        self._from.append(first)
        self._to.append(last)
        self._shift = start + width - last

    def start(self, place: int) -> int:
        """Where the character at this place began."""
        index = bisect_right(self.starts, place) - 1
        if index < 0:
            return place
        return self._from[index] if place < self.ends[index] else self._to[index] + place - self.ends[index]

    def end(self, place: int) -> int:
        """Where the character before this place ended."""
        index = bisect_right(self.starts, place - 1) - 1
        if index < 0:
            return place
        return self._to[index] if place <= self.ends[index] else self._to[index] + place - self.ends[index]


class Speller:
    """Spells plainly what `spelling` says.

    `expressions` are for the one pass, over UTF-8 bytes (lone surrogates in `surrogatepass` are harmless) and without flags:
    where none of them matches, `spell` would change nothing that detectors need.
    """

    def __init__(self, spelling: Spelling) -> None:
        self._percent = spelling.percent
        self._latin = spelling.lookalikes
        self._numbers = Numbers(numerals=spelling.numerals, lookalikes=spelling.lookalikes)
        table = PLAIN | DIGITS if spelling.lookalikes else PLAIN
        self._table: dict[int, str] = table | IRREGULAR
        always = over_bytes(sorted({*table, *INVISIBLE} - PROSE - JOINERS))
        dash, blank = over_bytes(PROSE & HYPHENS), over_bytes(PROSE & BLANKS)
        joiner, mark = over_bytes(JOINERS), over_bytes(MARKS)
        beyond = [
            always,
            # A dash between digits, a blank between letters or digits, or a wide one behind a colon.
            f"[0-9] ?{dash} ?[0-9]|[0-9A-Za-z]{blank}[0-9A-Za-z]|(?::|\\xef\\xbc\\x9a)\\xe3\\x80\\x80",
            # Behind an ASCII letter or digit or a Han character, or before the former.
            f"(?:[0-9A-Za-z]|[\\xe4-\\xe9][\\x80-\\xbf][\\x80-\\xbf]){joiner}|{joiner}[0-9A-Za-z]",
            f"[0-9A-Za-z._%+@-]{mark}",
        ]
        if self._latin:
            foreign = over_bytes(LATIN)
            # Among Latin letters, or beside the sign itself.
            beyond.append(f"[A-Za-z0-9@]{foreign}|{foreign}[A-Za-z0-9@_]")
        always_encoded = [JSON_ESCAPE, HTML_ESCAPE]
        encoded = [*always_encoded, *([ESCAPE] if self._percent else [])]
        numbers = [*self._numbers.beyond_ascii, *self._numbers.ascii_too]
        self.expressions = [(one.encode(), 0) for one in (*beyond, *encoded, *numbers, ONE_BY_ONE)]
        self._ascii = [re.compile(one.encode()) for one in encoded[len(always_encoded) :]]
        self._all = [re.compile(one.encode()) for one in (*encoded[len(always_encoded) :], *beyond)]

    def needed(self, text: str) -> bool:
        """Whether a text holds anything that has to be spelt otherwise: what `expressions` say, less what is no number."""
        if "\\u" in text and JSON_ESCAPED.search(text):
            return True
        if "&" in text and HTML_ESCAPED.search(text):
            return True
        if SPACED.search(text):
            return True
        asked = self._ascii if text.isascii() else self._all
        data = text.encode("utf-8", "surrogatepass") if asked else b""
        return any(one.search(data) for one in asked) or self._numbers.needed(text)

    def spell(self, text: str) -> tuple[str, Places]:
        """The plain spelling, and where its characters stood."""
        places = Places()
        if "\\u" in text:
            text = _respelt(text, json_unescaped(text), places)
        if "&" in text:
            text = _respelt(text, html_unescaped(text), places)
        if self._percent and "%" in text:
            text = _respelt(text, unescaped(text), places)
        if not text.isascii():
            text = self._characters(text, places)
        if not text.isascii():
            text = _respelt(text, _composed(text), places)
        text = self._numbers.spell(text)
        text = _respelt(text, _together(text), places)
        if self._latin and not text.isascii() and "@" in text:
            text = ADDRESS.sub(_latin, text)
        return text, places

    def value(self, text: str) -> str:
        """The plain spelling alone, of a value by itself."""
        if PLAIN_VALUE.fullmatch(text):
            return text
        return self.spell(text)[0] if self.needed(text) else text

    def _characters(self, text: str, places: Places) -> str:
        if WIDE_ALNUM.search(text):
            text = WIDE_RUN.sub(_narrow, text)
        layer = Layer()
        for match in CHANGES.finditer(text):
            layer.note(*match.span(), len(IRREGULAR[ord(match[0][0])]))
        places.add(layer)
        return text.translate(self._table)


def _narrow(match: re.Match[str]) -> str:
    """Full-width punctuation beside full-width letters and digits, as ASCII."""
    return match[0].translate(FULL_WIDTH) if WIDE_ALNUM.search(match[0]) else match[0]


def _respelt(text: str, changes: Iterable[tuple[int, int, str]], places: Places) -> str:
    """The text with other characters in some spans, which stand from left to right."""
    parts: list[str] = []
    position = 0
    layer = Layer()
    for start, end, new in changes:
        parts += [text[position:start], new]
        position = end
        layer.note(start, end, len(new))
    places.add(layer)
    return "".join((*parts, text[position:])) if parts else text


def _composed(text: str) -> Iterator[tuple[int, int, str]]:
    """Characters with marks on them, as the letter that they make."""
    for match in MARKED.finditer(text):
        base, marks = match.groups()
        yield *match.span(), unicodedata.normalize("NFC", base + marks[:COMPOSED_MARKS])[0]


def _together(text: str) -> Iterator[tuple[int, int, str]]:
    """What stands between digits that stand one by one, as nothing."""
    for match in SPACED.finditer(text):
        width = len(match["sign"])
        for at in range(match.start() + 1, match.end(), width + 1):
            yield at, at + width, ""


def _latin(match: re.Match[str]) -> str:
    """An address with the Latin letters; one without any is of another script and stays."""
    return match[0].translate(LATIN) if re.search("[A-Za-z]", match[0]) else match[0]


# What never stands in a plain spelling, and what stands there for it.
WIDE = {code: ord(plain) for code, plain in PLAIN.items() if len(plain) == 1}


def normalise(text: str) -> tuple[str, list[int]]:
    """`Speller.spell` with every option as it is by default, and the offset of each plain character and of the end."""
    speller = _default()
    if not speller.needed(text):
        return text, list(range(len(text) + 1))
    plain, places = speller.spell(text)
    return plain, [*(places.span(at, at + 1)[0] for at in range(len(plain))), len(text)]


@cache
def _default() -> Speller:
    return Speller(Spelling())


def plain_spaces(text: str) -> str:
    """The text with those blanks and dashes plain that built-in detectors do not mind, at the same places."""
    return text if text.isascii() else text.replace("\u3000", " ").replace("\u2013", "-")
