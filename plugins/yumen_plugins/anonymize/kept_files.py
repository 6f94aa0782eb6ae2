"""Files in the user's cache that keep what was compiled: compiling takes seconds of every start.

What is compiled is as good as code: whoever can write it into this folder runs as this user. So the folder and what is in
it must belong to the user and be writable by nobody else, which is what Python asks of its own compiled files; where that
does not hold, or nothing can be kept, everything is compiled as if there were no folder. Only what is built in is kept:
patterns of a policy may name somebody.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from yumen import plain_file

DIGEST_BYTES = 32
FILE_BYTES_MAX = 64 << 20
# Other versions, other machines' processors and other choices of detectors leave files that nobody asks for any more: those
# that were asked for last stay.
FILES_MAX = 128
FOLDER_BYTES_MAX = 256 << 20


def folder() -> Path | None:
    """Where they are kept, or None where that is no place for them."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = Path(root) / "yumen" / "compiled"
    if not path.is_absolute():
        return None
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path if _ours(os.lstat(path)) and stat.S_ISDIR(os.lstat(path).st_mode) else None
    except OSError:
        return None


def name_of(*about: Any) -> str:
    """The name of a file: a digest of everything that decides what is in it."""
    return hashlib.sha256(msgspec.msgpack.encode(about)).hexdigest()


def read(name: str) -> bytes | None:
    """What is kept under a name, or None where there is nothing, or nothing to trust."""
    within = folder()
    if within is None:
        return None
    with suppress(OSError), plain_file(within / name, links=False) as file:
        status = os.fstat(file.fileno())
        if not _ours(status) or status.st_size > FILE_BYTES_MAX:
            return None
        whole = file.read(FILE_BYTES_MAX)
        digest, content = whole[:DIGEST_BYTES], whole[DIGEST_BYTES:]
        if hashlib.sha256(content).digest() == digest:
            os.utime(file.fileno())
            return content
    return None


def write(name: str, content: bytes) -> None:
    """Keep something under a name, where that can be."""
    within = folder()
    size = DIGEST_BYTES + len(content)
    if within is None or size > FILE_BYTES_MAX:
        return
    with suppress(OSError):
        _make_room(within, size)
        # mkstemp makes a file that only this user can read and write.
        opened, made = tempfile.mkstemp(dir=within)
        try:
            with os.fdopen(opened, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            os.replace(made, within / name)
        except BaseException:
            os.unlink(made)
            raise


def _make_room(within: Path, size: int) -> None:
    """Remove those that were asked for longest ago, so that one more of this size may come."""
    files: list[tuple[float, int, Path]] = []
    for path in within.iterdir():
        with suppress(OSError):  # another process may be making room as well
            status = path.lstat()
            files.append((status.st_mtime, status.st_size, path))
    files.sort()
    total = size + sum(one for _, one, _ in files)
    count = len(files) + 1
    for _, one, path in files:
        if count <= FILES_MAX and total <= FOLDER_BYTES_MAX:
            break
        path.unlink(missing_ok=True)
        count, total = count - 1, total - one


def _ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022
