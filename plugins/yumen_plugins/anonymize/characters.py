"""Characters that are read as others: which, and as what.

The tables come from the Unicode character database that Python brings (decimal values, compatibility decompositions), and
from UTS #39 for letters that look alike. Each maps code points to what detectors know.
"""

from __future__ import annotations

import unicodedata

# Beyond this code point there are ideographs, tags and private characters alone.
LAST = 0x1FC00
ALNUM = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def _row(first: int, plain: str) -> dict[int, str]:
    """Code points in a row."""
    return dict(enumerate(plain, first))


def _span(*spans: tuple[int, int]) -> frozenset[int]:
    return frozenset(code for first, last in spans for code in range(first, last + 1))


# Default_Ignorable_Code_Point of the Unicode character database: nothing is drawn for them.
INVISIBLE = _span(
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F),
    (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
# They join emoji and choose how one is drawn, so they are ordinary there, and unusual behind a letter or a digit.
JOINERS = frozenset({0x200D, 0xFE0F})
BLANKS = _span(
    (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x202F, 0x202F), (0x205F, 0x205F), (0x2800, 0x2800), (0x3000, 0x3000)
)  # fmt: skip
HYPHENS = _span((0x2010, 0x2015), (0x2043, 0x2043), (0x2212, 0x2212), (0xFE58, 0xFE58), (0xFE63, 0xFE63))
# Ordinary in prose, and unusual between letters and digits only.
PROSE = frozenset({0x3000, 0x2002, 0x2003, 0x2013, 0x2014, 0x2015})
# The full-width forms of ASCII. Their punctuation is ordinary in Chinese: it is read as ASCII beside letters and digits
# that are full-width too, and these few signs always.
FULL_WIDTH = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
SIGNS = {code: FULL_WIDTH[code] for code in map(ord, "＠．－＿＋")}


def _letters() -> dict[int, str]:
    """Letters and digits of mathematical alphabets, modifiers, circles, brackets and squares, that are one of ASCII."""
    blocks = ((0x2B0, 0x2E4), (0x1D2C, 0x1D6A), (0x2071, 0x209C), (0x210A, 0x214E), (0x24B6, 0x24E9), (0x1D400, 0x1D7FF),
              (0x1F130, 0x1F149))  # fmt: skip
    found: dict[int, str] = {}
    for code in _span(*blocks):
        plain = unicodedata.normalize("NFKC", chr(code))
        if plain in ALNUM and not (plain.isdigit() and code < 0x1D400):
            found[code] = plain
    capitals, small = (bytes(range(first, first + 26)).decode() for first in (0x41, 0x61))
    for first, row in ((0x249C, small), (0x1F110, capitals), (0x1F150, capitals), (0x1F170, capitals)):
        found |= _row(first, row)
    return found


# What one character stands for, however a policy sets its options; the ligatures are more than one.
PLAIN: dict[int, str] = (
    _letters()
    | {code: plain for code, plain in FULL_WIDTH.items() if plain in ALNUM}
    | SIGNS
    | dict.fromkeys(BLANKS, " ")
    | dict.fromkeys(HYPHENS, "-")
    | {0x2024: ".", 0xFE52: ".", 0xFE6B: "@"}
    | {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st", 0xFB06: "st"}
)
# Decimal digits of other scripts: Arabic-Indic, Devanagari, Thai, …
DIGITS: dict[int, str] = {
    ord(char): str(unicodedata.decimal(char))
    for char in filter(str.isdecimal, map(chr, range(0x80, LAST)))
    if ord(char) not in PLAIN
}
# Marks that are drawn over, under or around the character before them.
MARKS = (
    frozenset(
        code
        for code, category in enumerate(map(unicodedata.category, map(chr, range(0x300, LAST))), 0x300)
        if category in ("Mn", "Me")
    )
    - INVISIBLE
)


def _numerals() -> dict[int, str]:
    """Chinese numerals, everyday and financial, and digits in circles, in brackets, with a full stop, raised and lowered."""
    found: dict[int, str] = {}
    for value, row in enumerate(
        (
            "〇零○◯",
            "一壹幺㊀㈠",
            "二贰貳两兩㊁㈡",
            "三叁參㊂㈢",
            "四肆㊃㈣",
            "五伍㊄㈤",
            "六陆陸㊅㈥",
            "七柒㊆㈦",
            "八捌㊇㈧",
            "九玖㊈㈨",
        )
    ):
        found |= dict.fromkeys(map(ord, row), str(value))
    for first in (0x2460, 0x2474, 0x2488, 0x24F5, 0x2776, 0x2780, 0x278A, 0x3021):
        found |= _row(first, "123456789")
    found |= _row(0x2070, "0") | _row(0x2074, "456789") | _row(0x2080, "0123456789") | _row(0x1F101, "0123456789")
    return found | dict.fromkeys((0x24EA, 0x24FF, 0x1F100, 0x1F10B), "0") | {0xB9: "1", 0xB2: "2", 0xB3: "3"}


NUMERALS: dict[int, str] = _numerals()
# Letters that are taken for digits: of Latin, Cyrillic, Greek and Armenian. `|` is none: it stands between columns.
LOOKALIKES: dict[int, str] = (
    dict.fromkeys(map(ord, "OoОоΟοՕօ"), "0")
    | dict.fromkeys(map(ord, "lIІӀӏΙǀ"), "1")
    | dict.fromkeys(map(ord, "Зз"), "3")
)
# Letters of Cyrillic and Greek that are taken for Latin ones.
LATIN: dict[int, str] = dict(
    zip(
        map(ord, "асеһіјоԛрѕԁуԝхАВЕНІЈКМОРЅТХУοανυΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"),
        "acehijoqpsdywx" + "ABEHIJKMOPSTXY" + "oavu" + "ABEZHIKMNOPTYX",
        strict=True,
    )
)
