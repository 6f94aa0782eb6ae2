"""One JSON object a line, with every member as it is in the record."""

from __future__ import annotations

import re
from typing import Any

import msgspec

# Characters that some readers end a line at (U+0085, U+2028, U+2029), or that a terminal would act on. JSON may spell any
# character as its code, so nothing is lost. Their bytes begin no other character and are found nowhere but in strings.
ACTED_ON = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]")
ENCODER = msgspec.json.Encoder()


def line(record: dict[str, Any]) -> bytes:
    """A record as JSON in UTF-8, without a newline anywhere. Format: https://jsonlines.org/"""
    return encoded(record)


def encoded(value: Any) -> bytes:
    """JSON on one line, also for readers that know more ends of a line than `\\n`."""
    content = ENCODER.encode(value)
    return content if content.isascii() and b"\x7f" not in content else ACTED_ON.sub(_code, content)


def _code(match: re.Match[bytes]) -> bytes:
    return b"\\u%04x" % ord(match[0].decode())
