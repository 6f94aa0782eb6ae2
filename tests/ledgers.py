"""What lies in a ledger: its files, and its records with their texts opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from yumen import Secret
from yumen_plugins.audit.folder import writer_folders
from yumen_plugins.audit.reading import LedgerFolder, keyring_of

FOLDER = "ledger"


def records(data_dir: Path) -> list[dict[str, Any]]:
    """Every record, log by log, with the texts that the keys in the data directory open."""
    keys = keyring_of(data_dir, Secret((data_dir / "secret").read_bytes()))
    try:
        ledger = LedgerFolder(data_dir / FOLDER, keys)
        return [record for log in sorted(ledger.logs()) for _, record in ledger.records(log)]
    finally:
        if keys is not None:
            keys.close()


def contents(data_dir: Path) -> bytes:
    """Every byte below the ledger, and every record with its texts, so that nothing hides in what is sealed."""
    folder = data_dir / FOLDER
    raw = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    opened = "\n".join(json.dumps(record, ensure_ascii=False, separators=(",", ":")) for record in records(data_dir))
    return raw + opened.encode("utf-8", "surrogatepass")


def journals(data_dir: Path) -> list[Path]:
    """The journals, of all logs."""
    return sorted((data_dir / FOLDER).rglob("journal/*"))


def writers(data_dir: Path) -> list[Path]:
    """The folders of writers."""
    return writer_folders(data_dir / FOLDER)


class Tail:
    """The records that a ledger has got since the last time."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._next: dict[str, int] = {}
        self._ledger: LedgerFolder | None = None

    def records(self) -> list[dict[str, Any]]:
        """What is new, log by log."""
        if self._ledger is None:
            keys = keyring_of(self._data_dir, Secret((self._data_dir / "secret").read_bytes()))
            self._ledger = LedgerFolder(self._data_dir / FOLDER, keys)
        found = []
        for log in sorted(self._ledger.logs()):
            for seq, record in self._ledger.records(log, self._next.get(log, 0)):
                self._next[log] = seq + 1
                found.append(record)
        return found
