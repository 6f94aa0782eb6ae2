"""The files of one writer: its folder, its segments, and the head that gives a cut tail away."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yumen import Hmac
from yumen_plugins.audit.chain import (
    PREFIX,
    REST,
    START,
    VERSION,
    decode,
    encode,
    head_start,
    opened,
    seal,
    segment_name,
    segment_numbers,
)
from yumen_plugins.audit.record import moment

# The head has one size, so that a newer one always covers an older one whole.
HEAD_BYTES = 256


class Segment:
    """One file that is being written. `seq` is the number of the next record, `durable` the bytes known to be on disk."""

    def __init__(self, path: Path, number: int, mac: Hmac, code: bytes, seq: int, clock: Callable[[], float]) -> None:
        self.path = path
        self.number = number
        self.code = code
        self.seq = seq
        self.size = 0
        self.durable = 0
        self._mac = mac
        self._clock = clock
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def now(self) -> str:
        """The time, as records write it."""
        return moment(self._clock())

    def seal(self, records: list[bytes]) -> bytes:
        """Put encoded records into the chain; return the lines to `write`."""
        lines = []
        for record in records:
            line, self.code = seal(self._mac, self.code, record)
            lines.append(line)
        self.seq += len(records)
        data = b"".join(lines)
        self.size += len(data)
        return data

    def write(self, data: bytes) -> None:
        """Append sealed lines and make them durable. Error: OSError; the file must then be given up."""
        left = memoryview(data)
        while left:
            written = os.write(self._descriptor, left)
            left = left[written:]
        os.fdatasync(self._descriptor)
        self.durable += len(data)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class Tail:
    """How far the files of a writer hold: last segment, last code, next record, and what does not hold."""

    def __init__(self) -> None:
        self.number = 0
        self.code = START
        self.seq = 0
        self.broken: list[str] = []


class Folder:
    """The folder of one writer, locked as long as it is open."""

    def __init__(self, path: Path, mac: Hmac, clock: Callable[[], float], version: str) -> None:
        self.path = path
        self.writer = path.name
        self._mac = mac
        self._clock = clock
        self._version = version
        self._abandoned: dict[Path, int] = {}
        # What was cut and is not yet on record: kept until a segment that says so has been written.
        self._cuts: list[dict[str, Any]] = []
        self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise
        self._head = os.open(path / "head", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._head_start = head_start(mac, path.name)

    @classmethod
    def take(cls, ledger: Path, mac: Hmac, clock: Callable[[], float], version: str) -> Folder:
        """The first writer folder that no process holds, or a new one. Error: OSError."""
        ledger.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in sorted(entry for entry in ledger.iterdir() if entry.is_dir() and not entry.is_symlink()):
            with contextlib.suppress(BlockingIOError):
                return cls(path, mac, clock, version)
        while True:
            path = ledger / secrets.token_hex(4)
            path.mkdir(mode=0o700)
            sync_folder(ledger)
            # Another process that starts may have seen the new folder, and taken it, before it was locked here.
            with contextlib.suppress(BlockingIOError):
                return cls(path, mac, clock, version)

    def begin(self, kind: str, note: str = "") -> Segment:
        """Cut what is torn, and begin a new segment with a header and a record that says why. Error: OSError."""
        tail = self.read_tail()
        self._reach_head(tail)
        records: list[dict[str, Any]] = [
            *self._cuts,
            *({"kind": "recovery", "broken": what} for what in tail.broken),
            {"kind": kind, **({"note": note} if note else {})},
        ]
        segment = self._open(tail)
        try:
            now = segment.now()
            numbered = [{"seq": segment.seq + 1 + index, "time": now, **body} for index, body in enumerate(records)]
            segment.write(segment.seal([self._header(segment, now), *map(encode, numbered)]))
            self.note_head(segment)
        except OSError:
            self.abandon(segment)
            raise
        self._cuts = []
        return segment

    def _reach_head(self, tail: Tail) -> None:
        """Compare the files with the head, before a new one is written: what is missing must not be forgotten.

        Numbers go on behind what the head says, so that the gap stays for the auditor to see. Error: OSError.
        """
        content = os.pread(self._head, HEAD_BYTES + 1, 0)
        if not content and not tail.number:
            self._write_head(0, 0, START)
            os.fsync(self._head)
            return
        line = content.rstrip(b" ").removesuffix(b"\n")
        if len(content) != HEAD_BYTES or opened(self._mac, self._head_start, line) is None:
            tail.broken.append("the head does not hold")
            return
        head = decode(line)
        if head["seq"] > tail.seq or head["segment"] > tail.number:
            tail.broken.append(f"the files end before record {tail.seq}, and had come to record {head['seq'] - 1}")
            tail.seq, tail.number = max(tail.seq, head["seq"]), max(tail.number, head["segment"])

    def next(self, segment: Segment) -> Segment:
        """The segment after a full one. Error: OSError."""
        tail = Tail()
        tail.number, tail.code, tail.seq = segment.number, segment.code, segment.seq
        following = self._open(tail)
        try:
            following.write(following.seal([self._header(following, following.now())]))
            self.note_head(following)
        except OSError:
            self.abandon(following)
            raise
        segment.close()
        return following

    def _open(self, tail: Tail) -> Segment:
        number = tail.number + 1
        segment = Segment(self.path / segment_name(number), number, self._mac, tail.code, tail.seq, self._clock)
        sync_folder(self.path)
        return segment

    def _header(self, segment: Segment, now: str) -> bytes:
        return encode(
            {
                "seq": segment.seq,
                "time": now,
                "kind": "header",
                "version": VERSION,
                "writer": self.writer,
                "segment": segment.number,
                "yumen": self._version,
            }
        )

    def abandon(self, segment: Segment) -> None:
        """Give up a segment after a failure; what had not been acknowledged is cut when the next one begins."""
        self._abandoned[segment.path] = segment.durable
        with contextlib.suppress(OSError):  # its descriptor is gone either way
            segment.close()

    def read_tail(self) -> Tail:
        """Verify the last segment, and cut what was not acknowledged and a torn line at its very end.

        A line in the middle that does not hold is left for the auditor to see: the chain goes on behind the last line.
        """
        tail = Tail()
        while True:
            numbers = segment_numbers(self.path)
            if not numbers:
                return tail
            path = self.path / segment_name(numbers[-1])
            before = _written_code(_lines(self.path / segment_name(numbers[-2]))) if len(numbers) > 1 else START
            if self._read_segment(tail, path, numbers[-1], before):
                return tail
            # Nothing in it holds: it was begun and never got its header.
            path.unlink()
            sync_folder(self.path)

    def _read_segment(self, tail: Tail, path: Path, number: int, before: bytes) -> bool:
        """Read one segment into `tail`; False where it is empty."""
        content = path.read_bytes()
        if path in self._abandoned:
            self._cut(path, content, self._abandoned[path])
            content = content[: self._abandoned.pop(path)]
        position, code, seq = 0, before, None
        while position < len(content):
            end = content.find(b"\n", position)
            next_code = opened(self._mac, code, content[position:end]) if end >= 0 else None
            if next_code is None:
                break
            seq = decode(content[position:end])["seq"] + 1
            code, position = next_code, end + 1
        rest = content[position:]
        if rest and b"\n" not in rest:
            self._cut(path, content, position)
        elif rest:
            tail.broken.append(f"{path.name} does not hold from byte {position} on")
            lines = rest.count(b"\n") + (not rest.endswith(b"\n"))
            code, seq = _written_code(content.split(b"\n")), (seq or 0) + lines
        if seq is None:
            return False
        tail.number, tail.code, tail.seq = number, code, seq
        return True

    def _cut(self, path: Path, content: bytes, size: int) -> None:
        if len(content) > size:
            cut = content[size:]
            _truncate(path, size)
            digest = hashlib.sha256(cut).hexdigest()
            self._cuts.append({"kind": "recovery", "file": path.name, "cut_bytes": len(cut), "cut_sha256": digest})

    def note_head(self, segment: Segment) -> None:
        """Write down how far the ledger reaches, so that a tail that somebody cut off is missed. Error: OSError.

        It is written in place and not synced: after a power failure it may be older than the log, and never newer.
        """
        self._write_head(segment.number, segment.seq, segment.code)

    def _write_head(self, number: int, seq: int, code: bytes) -> None:
        line, _ = seal(self._mac, self._head_start, encode({"segment": number, "seq": seq, "code": code.hex()}))
        os.pwrite(self._head, line.ljust(HEAD_BYTES), 0)

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self._head)
        os.close(self._lock)


def sync_folder(path: Path) -> None:
    """Make the entries of a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _truncate(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")


def _written_code(lines: list[bytes]) -> bytes:
    """The code that stands in the last line, whether it holds or not."""
    last = next((line for line in reversed(lines) if line), b"")
    try:
        return bytes.fromhex(last[len(PREFIX) : REST].decode("ascii")).ljust(32, b"\0")
    except ValueError:
        return START
