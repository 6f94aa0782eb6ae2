"""Reads the files of a log as somebody may have left them who means harm: bounded, following no links, never waiting."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import NamedTuple

from yumen import plain_content
from yumen_plugins.audit.log.appender import HEAD, HEAD_BYTES
from yumen_plugins.audit.log.files import READS
from yumen_plugins.audit.log.journal import FOLDER, JOURNAL_BYTES_MAX, frames, journals, torn
from yumen_plugins.audit.log.note import parse_note

# The head is written in place, so whoever reads beside a running gateway might see half of an old and half of a new one.
HEAD_READS = 3
# What opening says where something else stands in a file's place: a folder, a link, a socket, a pipe, or far too much.
NO_FILE = (errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.EINVAL, errno.EFBIG)


def content_of(path: Path | str, bytes_max: int) -> bytes | None:
    """What a file holds, or None where it is no plain file or larger than that. Errors: FileNotFoundError; OSError."""
    try:
        # A file that grows meanwhile is read as far as it went; one that shrinks ends early.
        return plain_content(path, bytes_max, links=False)
    except OSError as error:
        if error.errno in NO_FILE:
            return None
        raise


def read_head(folder: Path) -> bytes | None:
    """The note in a log's head, None where it does not have the form of one. Errors: FileNotFoundError; OSError."""
    for _ in range(HEAD_READS):
        content = content_of(folder / HEAD, HEAD_BYTES)
        if content == b"":
            return b""
        if content is not None and len(content) == HEAD_BYTES:
            note = content.rstrip(b" ")
            if parse_note(note) is not None:
                return note
    return None


class Batch(NamedTuple):
    """A batch of a journal: the size of the log behind it, the checkpoint of that size, and the journal's file."""

    size: int
    note: bytes
    file: str


class Snapshot:
    """What the journals of a log held when this was made. Entries from `start` on are in it, those before in bundles.

    `broken` says where they do not hold, as a file and a sentence; `torn` is what a process left that died while writing.
    Error: OSError.
    """

    def __init__(self, folder: Path) -> None:
        for attempt in range(READS):
            self.start = 0
            self.entries: list[bytes] = []
            self.batches: list[Batch] = []
            self.broken: list[tuple[str, str]] = []
            self.torn: tuple[str, int] | None = None
            try:
                self._read(folder)
                break
            except FileNotFoundError:  # settled between the moments it was listed and read
                if attempt == READS - 1:
                    raise

    @property
    def size(self) -> int:
        """How many entries the log has."""
        return self.start + len(self.entries)

    def _read(self, folder: Path) -> None:
        try:
            found = journals(folder)
        except OSError as error:
            if error.errno not in NO_FILE:
                raise
            found = []
        self.any = bool(found)
        self.start = found[0][0] if found else 0
        for number, (first, path) in enumerate(found):
            file = f"{FOLDER}/{path.name}"
            content = content_of(path, JOURNAL_BYTES_MAX)
            if content is None:
                self.broken.append((file, "it is no plain file, or larger than any of ours"))
                continue
            if first > self.size:
                self.broken.append((file, f"it begins at record {first}, and the journal before ends at {self.size}"))
                return
            end = self._take(file, first, content)
            rest = content[end:]
            if rest and number == len(found) - 1 and torn(rest) and next(frames(rest), None) is None:
                self.torn = (file, len(rest))
            elif rest:
                self.broken.append((file, f"it does not hold from byte {end} on"))

    def _take(self, file: str, first: int, content: bytes) -> int:
        """Take the frames that follow each other; returns where they end."""
        end = 0
        for one in frames(content):
            known = self.size - one.first
            at = one.first - self.start
            # Only what opens a journal repeats entries.
            if one.first != (self.size if end else first) or self.entries[at:] != one.entries[:known]:
                return end
            self.entries += one.entries[known:]
            self.batches.append(Batch(one.first + len(one.entries), one.note, file))
            end = one.end
        return end
