"""Keeps compiled automata of built-in expressions on disk, in the user's cache: compiling them takes seconds of every start.

An automaton is as good as code: whoever can write one into this folder runs as this user. So the folder and what is in it
must belong to the user and be writable by nobody else, which is what Python asks of its own compiled files; where that
does not hold, or nothing can be kept, automata are compiled as if there were no folder. Only built-in expressions are kept:
patterns of a policy may name somebody.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import hyperscan
import msgspec

DIGEST_BYTES = 32
FILE_BYTES_MAX = 64 << 20
# Other versions and other machines' processors leave files that nobody asks for any more.
FILES_MAX = 32
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
    path = _path(expressions)
    if path is None:
        return make(expressions)
    with suppress(OSError, hyperscan.HyperscanError, ValueError):
        database = hyperscan.loadb(_read(path), hyperscan.HS_MODE_BLOCK)
        # Compiling makes the room that scanning needs; loading does not.
        database.scratch = hyperscan.Scratch(database)
        return database
    database = make(expressions)
    with suppress(OSError, hyperscan.HyperscanError):
        _write(path, hyperscan.dumpb(database))
    return database


def folder() -> Path | None:
    """Where they are kept, or None where that is no place for them."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = Path(root) / "yumen" / "automata"
    if not path.is_absolute():
        return None
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path if _ours(os.lstat(path)) and stat.S_ISDIR(os.lstat(path).st_mode) else None
    except OSError:
        return None


def _ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _path(expressions: Expressions) -> Path | None:
    within = folder()
    if within is None:
        return None
    # A database is made for one processor, and scanning with it on another is undefined.
    about = (version("hyperscan"), *_processor(), list(expressions.items()))
    return within / hashlib.sha256(msgspec.msgpack.encode(about)).hexdigest()


@lru_cache(1)
def _processor() -> tuple[str, str]:
    """What tells this kind of processor from others."""
    flags = ""
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        flags = next((line for line in file if line.startswith(("flags", "Features"))), "")
    return platform.machine(), flags


def _read(path: Path) -> bytes:
    """Errors: OSError; ValueError for a file that is not ours or not whole."""
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(opened, "rb") as file:
        status = os.fstat(opened)
        if not _ours(status) or not stat.S_ISREG(status.st_mode) or status.st_size > FILE_BYTES_MAX:
            raise ValueError("not a file to trust")
        content = file.read()
    digest, database = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    if hashlib.sha256(database).digest() != digest:
        raise ValueError("not whole")
    return database


def _write(path: Path, database: bytes) -> None:
    for old in sorted(path.parent.iterdir(), key=lambda one: one.stat().st_mtime)[: -FILES_MAX + 1]:
        old.unlink(missing_ok=True)
    # mkstemp makes a file that only this user can read and write.
    opened, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(opened, "wb") as file:
            file.write(hashlib.sha256(database).digest() + database)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
