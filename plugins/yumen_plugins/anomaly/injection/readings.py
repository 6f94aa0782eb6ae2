"""What is read out of phrases before they can be looked for, kept on disk; see `kept_files.py` of anonymize.

Reading them takes most of a second, and every start would read the same. The phrases are those of `phrases/` and of this
package alone: none comes from a policy.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import re2

from yumen_plugins.anomaly.injection import needles
from yumen_plugins.anonymize import kept_files

# How an expression is read decides what is kept as much as the expression does.
READERS = (Path(__file__), Path(needles.__file__))


class Reading(msgspec.Struct, array_like=True, frozen=True):
    """Of one expression: how many instructions its automaton has, and what `needles.chosen` says of it."""

    instructions: int
    needed: list[list[str]]


def readings(expressions: Sequence[str]) -> list[Reading]:
    """Of each expression what was kept, else what is read now, and kept from now on."""
    sources = [path.read_bytes() for path in READERS]
    name = kept_files.name_of("phrases", sys.version, version("google-re2"), sources, list(expressions))
    content = kept_files.read(name)
    if content is not None:
        try:
            known = msgspec.msgpack.decode(content, type=list[Reading])
            if len(known) == len(expressions):
                return known
        except (msgspec.MsgspecError, ValueError):
            pass
    found = [reading(one) for one in expressions]
    kept_files.write(name, msgspec.msgpack.encode(found))
    return found


def reading(expression: str) -> Reading:
    """What is read out of one expression."""
    size: int = re2.compile(expression, options()).programsize
    return Reading(size, [sorted(words) for words in needles.chosen(expression)])


def options() -> Any:
    """How all expressions are understood."""
    made = re2.Options()
    made.never_capture = True
    made.one_line = False
    made.log_errors = False
    return made
