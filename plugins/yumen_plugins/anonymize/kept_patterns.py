"""Compiles the patterns of built-in detectors, and keeps them on disk; see kept_files.py.

There are hundreds of them, some of which hold thousands of names, and compiling all takes `re` longer than all the rest of a
start. What is kept is what `re` hands to its engine, which checks it before it takes it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any

import msgspec

from yumen_plugins.anonymize import kept_files

# More than there are, several times; a file that holds more begins anew.
PATTERNS_MAX = 4096

# Nothing public shows a pattern's parts.
_reader: Any = re._parser  # type: ignore[attr-defined]
_compiler: Any = re._compiler  # type: ignore[attr-defined]
_engine: Any = _compiler._sre
_made: dict[str, re.Pattern[str]] = {}


class Code(msgspec.Struct, array_like=True, frozen=True):
    """What `re` makes of a pattern: flags, the engine's code, how many groups there are, and the numbers of named ones."""

    flags: int
    code: list[int]
    groups: int
    names: dict[str, int]


def compiled(pattern: str) -> re.Pattern[str]:
    """One pattern, compiled once."""
    made = _made.get(pattern)
    if made is None:
        made = _made[pattern] = re.compile(pattern)
    return made


def prepare(patterns: Iterable[str]) -> None:
    """Have `compiled` at hand for all of these, from the disk where they are kept."""
    missing = sorted({one for one in patterns if one not in _made})
    if not missing:
        return
    name = kept_files.name_of("patterns", sys.version, _engine.MAGIC, _engine.CODESIZE, sys.byteorder)
    known = _read(name)
    new: dict[str, Code] = {}
    for pattern in missing:
        code = known.get(pattern)
        made = None if code is None else _loaded(pattern, code)
        if made is None:
            code = new[pattern] = code_of(pattern)
            made = _loaded(pattern, code) or re.compile(pattern)
        _made[pattern] = made
    if new:
        both = known | new
        kept_files.write(name, msgspec.msgpack.encode(both if len(both) <= PATTERNS_MAX else new))


def code_of(pattern: str) -> Code:
    """What `re.compile` does before it asks its engine."""
    parsed = _reader.parse(pattern)
    # Some of its numbers have names.
    code = [int(one) for one in _compiler._code(parsed, 0)]
    return Code(int(parsed.state.flags), code, parsed.state.groups - 1, dict(parsed.state.groupdict))


def _loaded(pattern: str, code: Code) -> re.Pattern[str] | None:
    """The pattern, or None where the engine refuses its code."""
    names: list[str | None] = [None] * (code.groups + 1)
    try:
        for name, number in code.names.items():
            names[number] = name
        made: re.Pattern[str] = _engine.compile(pattern, code.flags, code.code, code.groups, code.names, tuple(names))
    except (RuntimeError, ValueError, TypeError, IndexError, OverflowError):
        return None
    return made


def _read(name: str) -> dict[str, Code]:
    content = kept_files.read(name)
    if content is None:
        return {}
    try:
        return msgspec.msgpack.decode(content, type=dict[str, Code])
    except (msgspec.MsgspecError, ValueError):
        return {}
