"""Verifies what was written before version 2, from its files and the key alone.

It reports what is wrong and goes on: behind a line that does not hold, the chain is followed from the code as it is written
there, so that one changed record does not hide the next.
"""

from __future__ import annotations

import stat
from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path

import msgspec

from yumen import Hmac, Progress
from yumen_plugins.audit.locks import is_open
from yumen_plugins.audit.old.chain import (
    HEAD_BYTES,
    LINE_BYTES_MAX,
    PREFIX,
    REST,
    START,
    SUFFIX,
    decode,
    head_start,
    opened,
    segment_name,
    segment_numbers,
)
from yumen_plugins.audit.shape import (
    ExchangeRecord,
    Failure,
    Header,
    OperationRecord,
    OtherRecord,
    Record,
    Recovery,
    shaped,
)

# The head is written in place, so a reader beside a running gateway might see half of an old and half of a new one.
HEAD_READS = 3
# Whoever watches is told in steps of this size.
PROGRESS_BYTES = 1 << 20
# So many things that are wrong are named for each writer; with the wrong secret every line is.
WRONG_MAX = 10_000
READ_BYTES = 1 << 18


class Wrong(msgspec.Struct, frozen=True):
    """Something that is wrong: where, and which record."""

    file: str
    line: int
    code: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.code}: {self.what}"


class WriterReport(msgspec.Struct):
    """What was found of one writer."""

    writer: str
    segments: int = 0
    records: int = 0
    exchanges: int = 0
    operations: int = 0
    recoveries: int = 0
    first: str = ""
    last: str = ""
    wrong: list[Wrong] = []
    wrong_left_out: int = 0

    def note(self, file: str, line: int, code: str, what: str) -> None:
        """Add something that is wrong, up to the limit."""
        if len(self.wrong) < WRONG_MAX:
            self.wrong.append(Wrong(f"{self.writer}/{file}", line, code, what))
        else:
            self.wrong_left_out += 1

    @property
    def problems(self) -> list[str]:
        """What is wrong, a line each."""
        rest = [f"{self.writer}: {self.wrong_left_out:,} more things are wrong"] if self.wrong_left_out else []
        return [*map(str, self.wrong), *rest]


class Head(msgspec.Struct):
    """How far a writer had come: the last segment, and the number of the next record."""

    segment: int = 0
    seq: int = 0


def writers(ledger: Path) -> list[Path]:
    """The writer folders of a ledger."""
    return sorted(path for path in ledger.iterdir() if path.is_dir() and not path.is_symlink())


def verify_writer(folder: Path, mac: Hmac) -> WriterReport:
    """Verify everything that one writer wrote."""
    report = WriterReport(writer=printable(folder.name))
    deque(read_writer(folder, mac, report, lambda size: None), maxlen=0)
    return report


def read_writer(
    folder: Path, mac: Hmac, report: WriterReport, progress: Progress
) -> Iterator[tuple[bytes, Record | OtherRecord]]:
    """The records of a writer that hold, each with its line; whatever is wrong stands in the report by the end.

    `progress` is told how many bytes were read.
    """
    # The head first, then the files, the list of them once: a gateway that writes meanwhile is then only ever further.
    head = _read_head(folder, mac, report)
    listed = sorted(path.name for path in folder.glob(f"*{SUFFIX}"))
    numbers = segment_numbers(folder, listed)
    ours = {segment_name(number) for number in numbers}
    for file in listed:
        if file not in ours:
            report.note(printable(file), 0, "foreign", "this is not a segment file")
    code, seq = START, 0
    for expected, number in enumerate(numbers, 1):
        if number != expected:
            report.note(segment_name(expected), 0, "segment-missing", f"before {segment_name(number)}")
            break
    for number in numbers:
        code, seq = yield from _read_segment(folder, number, mac, code, seq, report, progress)
    if seq > head.seq and _torn_at_end(report, numbers) and is_open(folder):
        report.wrong.pop()  # the gateway is writing that line at this moment
    if head.seq > seq or head.segment > (numbers[-1] if numbers else 0):
        what = f"the ledger ends before record {seq}, and had come to record {head.seq - 1}"
        report.note("head", 1, "tail-missing", what)


