"""Opening files that somebody else may have put there."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path


def plain(path: Path, *, links: bool) -> BufferedReader:
    """A plain file, opened: a pipe would have its reader wait, and a link may lead anywhere. Errors: OSError, ValueError."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if links else os.O_NOFOLLOW)
    opened = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise ValueError("not a file")
    return os.fdopen(opened, "rb")
