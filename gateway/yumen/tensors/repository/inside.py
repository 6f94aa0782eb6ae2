"""Files of a repository, opened where they lie: no link leads out of it, whatever is changed while it is followed."""

from __future__ import annotations

import os

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Opening a pipe would wait for whoever writes to it.
FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
LEADS_OUT = "is a link that leads out of the repository; put the files themselves there"


class Outside(Exception):
    """What a path leads to does not lie in the repository."""


def real_inside(path: str, root: str) -> str:
    """Where a path leads to below `root`, which is a real path. Errors: `Outside`, OSError."""
    real = os.path.realpath(path, strict=True)
    if os.path.commonpath((real, root)) != root:
        raise Outside
    return real


def open_inside(path: str, root: str) -> int:
    """A descriptor of the file that a path leads to, for reading. Errors: `Outside`, OSError.

    The way is gone step by step: what has become a link since it was looked at is not followed.
    """
    *folders, name = os.path.relpath(real_inside(path, root), root).split(os.sep)
    at = os.open(root, FOLDER)
    try:
        for folder in folders:
            below = os.open(folder, FOLDER, dir_fd=at)
            os.close(at)
            at = below
        return os.open(name, FILE, dir_fd=at)
    finally:
        os.close(at)
