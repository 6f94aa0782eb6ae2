"""Reading a ledger without knowing who writes it.

The framework names no plugin, and a plugin that keeps a ledger offers a reader through the entry point group
`yumen.ledgers`: a callable `(folder, settings, secret) -> LedgerReader | None`, None where the folder is none of its
ledgers. `secret` is the file of the gateway's secret where that is not the one in the data directory: for a copy.
Replays, shadow reports and test cases read exchanges so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from yumen import registry
from yumen.errors import CannotStart
from yumen.provenance import OWN
from yumen.settings import Settings

Progress = Callable[[int], None]


class LedgerReader(Protocol):
    """One ledger. `total_bytes` is how much there is to read; `progress` is told how many bytes have been.

    `wrong` is what the last pass found wrong, a line each, whether `verify` made it or `records`: whoever needs both goes
    through the records to their end, and looks at `wrong` before telling anybody what came of them.
    """

    total_bytes: int

    @property
    def wrong(self) -> list[str]: ...

    def verify(self, progress: Progress) -> list[str]:
        """Everything that is wrong with it, a line each; empty where it holds. Error: `CannotStart` if unreadable."""
        ...

    def records(self, progress: Progress) -> Iterator[dict[str, Any]]:
        """Every record that holds, in the order of its writer, those of several writers one after the other.

        Members as in docs/ledger.md, and of the types there; a record of kind `exchange` has at least `id`, `time`,
        `tenant`, `app`, `key`, `trusted`, `path`, `dialect`, `model`, `streamed`, `route`, `outcome`, `findings`, `trace`,
        `request` and `policy`. They are empty where the record is older than the member. Findings have the members of
        `Finding` and calls those of `Trace`, and may lack those that have a default. Error: `CannotStart` if unreadable.
        """
        ...


OpenLedger = Callable[[Path, Settings, Path | None], LedgerReader | None]


def open_ledger(folder: Path, settings: Settings, secret: Path | None = None) -> LedgerReader:
    """The reader of whoever wrote this ledger. Error: `CannotStart`."""
    if not folder.is_dir():
        raise CannotStart(f"there is no ledger at {folder}; name its folder, or set YUMEN_DATA")
    # Nobody else's code is asked about what the gateway itself has written.
    for one in sorted(registry.listings("ledger"), key=lambda one: one.distribution != OWN):
        reader: LedgerReader | None = registry.load_ledger(one.name)(folder, settings, secret)
        if reader is not None:
            return reader
    raise CannotStart(f"nobody here can read {folder}; is it the folder of a ledger?")
