"""Whether somebody holds the lock of a writer's folder."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path


def is_open(writer: Path) -> bool:
    """Whether a running process holds a writer's folder."""
    try:
        descriptor = os.open(writer / "lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
