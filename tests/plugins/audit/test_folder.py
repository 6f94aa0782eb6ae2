"""Processes that start at the same moment."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

from yumen import Hmac
from yumen_plugins.audit.segment import Folder

PROCESSES, ROUNDS = 4, 8


def _take(ledger: Path, together: Barrier, taken: list[str]) -> None:
    held = []
    for round_ in range(ROUNDS):
        together.wait(30)
        held.append(Folder.take(ledger / str(round_), Hmac(bytes(32)), lambda: 0.0, "test"))
    taken.extend(f"{folder.path}" for folder in held)
    together.wait(30)


def test_writers_that_start_at_once_each_get_a_folder(tmp_path: Path) -> None:
    """A process that sees another's new folder before it is locked may take it; the other then makes one more."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        together = context.Barrier(PROCESSES)
        taken = manager.list()
        workers = [context.Process(target=_take, args=(tmp_path, together, taken)) for _ in range(PROCESSES)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert [worker.exitcode for worker in workers] == [0] * PROCESSES
        assert len(set(taken)) == PROCESSES * ROUNDS
