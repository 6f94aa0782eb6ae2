"""Encodings that hide values: escapes of JSON (RFC 8259), percent-encoded characters (RFC 3986) and Base64 (RFC 4648)."""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64decode
from binascii import Error
from collections.abc import Iterator

import msgspec

# Base64 of fewer characters holds nothing that counts, and what is longer is a file.
BASE64_MIN, BASE64_MAX = 16, 65_536
# Of the characters that Base64 stands for, at least this share is printable where they are text.
PRINTABLE_MIN = 0.9
FIRST_PRINTABLE = 0x20
HEX = "[0-9A-Fa-f]"
TAIL = f"%[89ABab]{HEX}"
# One character as it is percent-encoded: printable ASCII, or UTF-8 of two, three or four bytes (RFC 3629, section 4).
ESCAPE = (
    f"%[2-6]{HEX}|%7[0-9A-Ea-e]"
    f"|%(?:[Cc][2-9A-Fa-f]|[Dd]{HEX}){TAIL}"
    f"|%(?:[Ee]0%[ABab]{HEX}|[Ee][Dd]%[89]{HEX}|[Ee][1-9A-CEFa-cef]{TAIL}){TAIL}"
    f"|%[Ff](?:0%[9ABab]{HEX}|[1-3]{TAIL}|4%8{HEX}){TAIL}{TAIL}"
)
_ESCAPES = re.compile(ESCAPE)
# A character as JSON may write it in a string, and as a string in a string has it, with more backslashes.
JSON_ESCAPE = rf"\\u{HEX}{{4}}"
# A run of backslashes is looked at once, from its beginning.
_JSON_ESCAPES = re.compile(rf"(?<!\\)\\++u(?:([Dd][89ABab]{HEX}{{2}})\\++u([Dd][C-Fc-f]{HEX}{{2}})|({HEX}{{4}}))")
# A character as HTML writes it where blanks, signs and digits are concerned.
HTML_ESCAPE = "&#[0-9xX]|&(?:nbsp|commat|period|colon|hyphen);"
_HTML_ESCAPES = re.compile(f"&(?:#([0-9]{{1,7}});?|#[xX]({HEX}{{1,6}});?|(nbsp|commat|period|colon|hyphen);)")
NAMED_IN_HTML = {"nbsp": " ", "commat": "@", "period": ".", "colon": ":", "hyphen": "-"}
# What ends a string or escapes in it keeps its escape: it is no end.
KEPT_ESCAPED = frozenset(map(ord, "\"'`\\"))
_ALPHABET = "[A-Za-z0-9+/_-]"
# A run of it, in one line or in lines of 64 (PEM) or 76 characters (MIME) and a last one.
_LINES = f"(?:(?:{_ALPHABET}{{64}}|{_ALPHABET}{{76}})\r?\n)+{_ALPHABET}{{1,76}}+"
_BASE64 = re.compile(f"(?<!{_ALPHABET})(?:{_LINES}|{_ALPHABET}{{{BASE64_MIN},}}+)={{0,2}}(?!{_ALPHABET})")
# What must stand in a text for it to hold any, for the one pass.
BASE64_EXPRESSION = f"{_ALPHABET}{{{BASE64_MIN}}}"


def unescaped(text: str) -> Iterator[tuple[int, int, str]]:
    """The percent-encoded characters of a text: where each stands, and which it is. Those in one another are not."""
    for match in _ESCAPES.finditer(text):
        yield *match.span(), bytes.fromhex(match[0].replace("%", "")).decode()


def json_unescaped(text: str) -> Iterator[tuple[int, int, str]]:
    """The characters of a text that are written as escapes of JSON, but for control characters, quotes and half ones."""
    for match in _JSON_ESCAPES.finditer(text):
        high, low, one = match.groups()
        code = int(one, 16) if one else 0x10000 + (int(high, 16) - 0xD800 << 10) + int(low, 16) - 0xDC00
        if _readable(code):
            yield *match.span(), chr(code)


def html_unescaped(text: str) -> Iterator[tuple[int, int, str]]:
    """The same for references of HTML: numeric ones, and the few named ones that stand in values."""
    for match in _HTML_ESCAPES.finditer(text):
        decimal, hexadecimal, name = match.groups()
        code = ord(NAMED_IN_HTML[name]) if name else int(decimal) if decimal else int(hexadecimal, 16)
        if _readable(code):
            yield *match.span(), chr(code)


def _readable(code: int) -> bool:
    return FIRST_PRINTABLE <= code <= 0x10FFFF and not 0xD800 <= code < 0xE000 and code not in KEPT_ESCAPED


def is_json(text: str) -> bool:
    """Whether a text is a document of JSON, so that its escapes are those of JSON."""
    if text.lstrip()[:1] not in ("{", "[", '"'):
        return False
    try:
        msgspec.json.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return True


def without_json_escapes(text: str) -> str:
    """The text with the characters that its escapes of JSON stand for."""
    parts: list[str] = []
    position = 0
    for start, end, char in json_unescaped(text):
        parts += [text[position:start], char]
        position = end
    return "".join((*parts, text[position:]))


def decoded(text: str) -> Iterator[tuple[int, int, str]]:
    """The Base64 in a text that stands for text: where it is, and the text that it stands for.

    Both alphabets are read, with and without padding. What stands for UTF-8 that is mostly printable is text. Runs of more
    than 65,536 characters are left out, and so is Base64 inside Base64.
    """
    for match in _BASE64.finditer(text):
        inner = _decode(match[0])
        if inner is not None:
            yield *match.span(), inner


def _decode(run: str) -> str | None:
    data = "".join(run.split()).rstrip("=")
    if not BASE64_MIN <= len(data) <= BASE64_MAX or len(data) % 4 == 1:
        return None
    plain, safe = "+" in data or "/" in data, "-" in data or "_" in data
    if plain and safe:
        return None
    padded = data + "=" * (-len(data) % 4)
    try:
        inner = (urlsafe_b64decode(padded) if safe else b64decode(padded, validate=True)).decode()
    except (Error, UnicodeDecodeError):
        return None
    printable = sum(char.isprintable() or char in "\t\r\n" for char in inner)
    return inner if printable >= PRINTABLE_MIN * len(inner) else None
