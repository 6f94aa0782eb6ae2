"""Appends to one log: a batch is hashed, signed, put into the journal and synced; bundles and tiles follow behind.

All of it runs in one thread. Whatever raises OSError leaves the log as it was acknowledged: call `close`, and open it anew.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from yumen import plain_content
from yumen_plugins.audit.log.growth import Growth, TileMissing
from yumen_plugins.audit.log.journal import (
    FOLDER,
    JOURNAL_BYTES_MAX,
    Frame,
    frame,
    frames,
    journal_path,
    journals,
    torn,
)
from yumen_plugins.audit.log.merkle import leaf_hash
from yumen_plugins.audit.log.note import Checkpoint, checkpoint_of, parse_note
from yumen_plugins.audit.log.tiles import sync_folder, write_whole

HEAD = "head"
CHECKPOINT = "checkpoint"
# The head has one size, so that a newer one always covers an older one whole.
HEAD_BYTES = 512


class Signer(Protocol):
    """Signs checkpoints, and knows which keys may have signed earlier ones."""

    def sign(self, checkpoint: Checkpoint) -> bytes: ...
    def holds(self, content: bytes, origin: str) -> bool:
        """Whether a note is a checkpoint of this log under one of the gateway's keys."""
        ...


class LogBroken(Exception):
    """What is on disk is not what was written, so nothing can be appended to it. The text names no content."""


class Cut(NamedTuple):
    """What was cut off the end of a journal."""

    file: str
    size: int
    sha256: str


