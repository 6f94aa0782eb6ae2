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
from yumen_plugins.audit.chain import PREFIX, REST, START, SUFFIX, VERSION, decode, encode, opened, seal, segment_name
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
            left = left[os.write(self._descriptor, left) :]
        os.fdatasync(self._descriptor)
        self.durable += len(data)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class Tail:
    """How far the files of a writer hold: the last segment's number, last code and sequence number, and what was torn."""

    def __init__(self) -> None:
        self.number = 0
        self.code = START
        self.seq = 0
        self.cut_bytes = 0
        self.cut_sha256 = ""
        self.broken = ""


class Folder:
    """The folder of one writer, locked as long as it is open."""

    def __init__(self, path: Path, mac: Hmac, clock: Callable[[], float], version: str) -> None:
        self.path = path
        self.writer = path.name
        self._mac = mac
        self._clock = clock
        self._version = version
        self._abandoned: tuple[Path, int] | None = None
        self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise
        self._head = os.open(path / "head", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @classmethod
    def take(cls, ledger: Path, mac: Hmac, clock: Callable[[], float], version: str) -> Folder:
        """The first writer folder that no process holds, or a new one. Error: OSError."""
        ledger.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in sorted(entry for entry in ledger.iterdir() if entry.is_dir() and not entry.is_symlink()):
            try:
                return cls(path, mac, clock, version)
            except BlockingIOError:
                continue
        path = ledger / secrets.token_hex(4)
        path.mkdir(mode=0o700)
        sync_folder(ledger)
        return cls(path, mac, clock, version)

    def begin(self, kind: str, note: str = "") -> Segment:
        """Cut what is torn, and begin a new segment with a header and a record that says why. Error: OSError."""
        tail = self.read_tail()
        segment = self._open(tail)
        records: list[dict[str, Any]] = []
        if tail.cut_bytes:
            records.append({"kind": "recovery", "cut_bytes": tail.cut_bytes, "cut_sha256": tail.cut_sha256})
        if tail.broken:
            records.append({"kind": "recovery", "broken": tail.broken})
        records.append({"kind": kind, **({"note": note} if note else {})})
        now = segment.now()
        numbered = [{"seq": segment.seq + 1 + index, "time": now, **body} for index, body in enumerate(records)]
        segment.write(segment.seal([self._header(segment, now), *map(encode, numbered)]))
        self.note_head(segment)
        return segment

    def next(self, segment: Segment) -> Segment:
        """The segment after a full one. Error: OSError."""
        tail = Tail()
        tail.number, tail.code, tail.seq = segment.number, segment.code, segment.seq
        following = self._open(tail)
        following.write(following.seal([self._header(following, following.now())]))
        self.note_head(following)
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
        self._abandoned = (segment.path, segment.durable)
        with contextlib.suppress(OSError):  # its descriptor is gone either way
            segment.close()

    def read_tail(self) -> Tail:
        """Verify the last segment, and cut what was not acknowledged and a torn line at its very end.

        A line in the middle that does not hold is left for the auditor to see: the chain goes on behind the last line.
        """
        tail = Tail()
        while True:
            numbers = sorted(int(path.stem) for path in self.path.glob(f"*{SUFFIX}") if path.stem.isdigit())
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
        if self._abandoned and self._abandoned[0] == path:
            self._cut(tail, path, content, self._abandoned[1])
            content = content[: self._abandoned[1]]
        self._abandoned = None
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
            self._cut(tail, path, content, position)
        elif rest:
            tail.broken = f"{path.name} does not hold from byte {position} on"
            code, seq = _written_code(content.split(b"\n")), (seq or 0) + rest.count(b"\n") + 1
        if seq is None:
            return False
        tail.number, tail.code, tail.seq = number, code, seq
        return True

    @staticmethod
    def _cut(tail: Tail, path: Path, content: bytes, size: int) -> None:
        if len(content) > size:
            tail.cut_bytes += len(content) - size
            tail.cut_sha256 = hashlib.sha256(content[size:]).hexdigest()
            _truncate(path, size)

    def note_head(self, segment: Segment) -> None:
        """Write down how far the ledger reaches, so that a tail that somebody cut off is missed. Error: OSError.

        It is written in place and not synced: after a power failure it may be older than the log, and never newer.
        """
        body = encode({"segment": segment.number, "seq": segment.seq, "code": segment.code.hex()})
        line, _ = seal(self._mac, START, body)
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
