"""Reads a ledger: the records that hold, in one pass that also says what does not; and single records unverified."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from yumen import CannotStart, Hmac, LedgerReader, Progress, Secret, Settings
from yumen_plugins.audit.chain import decode, segment_name, segment_numbers
from yumen_plugins.audit.shape import ExchangeRecord, OtherRecord, Record, completed, shaped
from yumen_plugins.audit.verify import WriterReport, printable, read_lines, read_writer, writers

SECRET_BYTES = 32


class Ledger:
    """See `yumen.LedgerReader`. `reports` are those of the last pass, one for each writer. Error: `CannotStart`."""

    def __init__(self, folder: Path, mac: Hmac) -> None:
        self._mac = mac
        self.reports: list[WriterReport] = []
        try:
            self._writers = writers(folder)
            segments = [path / segment_name(number) for path in self._writers for number in segment_numbers(path)]
            self.total_bytes = sum(segment.stat().st_size for segment in segments)
        except OSError as error:
            raise unreadable(error) from None

    @property
    def wrong(self) -> list[str]:
        return [line for report in self.reports for line in report.problems]

    def verify(self, progress: Progress) -> list[str]:
        deque(self._read(progress), maxlen=0)
        return self.wrong

    def records(self, progress: Progress) -> Iterator[dict[str, Any]]:
        for line, record in self._read(progress):
            yield completed(decode(line)) if isinstance(record, ExchangeRecord) else decode(line)

    def _read(self, progress: Progress) -> Iterator[tuple[bytes, Record | OtherRecord]]:
        self.reports = []
        try:
            for writer in self._writers:
                report = WriterReport(writer=printable(writer.name))
                self.reports.append(report)
                yield from read_writer(writer, self._mac, report, progress)
        except OSError as error:
            raise unreadable(error) from None


def open_ledger(folder: Path, settings: Settings, secret: Path | None = None) -> LedgerReader | None:
    """The ledger in a folder, or None where it is none of ours. Error: `CannotStart` if it or the secret is unreadable."""
    try:
        ours = any(segment_numbers(path) or (path / "head").is_file() for path in writers(folder))
    except OSError as error:
        raise unreadable(error) from None
    return Ledger(folder, ledger_mac(settings, secret)) if ours else None


def ledger_mac(settings: Settings, secret: Path | None) -> Hmac:
    """The key of the ledger, from a copy of the secret or the data directory's own. Error: `CannotStart`."""
    path = secret or settings.data_dir / "secret"
    try:
        root = path.read_bytes()
    except FileNotFoundError:
        raise CannotStart(f"there is no secret at {path}; name it with --secret, or set YUMEN_DATA") from None
    except OSError as error:
        raise CannotStart(f"cannot read {path}: {error.strerror}; run this as the user who owns it") from None
    if len(root) != SECRET_BYTES:
        raise CannotStart(f"{path} is not {SECRET_BYTES} bytes long, so it is not a gateway's secret")
    return Hmac(Secret(root).derive("ledger"))


def unverified(folder: Path, wanted: str | None = None) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Every line that can be decoded, and its record; or those that hold a word somewhere. They may be anybody's.

    Error: `CannotStart`.
    """
    word = (wanted or "").encode("utf-8", "surrogateescape")
    try:
        for writer in writers(folder):
            for number in segment_numbers(writer):
                for line in read_lines(writer / segment_name(number)):
                    # Searching bytes is fast enough to need no index: a line is decoded only where the word is in it.
                    if word in line and (record := _decoded(line)) is not None:
                        yield line, record
    except OSError as error:
        raise unreadable(error) from None


def exchange_in(line: bytes) -> dict[str, Any] | None:
    """The exchange in an unverified line, with the members and types of a verified one; None where it has others."""
    return completed(decode(line)) if isinstance(shaped(line), ExchangeRecord) else None


def unreadable(error: OSError) -> CannotStart:
    """What is said where files cannot be read."""
    return CannotStart(f"cannot read the ledger: {error.strerror}; run this as the user who owns it")


def _decoded(line: bytes) -> dict[str, Any] | None:
    try:
        return decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