def _torn_at_end(report: WriterReport, numbers: list[int]) -> bool:
    """Whether the last thing found wrong is that the last line of the last segment is not complete."""
    last = report.wrong[-1] if report.wrong else None
    return last is not None and last.code == "torn-tail" and last.file.endswith(segment_name(numbers[-1]))


def _read_segment(
    folder: Path, number: int, mac: Hmac, code: bytes, seq: int, report: WriterReport, progress: Progress
) -> Generator[tuple[bytes, Record | OtherRecord], None, tuple[bytes, int]]:
    """One segment, from the code and number before it; returns those behind it."""
    name = segment_name(number)
    report.segments += 1
    read = 0
    for line_number, line in enumerate(read_lines(folder / name), 1):
        read += len(line)
        if read >= PROGRESS_BYTES:
            progress(read)
            read = 0
        next_code = opened(mac, code, line[:-1]) if line.endswith(b"\n") else None
        if next_code is None:
            torn = not line.endswith(b"\n")
            what = "the last line is not complete" if torn else _named(line, seq)
            report.note(name, line_number, "torn-tail" if torn else "changed", what)
            code, seq = _written(line), seq + 1
            continue
        code = next_code
        record = shaped(line)
        if record is None:
            what = f"record {seq} is sealed, and has not the form of a record"
            report.note(name, line_number, "form", what)
            seq += 1
            continue
        if record.seq != seq:
            what = f"record {record.seq} stands where {seq} belongs"
            report.note(name, line_number, "sequence", what)
        headed = isinstance(record, Header) and (record.segment, record.writer) == (number, folder.name)
        if line_number == 1 and not headed:
            report.note(name, line_number, "header", "the segment does not begin with its header")
        if record.broken is not msgspec.UNSET:
            what = f"at {printable(record.time)}: {printable(str(record.broken))}"
            report.note(name, line_number, "found-broken", what)
        seq = record.seq + 1
        _count(report, record)
        yield line, record
    progress(read)
    return code, seq


def _count(report: WriterReport, record: Record | OtherRecord) -> None:
    report.records += 1
    report.exchanges += isinstance(record, ExchangeRecord)
    report.operations += isinstance(record, OperationRecord)
    report.recoveries += isinstance(record, (Recovery, Failure))
    report.last = record.time
    report.first = report.first or report.last


def _read_head(folder: Path, mac: Hmac, report: WriterReport) -> Head:
    """How far the ledger had come: records may be newer than that, never missing."""
    path = folder / "head"
    if not path.is_file() or path.is_symlink():
        report.note("head", 0, "head-missing", "nothing says how far the ledger had come")
        return Head()
    start = head_start(mac, folder.name)
    for _ in range(HEAD_READS):
        with path.open("rb") as file:
            content = file.read(HEAD_BYTES + 1)
        line = content.rstrip(b" ")
        if len(content) == HEAD_BYTES and opened(mac, start, line.removesuffix(b"\n")) is not None:
            try:
                return msgspec.json.decode(line, type=Head)
            except (msgspec.MsgspecError, ValueError):
                break
    report.note("head", 1, "changed", "the head does not hold")
    return Head()


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file with their newlines; one that is longer than any of ours comes in pieces."""
    if not stat.S_ISREG(path.lstat().st_mode):
        yield b"(no file)"
        return
    with path.open("rb", buffering=READ_BYTES) as file:
        while line := file.readline(LINE_BYTES_MAX):
            yield line


def printable(name: str) -> str:
    """A file's name without anything that a terminal would act on or that is not text."""
    return "".join(char if char.isprintable() else "?" for char in name)


def _written(line: bytes) -> bytes:
    try:
        return bytes.fromhex(line[len(PREFIX) : REST].decode("ascii")).ljust(32, b"\0")[:32]
    except ValueError:
        return START


def _named(line: bytes, seq: int) -> str:
    """Which record a line was, as far as it can still be read; nothing of its content."""
    try:
        found = decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        found = {}
    exchange = found.get("id")
    known = isinstance(exchange, str) and len(exchange) == 32 and exchange.isalnum() and exchange.isascii()
    return f"record {seq}" + (f", exchange {exchange}," if known else "") + " is not what was written"