class Appender:
    """One log that is open for appending. `size` is the number of its entries, `cuts` what opening it has cut off.

    `settle` is given a function that takes its time, and that may run in another thread; the default runs it at once.
    """

    def __init__(
        self,
        folder: Path,
        origin: str,
        signer: Signer,
        *,
        journal_bytes: int = 2 << 20,
        settle: Callable[[Callable[[], None]], None] = lambda job: job(),
    ) -> None:
        """Open a log, or begin one. Errors: OSError; `LogBroken`."""
        self.folder = folder
        self.origin = origin
        self.cuts: list[Cut] = []
        self.note = b""
        self._signer = signer
        self._journal_bytes = journal_bytes
        self._settle = settle
        self._growth = Growth(folder)
        self._tree = self._growth.tree
        # Set where a file could not be synced: then nobody knows what it holds, and the journals must stay.
        self._spoilt = False
        self._settling = threading.Lock()
        self._sound = True
        self._tail: tuple[Path, int, bytes] | None = None
        self._first = 0
        self._size = self.durable = 0
        self._journal = self._head = -1
        for path in (folder, folder / FOLDER):  # what `parents` makes is readable for others
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> int:
        """How many entries the log has."""
        return self._tree.size

    @property
    def checkpoint(self) -> Checkpoint:
        """The head of the tree as it is."""
        return Checkpoint(self.origin, self._tree.size, self._tree.root())

    def append(self, entries: Sequence[bytes]) -> None:
        """Put a batch into the journal; it is durable once `sync` has returned. Errors: OSError; OverflowError."""
        self._begin_change()
        first = self._tree.size
        hashes = [leaf_hash(entry) for entry in entries]
        self._tree.extend(hashes)
        self.note = self._signer.sign(self.checkpoint)
        data = frame(first, list(entries), self.note)
        _write(self._journal, data)
        self._size += len(data)
        self._growth.add(entries, hashes)
        self._sound = True

    def sync(self) -> None:
        """Make what was appended durable, and note how far that is. Error: OSError."""
        self._begin_change()
        os.fdatasync(self._journal)
        self.durable = self._size
        self._note_head()
        if self._size >= self._journal_bytes and self._turn():
            self._settle(partial(self._settle_before, self._first))
        self._sound = True

    def _begin_change(self) -> None:
        """Nothing may follow what was written in part, or was not synced."""
        if not self._sound:
            raise OSError(errno.EIO, "the log was left in the middle of a change")
        self._sound = False

    def replace_signer(self, signer: Signer) -> None:
        """Sign with another key from now on."""
        self._signer = signer

    def publish(self) -> None:
        """Write the checkpoint, and tiles and bundles as far as they go, for readers that know nothing of journals.

        Error: OSError.
        """
        if not self.note:
            return
        self._growth.write_partials()
        write_whole(self.folder / CHECKPOINT, self.note)
        sync_folder(self.folder)
        self._growth.drop_partials()

    def give_up(self) -> None:
        """After an OSError: close, and cut off what was not acknowledged, since nobody knows how much of it is on disk.

        Error: OSError, and it can be called again.
        """
        self.close()
        for start, later in journals(self.folder):
            if start > self._first:
                # It was being begun, and only repeats what the one before holds.
                later.unlink()
                sync_folder(later.parent)
        path = journal_path(self.folder, self._first)
        content = plain_content(path, JOURNAL_BYTES_MAX)
        if len(content) > self.durable:
            self._cut(path, self.durable, content[self.durable :])

    def close(self) -> None:
        """Let go of the files."""
        for descriptor in (self._journal, self._head):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._journal = self._head = -1

    # What is written

    def _note_head(self) -> None:
        """It is written in place and not synced: after a power failure it may be older than the log, and never newer."""
        os.pwrite(self._head, self.note.ljust(HEAD_BYTES), 0)

    def turn(self) -> None:
        """Begin a new journal now, so that full bundles stand in no journal when this returns. Error: OSError."""
        self._begin_change()
        self._turn()
        self._settle_before(self._first)
        self._sound = True

    def _turn(self) -> bool:
        """Begin a new journal where a bundle has become full in this one; those before go once `_settle_before` is done."""
        first = self._tree.size - len(self._growth.pending)
        if first == self._first:
            return False
        before = self._journal
        self._begin_journal(first)
        os.close(before)
        return True

    def _settle_before(self, first: int) -> None:
        """Remove the journals before a new one, when what they hold is on disk in bundles and tiles. Error: OSError."""
        with self._settling:
            if not self._spoilt:
                self._spoilt = True
                self._growth.sync()
                for start, path in journals(self.folder):
                    if start < first:
                        path.unlink()
                self._spoilt = False

    def _begin_journal(self, first: int) -> None:
        path = journal_path(self.folder, first)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        content = frame(first, self._growth.pending, self.note) if self.note else b""
        descriptor = os.open(path, flags, 0o600)
        try:
            _write(descriptor, content)
            os.fdatasync(descriptor)
            sync_folder(path.parent)
        except BaseException:
            os.close(descriptor)
            raise
        self._journal, self._first = descriptor, first
        self.durable = self._size = len(content)

    # What is read when it is opened

    def _open(self) -> None:
        self._head = os.open(self.folder / HEAD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        found = journals(self.folder)
        if not found:
            if (self.folder / "tile").exists() or os.pread(self._head, 1, 0):
                raise LogBroken("its journal is gone")
            self._begin_journal(0)
            self._check_head()
            sync_folder(self.folder)
            sync_folder(self.folder.parent)
            return
        try:
            self._growth.resume(found[0][0])
        except TileMissing as error:
            raise LogBroken(str(error)) from None
        for number, (first, path) in enumerate(found):
            self._replay(first, path, last=number == len(found) - 1)
        self._check_head()
        if self._tail is not None:
            self._cut(*self._tail)
        self._first, newest = found[-1]
        self._journal = os.open(newest, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self.durable = self._size = newest.stat().st_size

    def _replay(self, first: int, path: Path, *, last: bool) -> None:
        content = plain_content(path, JOURNAL_BYTES_MAX)
        end = 0
        for one in frames(content):
            self._take(one)
            end = one.end
        rest = content[end:]
        if rest and not (last and torn(rest)):
            raise LogBroken(f"journal {first} does not hold from byte {end} on")
        if rest:
            self._tail = (path, end, rest)
        if last and self._tree.size < first:
            raise LogBroken(f"journal {first} begins behind the end of the one before")

    def _take(self, one: Frame) -> None:
        """Take one frame; what it repeats of the journal before must be the same."""
        known = self._tree.size - one.first
        if known < 0 or (known and one.entries[:known] != self._growth.pending[: len(one.entries)]):
            raise LogBroken(f"the batch at {one.first} is not the next one")
        fresh = one.entries[known:]
        hashes = [leaf_hash(entry) for entry in fresh]
        self._tree.extend(hashes)
        note = checkpoint_of(parse_note(one.note))
        if note != self.checkpoint or not self._signer.holds(one.note, self.origin):
            raise LogBroken(f"the batch at {one.first} is not what was signed")
        self.note = one.note
        self._growth.add(fresh, hashes)

    def _check_head(self) -> None:
        """What was acknowledged must be there: a tail that somebody cut off is missed."""
        content = os.pread(self._head, HEAD_BYTES + 1, 0)
        if not content and not self._tree.size:
            os.pwrite(self._head, self._signer.sign(self.checkpoint).ljust(HEAD_BYTES), 0)
            os.fsync(self._head)
            return
        note = content.rstrip(b" ")
        head = checkpoint_of(parse_note(note))
        if len(content) != HEAD_BYTES or head is None or not self._signer.holds(note, self.origin):
            raise LogBroken("its head does not hold")
        if head.size > self._tree.size:
            raise LogBroken(f"it ends before record {self._tree.size}, and had come to record {head.size - 1}")

    def _cut(self, path: Path, end: int, rest: bytes) -> None:
        # Said first: where the sync fails, nothing is left to be cut the next time.
        self.cuts.append(Cut(path.name, len(rest), hashlib.sha256(rest).hexdigest()))
        with path.open("r+b") as file:
            file.truncate(end)
            os.fsync(file.fileno())


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
