"""A process that ends at any call it makes to the disk while it saves or loads."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.plugins.audit.test_crash_points import CRASHED, in_process
from tests.plugins.cache.memory.made import key
from tests.plugins.cache.memory.test_warm import PLACE, SEAL, files, load, pairs, save

from yumen_plugins.cache.memory import warm

Say = Callable[[str], None]


def test_an_end_while_saving_leaves_a_whole_file_or_none(tmp_path: Path) -> None:
    """Whatever call was the last one, the next process gets what was saved before, or all that was to be saved now."""
    status, _, count = in_process(saving(tmp_path / "whole"))
    assert status == 0
    seen = set()
    for last in range(1, count + 1):
        folder = tmp_path / str(last)
        save(folder, pairs(2))
        status, _, _ = in_process(saving(folder), last)
        assert status == CRASHED
        found, told = load(folder)
        assert found in (pairs(2), pairs(5))
        assert told == []
        seen.add(len(found))
    assert seen == {2, 5}


def test_an_end_while_loading_uses_no_file_twice(tmp_path: Path) -> None:
    """A file is there for the next process until one has taken it, and is gone from its first entry on."""

    def first(say: Say) -> None:
        for name, _ in warm.load(tmp_path, SEAL, PLACE):
            say(name.hex())
            os._exit(CRASHED)

    save(tmp_path, pairs(5))
    for last in (1, 2):  # opening the file, and deleting its name
        assert in_process(first, last) == (CRASHED, [], 0)
        assert len(files(tmp_path)) == 1
    assert in_process(first) == (CRASHED, [key(4).hex()], 0)
    assert files(tmp_path) == []
    assert load(tmp_path) == ([], [])


def saving(folder: Path) -> Callable[[Say], None]:
    """A process that saves five entries."""

    def job(say: Say) -> None:
        save(folder, pairs(5))

    return job
