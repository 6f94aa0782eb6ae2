"""Reads records of a ledger, of either version, beside a gateway that writes it or from a copy. Nothing here is verified."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from yumen import CannotStart, Secret, Settings, plain_content
from yumen_plugins.audit.entries import PART, decoded, joined
from yumen_plugins.audit.folder import logs_in, old_folders, writer_folders
from yumen_plugins.audit.log.files import READS, LogFiles, Missing, head_size
from yumen_plugins.audit.log.journal import journals
from yumen_plugins.audit.old.chain import segment_name, segment_numbers
from yumen_plugins.audit.old.verify import read_lines
from yumen_plugins.audit.record import open_texts
from yumen_plugins.audit.subjects import DoesNotOpen, Erased, Keyring, KeyringUnavailable
from yumen_plugins.audit.threads import YIELD_EVERY, give_way

SECRET_BYTES, SECRET_FILE_BYTES_MAX = 32, 4096
SUBJECTS_FILE = "subjects.sqlite"
Found = tuple[int, dict[str, Any]]


class LedgerFolder:
    """The logs of a ledger by name: `<writer>/<keep>`, or the writer alone for version 1. Error of all: OSError.

    With `keys` the texts are opened, as far as their keys were not destroyed. Not for several threads at once.
    """

    def __init__(self, folder: Path, keys: Keyring | None = None) -> None:
        self.folder = folder
        self._keys = keys
        self._files: dict[str, tuple[object, LogFiles]] = {}
        # Where reading a log of version 1 had stopped, since its lines have no places that could be computed.
        self._old: dict[str, tuple[int, Iterator[Found]]] = {}

    def logs(self) -> dict[str, int]:
        """How many entries each log has; of version 1 one more than the number of its last record that can be read."""
        found = {name: self._log(name).size for name in self.names()}
        return found | {path.name: _old_size(path) for path in old_folders(self.folder)}

    def release(self) -> None:
        """Let go of what was read of journals, which is as large as they are."""
        self._files.clear()

    def names(self) -> list[str]:
        """The names of the logs of this version."""
        return [
            f"{writer.name}/{log.name}"
            for writer in writer_folders(self.folder)
            for log in logs_in(writer)
            if journals(log)
        ]

    def records(self, log: str, start: int = 0) -> Iterator[Found]:
        """The records of a log from a number on, each with its number."""
        entries = joined(self._log(log).entries(start)) if "/" in log else self._old_from(log, start)
        for seq, record in entries:
            self.open(record)
            yield seq, record

    def read(self, log: str, start: int, limit: int) -> list[Found]:
        """The records among the entries `start` to `start + limit - 1` of a log that are there."""
        if "/" not in log:
            return self._old_read(log, start, limit)
        found = []
        for seq, entry in self._log(log).entries(start):
            if seq >= start + limit:
                break
            if not seq % YIELD_EVERY:
                give_way()
            record = decoded(entry)
            if record is None or record.get("kind") == PART:
                continue
            if "parts" in record:
                # Its parts may stand before `start`.
                with suppress(Missing):
                    found.append((seq, self.at(log, seq)))
                continue
            self.open(record)
            found.append((seq, record))
        return found

    def at(self, log: str, seq: int) -> dict[str, Any]:
        """One record. Error: `Missing`."""
        if "/" in log:
            files = self._log(log)
            parts = (decoded(files.entry(seq)) or {}).get("parts", 0)
            first = seq - parts if isinstance(parts, int) and 0 < parts <= seq else seq
            found = list(joined((index, files.entry(index)) for index in range(first, seq + 1)))
        else:
            found = self._old_read(log, seq, 1)
        if not found or found[-1][0] != seq:
            raise Missing(f"record {seq} of {log} is not there")
        self.open(found[-1][1])
        return found[-1][1]

    def open(self, record: dict[str, Any]) -> None:
        """Put the texts of a record back, where their key is at hand."""
        sealed = record.get("sealed")
        if self._keys is None or not isinstance(sealed, dict):
            return
        try:
            key = self._keys.by_id(str(sealed.get("key")))
            if key is not None:
                open_texts(record, key)
        except (
            DoesNotOpen,
            Erased,
            KeyringUnavailable,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            StopIteration,
        ):
            # They stay sealed: nobody has verified this record yet.
            return

    def _log(self, name: str) -> LogFiles:
        """The log's files; read anew where they have changed."""
        folder = self.folder / name
        stamps = _stamps(folder)
        held = self._files.get(name)
        if held is None or held[0] != stamps:
            held = self._files[name] = (stamps, LogFiles(folder, settled=True))
        return held[1]

    def _old_from(self, name: str, start: int) -> Iterator[Found]:
        for number in segment_numbers(self.folder / name):
            for line in read_lines(self.folder / name / segment_name(number)):
                record = decoded(line)
                seq = record.get("seq") if record is not None else None
                if record is not None and isinstance(seq, int) and seq >= start:
                    yield seq, record

    def _old_read(self, name: str, start: int, limit: int) -> list[Found]:
        at, records = self._old.get(name, (-1, iter(())))
        if at != start:
            records = self._old_from(name, start)
        found = []
        for seq, record in records:
            if seq >= start + limit:
                records = chain([(seq, record)], records)
                break
            found.append((seq, record))
        self._old[name] = (start + limit, records)
        return found


def _stamps(log: Path) -> object:
    """What is another whenever the log has changed."""
    for attempt in range(READS):
        try:
            return [(path.name, path.stat().st_size) for _, path in journals(log)], head_size(log)
        except FileNotFoundError:  # a journal has gone at this moment, and what it held is in bundles
            if attempt == READS - 1:
                raise
    return None


def _old_size(path: Path) -> int:
    """One more than the number in the last whole line."""
    for number in reversed(segment_numbers(path)):
        last = None
        for line in read_lines(path / segment_name(number)):
            last = line if line.endswith(b"\n") else last
        seq = (decoded(last) or {}).get("seq") if last else None
        if isinstance(seq, int):
            return seq + 1
    return 0


def root_secret(settings: Settings, secret: Path | None = None) -> Secret | None:
    """The gateway's secret, or None where there is none. Error: `CannotStart` for one that cannot be read or is none."""
    path = secret or settings.data_dir / "secret"
    try:
        # Whoever names one may well name a pipe.
        root = path.read_bytes() if secret is not None else plain_content(path, SECRET_FILE_BYTES_MAX)
    except FileNotFoundError:
        if secret is not None:
            raise CannotStart(f"there is no secret at {path}; name another file") from None
        return None
    except OSError as error:
        raise CannotStart(f"cannot read {path}: {error.strerror}; run this as the user who owns it") from None
    if len(root) != SECRET_BYTES:
        raise CannotStart(f"{path} is not {SECRET_BYTES} bytes long, so it is not a gateway's secret")
    return Secret(root)


def keyring_of(data_dir: Path, root: Secret) -> Keyring | None:
    """The keys of subjects in a data directory, or None where there are none. Error: `CannotStart`."""
    if not (data_dir / SUBJECTS_FILE).exists():
        return None
    return Keyring.open(data_dir, root.derive("ledger", "subjects"))


def unreadable(error: OSError) -> CannotStart:
    """What is said where files cannot be read."""
    return CannotStart(f"cannot read the ledger: {error.strerror}; run this as the user who owns it")
