"""Opens files in whose place somebody may have put something else: a pipe, a device, a link, or far too much."""

from __future__ import annotations

import errno
import os
import stat
from functools import partial
from io import BufferedReader
from pathlib import Path


def plain_file(path: Path | str, *, links: bool = True) -> BufferedReader:
    """A plain file, opened for reading, or with `links` what a link to one leads to. Error: OSError, also for anything else.

    Opening a pipe would wait for whoever writes to it, and reading a device might never end: neither is opened.
    """
    file = open(path, "rb", opener=partial(_without_waiting, links))  # noqa: SIM115  # it is whoever asked who closes it
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError(errno.EINVAL, "this is not a file", str(path))


def plain_content(path: Path | str, bytes_max: int, *, links: bool = True) -> bytes:
    """All of a plain file. Memory is taken for what there is, and not for what there may be.

    Errors: those of `plain_file`; OSError with `errno.EFBIG` for more than `bytes_max` bytes.
    """
    with plain_file(path, links=links) as file:
        size = os.fstat(file.fileno()).st_size
        if size > bytes_max:
            raise OSError(errno.EFBIG, f"this is larger than {bytes_max} bytes", str(path))
        return file.read(size)


def _without_waiting(links: bool, path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | (0 if links else os.O_NOFOLLOW))
