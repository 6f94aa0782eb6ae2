"""Reads what escapes of JSON, percent signs and character references spell, so that no word hides behind them."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

JSON_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def unescaped(text: str) -> str:
    """A text with its escapes of JSON read."""
    if "\\" not in text:
        return text
    plain = JSON_ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else SHORT.get(match[2], match[2]), text)
    # Two halves of a character beyond U+FFFF become one.
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def plainly(text: str) -> str:
    """A text with everything read that is read somewhere on its way, once."""
    plain = unescaped(text)
    if "%" in plain:
        plain = unquote(plain, errors="replace")
    return html.unescape(plain) if "&" in plain else plain
