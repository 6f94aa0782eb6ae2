"""Whether somebody holds the lock of a writer's folder."""

from __future__ import annotations

import fcntl
from pathlib import Path

from yumen import plain_file


def is_open(writer: Path) -> bool:
    """Whether a running process holds a writer's folder."""
    try:
        lock = plain_file(writer / "lock", links=False)
    except OSError:
        return False
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
