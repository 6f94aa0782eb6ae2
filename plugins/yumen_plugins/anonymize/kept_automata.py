"""Keeps compiled automata of built-in expressions on disk; see kept_files.py."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import hyperscan

from yumen_plugins.anonymize import kept_files

# Each with its flags, by the number that it reports.
Expressions = Mapping[int, tuple[bytes, int]]


def made(expressions: Expressions) -> Any:
    """The database of some numbered expressions. Error: `HyperscanError`."""
    database = hyperscan.Database()
    database.compile(
        expressions=[expression for expression, _ in expressions.values()],
        ids=list(expressions),
        elements=len(expressions),
        flags=[flags for _, flags in expressions.values()],
    )
    return database


def kept(expressions: Expressions, make: Callable[[Expressions], Any] = made) -> Any:
    """The same: the one that was kept, else one that is made, and kept from now on."""
    # A database is made for one processor, and scanning with it on another is undefined.
    name = kept_files.name_of("automaton", version("hyperscan"), *_processor(), list(expressions.items()))
    content = kept_files.read(name)
    if content is not None:
        with suppress(hyperscan.HyperscanError, ValueError):
            database = hyperscan.loadb(content, hyperscan.HS_MODE_BLOCK)
            # Compiling makes the room that scanning needs; loading does not.
            database.scratch = hyperscan.Scratch(database)
            return database
    database = make(expressions)
    with suppress(hyperscan.HyperscanError):
        kept_files.write(name, hyperscan.dumpb(database))
    return database


@lru_cache(1)
def _processor() -> tuple[str, str]:
    """What tells this kind of processor from others."""
    flags = ""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        flags = next((line for line in file if line.startswith(("flags", "Features"))), "")
    return platform.machine(), flags
