"""Encodings that hide values: escapes of JSON (RFC 8259), percent-encoded characters (RFC 3986) and Base64 (RFC 4648)."""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64decode
from binascii import Error
from collections.abc import Iterator

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
_JSON_ESCAPES = re.compile(rf"\\+u([Dd][89ABab]{HEX}{{2}})\\+u([Dd][C-Fc-f]{HEX}{{2}})|\\+u({HEX}{{4}})")
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
    """The characters of a text that are written as escapes of JSON, but for control characters and half ones."""
    for match in _JSON_ESCAPES.finditer(text):
        high, low, one = match.groups()
        code = int(one, 16) if one else 0x10000 + (int(high, 16) - 0xD800 << 10) + int(low, 16) - 0xDC00
        if code >= FIRST_PRINTABLE and not 0xD800 <= code < 0xE000:
            yield *match.span(), chr(code)


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
