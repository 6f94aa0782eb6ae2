"""Spells text as detectors expect it, and knows where every character came from.

People and models write digits full-width, or put zero-width characters inside them. Such a text is spelt plainly before it
is matched, and a map leads every match back to the original, where the edit lands.
"""

from __future__ import annotations

import re

# Full-width digits, letters and the signs that stand in numbers and addresses. Full-width `：` and `，` are ordinary Chinese
# punctuation: they are left alone, so that ordinary Chinese text needs no work at all.
WIDE = {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
WIDE |= {0xFF20: ord("@"), 0xFF0E: ord("."), 0xFF0D: ord("-"), 0xFF3F: ord("_"), 0xFF0B: ord("+"), 0x3000: ord(" ")}
WIDE |= {code: ord("-") for code in (0x2010, 0x2011, 0x2012, 0x2013, 0x2212)} | {0xA0: ord(" "), 0x2007: ord(" ")}
# Digits of mathematical alphabets, five styles in a row.
WIDE |= {code: ord("0") + (code - 0x1D7CE) % 10 for code in range(0x1D7CE, 0x1D800)}
INVISIBLE = frozenset({0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0x2061, 0x2062, 0x2063, 0xFEFF})
NEEDED = re.compile("[" + "".join(map(chr, sorted({*WIDE, *INVISIBLE} - {0x3000, 0x2013}))) + "]")


def needed(text: str) -> bool:
    """Whether a text holds anything that has to be spelt otherwise."""
    return not text.isascii() and NEEDED.search(text) is not None


def normalise(text: str) -> tuple[str, list[int]]:
    """The plain spelling, and for each of its characters, and for its end, the offset in the original."""
    out: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        code = ord(char)
        if code in INVISIBLE:
            continue
        out.append(chr(WIDE[code]) if code in WIDE else char)
        places.append(place)
    places.append(len(text))
    return "".join(out), places


def plain_spaces(text: str) -> str:
    """The text with those blanks and dashes plain that built-in detectors do not mind, at the same places."""
    return text if text.isascii() else text.replace("\u3000", " ").replace("\u2013", "-")
