"""The form of ledgers that were written before version 2, and the chain of codes that makes changes visible.

A segment is lines of JSON. Each line begins with its code:

    {"mac":"<64 lower-case hexadecimal digits>",<the rest of the record>}

The code is HMAC-SHA256 under the ledger's key over the code before it (32 bytes; zeros before the first line of a writer)
and the exact bytes of the line behind the code's member, without the newline. So a line cannot be changed, moved, dropped or
put in by anybody without the key, and a line's code is checked before its JSON is parsed.
"""

from __future__ import annotations

import hmac
import re
from pathlib import Path
from typing import Any

import msgspec

from yumen import Hmac

# The head has one size, so that a newer one always covers an older one whole.
HEAD_BYTES = 256
START = bytes(32)
PREFIX = b'{"mac":"'
REST = len(PREFIX) + 64  # where the closing quote of the code stands
LINE = re.compile(rb'\{"mac":"([0-9a-f]{64})",[^\n]*\}\Z', re.DOTALL)
# A line longer than this is not one of ours, and is not read into memory.
LINE_BYTES_MAX = 128 << 20
SUFFIX = ".log"

decode = msgspec.json.Decoder(dict[str, Any]).decode


def opened(mac: Hmac, before: bytes, line: bytes) -> bytes | None:
    """The code of a line (without its newline), or None where the line is not what was sealed after `before`."""
    match = LINE.match(line)
    if match is None:
        return None
    code = mac(before + line[REST:])
    return code if hmac.compare_digest(code.hex().encode(), match[1]) else None


def segment_name(number: int) -> str:
    """The file name of a segment."""
    return f"{number:08d}{SUFFIX}"


def segment_numbers(folder: Path, names: list[str] | None = None) -> list[int]:
    """The numbers of the segments in a writer's folder, or among `names`; files with other names are none of ours."""
    found = names if names is not None else [path.name for path in folder.glob(f"*{SUFFIX}")]
    stems = (name.removesuffix(SUFFIX) for name in found)
    numbers = (int(stem) for stem in stems if stem.isascii() and stem.isdigit() and len(stem) >= 8)
    return sorted({number for number in numbers if (folder / segment_name(number)).is_file()})


def head_start(mac: Hmac, writer: str) -> bytes:
    """What the code of a writer's head begins with: no line of a segment and no other writer's head can stand in for it."""
    return mac(b"head\0" + writer.encode("utf-8", "surrogateescape"))
