"""Writers that start at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from yumen import Hmac
from yumen_plugins.audit.segment import Folder

WRITERS, ROUNDS = 4, 50


def test_writers_that_start_at_once_each_get_a_folder(tmp_path: Path) -> None:
    """A writer that sees another's new folder before it is locked may take it; the other then makes one more."""
    together = Barrier(WRITERS)

    def take(ledger: Path) -> Path:
        together.wait(30)
        return Folder.take(ledger, Hmac(bytes(32)), lambda: 0.0, "test").path

    with ThreadPoolExecutor(WRITERS) as pool:
        for number in range(ROUNDS):
            ledger = tmp_path / str(number)
            assert len(set(pool.map(take, [ledger] * WRITERS))) == WRITERS
