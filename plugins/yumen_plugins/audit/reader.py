"""The ledger as the framework's commands read it: the records that hold, and what does not; see `yumen.LedgerReader`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from yumen import CannotStart, Hmac, LedgerReader, Progress, Settings
from yumen_plugins.audit.entries import decode
from yumen_plugins.audit.folder import logs_in, old_folders, writer_folders
from yumen_plugins.audit.log.journal import journals
from yumen_plugins.audit.log.tiles import ENTRIES
from yumen_plugins.audit.old.chain import segment_name, segment_numbers
from yumen_plugins.audit.old.verify import WriterReport, read_writer
from yumen_plugins.audit.proving.ledger import verify_ledger
from yumen_plugins.audit.proving.report import LedgerReport
from yumen_plugins.audit.reading import LedgerFolder, keyring_of, root_secret, unreadable
from yumen_plugins.audit.shape import ExchangeRecord, completed, shaped_record
from yumen_plugins.audit.signing import KEYS, current_public
from yumen_plugins.audit.subjects import Keyring


class Ledger:
    """See `yumen.LedgerReader`. `report` is that of the last pass. Error: `CannotStart`."""

    def __init__(
        self,
        folder: Path,
        trusted: Sequence[bytes],
        mac: Hmac | None,
        open_keys: Callable[[], Keyring | None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._trusted = trusted
        self._mac = mac
        self._open_keys = open_keys
        self.report: LedgerReport | None = None
        try:
            self.total_bytes = size_of(folder)
        except OSError as error:
            raise unreadable(error) from None

    @property
    def wrong(self) -> list[str]:
        return [str(one) for one in self.report.wrong] if self.report is not None else []

    def verify(self, progress: Progress) -> list[str]:
        self._verify(progress, jobs=os.cpu_count() or 1)
        return self.wrong

    def _verify(self, progress: Progress, *, jobs: int) -> None:
        try:
            self.report = verify_ledger(self._folder, self._trusted, old_mac=self._mac, jobs=jobs, progress=progress)
        except OSError as error:
            raise unreadable(error) from None

    def records(self, progress: Progress) -> Iterator[dict[str, Any]]:
        self._verify(progress, jobs=1)
        keys = self._open_keys()
        try:
            yield from self._old_records()
            ledger = LedgerFolder(self._folder, keys)
            for log in ledger.names():
                if not self._holds(log):
                    continue  # nobody knows which of its records are what was written
                for _, record in ledger.records(log):
                    shape = shaped_record(record)
                    if shape is not None:
                        yield completed(record) if isinstance(shape, ExchangeRecord) else record
        except OSError as error:
            raise unreadable(error) from None
        finally:
            if keys is not None:
                keys.close()

    def _holds(self, log: str) -> bool:
        """Whether the last pass found the keys, and this log, to be whole."""
        wrong = [one.file for one in self.report.integrity if one.severity == "wrong"] if self.report else [KEYS]
        return not any(place.split("/")[0] == KEYS or f"{place}/".startswith(f"{log}/") for place in wrong)

    def _old_records(self) -> Iterator[dict[str, Any]]:
        if self._mac is None:
            return
        for writer in old_folders(self._folder):
            for line, record in read_writer(writer, self._mac, WriterReport(writer=writer.name), lambda size: None):
                yield completed(decode(line)) if isinstance(record, ExchangeRecord) else decode(line)


def size_of(folder: Path) -> int:
    """How many bytes of records there are to read, about. Error: OSError."""
    return sum(path.stat().st_size for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    for writer in writer_folders(folder):
        for log in logs_in(writer):
            yield from (path for path in (log / "tile" / ENTRIES).rglob("???") if path.is_file())
            yield from (path for _, path in journals(log))
    for writer in old_folders(folder):
        yield from (writer / segment_name(number) for number in segment_numbers(writer))


def open_ledger(folder: Path, settings: Settings, secret: Path | None = None) -> LedgerReader | None:
    """The ledger in a folder, or None where it is none of ours. Error: `CannotStart` if it or the secret is unreadable.

    It is verified by the key of the data directory's gateway, or by the one beside `secret`, which opens its texts as well.
    """
    try:
        if not (old_folders(folder) or any(logs_in(writer) for writer in writer_folders(folder))):
            return None
    except OSError as error:
        raise unreadable(error) from None
    root = root_secret(settings, secret)
    home = secret.parent if secret is not None else settings.data_dir
    own = current_public(home)
    if root is None:
        raise CannotStart(f"there is no secret in {settings.data_dir}; name it with --secret, or set YUMEN_DATA")
    mac = Hmac(root.derive("ledger"))
    return Ledger(folder, [own] if own else [], mac, lambda: keyring_of(home, root))


def exchange_of(record: dict[str, Any]) -> dict[str, Any] | None:
    """An unverified record with the members and types of a verified exchange; None where it has others."""
    return completed(record) if isinstance(shaped_record(record), ExchangeRecord) else None


__all__ = ["Ledger", "exchange_of", "open_ledger"]
