"""Notices that the files of a bundle have changed, without reading them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from yumen.policy.folder import LINES, SIGNATURE

# What tells one state of a file from another. A file that was put in another's place is another inode; the time at which an
# inode changed tells of a file whose time of modification was set back, and of one that can be read at last.
Stamp = tuple[str, int, int, int, int]
Look = dict[str, frozenset[Stamp]]


def look(folders: Iterable[str]) -> Look:
    """The state of every file that is read of a bundle, by folder; a folder that cannot be read has none."""
    return {folder: frozenset(_stamps(folder)) for folder in folders}


def _stamps(folder: str) -> Iterator[Stamp]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith((".yaml", LINES, SIGNATURE))]
    except OSError:
        return
    for name in names:
        path = os.path.join(folder, name)
        for follow in (False, True):  # what a link leads to may change, and so may where it leads
            with contextlib.suppress(OSError):
                status = os.stat(path, follow_symlinks=follow)
                yield name, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
