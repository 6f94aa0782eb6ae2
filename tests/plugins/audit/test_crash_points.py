"""A process that ends at any call it makes to the disk: whatever had been acknowledged is there when the next one starts.

The processes are forks that end at their n-th call, a write in its middle; n goes over all of them.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.lengths import times
from tests.plugins.audit.ledgers import hold_together, records
from tests.plugins.audit.log.test_log import ORIGIN, Key, entry

from yumen_plugins.audit.entries import encoded
from yumen_plugins.audit.folder import WriterFolder
from yumen_plugins.audit.log.appender import Appender
from yumen_plugins.audit.log.files import LogFiles
from yumen_plugins.audit.retention import DAY_S, retain
from yumen_plugins.audit.signing import Signing, replace_key

WATCHED = [(os, name) for name in ("fdatasync", "fsync", "write", "pwrite", "open", "close")]
WATCHED_PATHS = [(Path, name) for name in ("unlink", "replace", "mkdir", "rename")]
CRASHED = 77
SIZE, BATCH = 560, 90
KEEPS = ("forever", "keep-30d")
TIME = "2026-11-24T23:26:19.000000Z"

Job = Callable[[Callable[[str], None]], None]


class Calls:
    """Counts calls to the disk, and ends the process at one of them, or has that one fail."""

    def __init__(self, last: int = 0, *, fails: bool = False) -> None:
        self.count = 0
        self._last = last
        self._fails = fails

    def watch(self, owner: Any, name: str) -> None:
        """Put this in front of a function."""
        real = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self.count += 1
            if self.count == self._last:
                if name == "write":  # the head, 512 bytes in place, is written whole or not at all
                    descriptor, data = arguments
                    real(descriptor, bytes(data)[: len(data) // 2])
                if self._fails:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                os._exit(CRASHED)
            return real(*arguments, **options)

        setattr(owner, name, call)


def in_process(job: Job, last: int = 0, *, fails: bool = False) -> tuple[int, list[str], int]:
    """Run a job in a fork that ends, or fails, at a call: its exit status, what it said, and how many calls it made."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            write, calls = os.write, Calls(last, fails=fails)
            for owner, name in (*WATCHED, *WATCHED_PATHS):
                calls.watch(owner, name)

            def say(text: str) -> None:
                write(there, text.encode() + b"\n")

            job(say)
            write(there, b"%d\n" % calls.count)
            status = 0
        finally:
            os._exit(status)
    os.close(there)
    with os.fdopen(here, "rb") as file:
        said = file.read().decode().split("\n")[:-1]
    _, waited = os.waitpid(child, 0)
    status = os.waitstatus_to_exitcode(waited)
    return (status, said[:-1], int(said[-1])) if status == 0 else (status, said, 0)


def crashes(job: Callable[[Path], Job], folder: Path, step: int) -> Iterator[tuple[Path, list[str]]]:
    """Run a job again and again, to end at each call once; where it ran, and what it had said."""
    status, _, count = in_process(job(folder / "whole"))
    assert status == 0
    assert count > 100
    for last in range(1, count + 1, step):
        place = folder / str(last)
        status, said, _ = in_process(job(place), last)
        assert status == CRASHED, last
        yield place, said


@pytest.mark.long
def test_a_log_outlives_an_end_at_any_call(tmp_path: Path) -> None:
    """Appending, turning, settling and publishing; afterwards it is the same log from its beginning, and goes on."""
    key = Key()

    def job(folder: Path) -> Job:
        def write(say: Callable[[str], None]) -> None:
            log = Appender(folder, ORIGIN, key, journal_bytes=4096)
            while log.size < SIZE:
                log.append([entry(number) for number in range(log.size, min(SIZE, log.size + BATCH))])
                log.sync()
                say(str(log.size))
                if log.size > SIZE // 2:
                    log.publish()

        return write

    for folder, said in crashes(job, tmp_path, times(23, 1)):
        log = Appender(folder, ORIGIN, key, journal_bytes=4096)
        assert log.size >= int(said[-1] if said else 0)
        log.append([b"next"])
        log.sync()
        log.close()
        files = LogFiles(folder)
        assert files.root() == log.checkpoint.root
        assert [one for _, one in files.entries()] == [*(entry(one) for one in range(files.size - 1)), b"next"]


def signed(data_dir: Path) -> Signing:
    return Signing.open(data_dir, data_dir / "ledger", lambda: TIME)


def taken(data_dir: Path) -> WriterFolder:
    """A writer's folder, as the next process takes it."""
    return WriterFolder.take(data_dir / "ledger", signed(data_dir), time.time, "t", journal_bytes=4096)


@pytest.mark.long
def test_a_ledger_outlives_an_end_at_any_call(tmp_path: Path) -> None:
    """The first start, two logs, a key that is replaced, and dropping what is old: the next start needs nobody's help."""

    def job(data_dir: Path) -> Job:
        def run(say: Callable[[str], None]) -> None:
            folder, number = taken(data_dir), 0
            for _ in range(6):
                for keep in ("forever", "keep-1d"):
                    bodies = [{"kind": "exchange", "id": f"{keep} {number + one}", "time": TIME} for one in range(60)]
                    number += 60
                    folder.write(keep, [entry for body in bodies for entry in encoded(body)]).sync()
                    for body in bodies:
                        say(str(body["id"]))
            replace_key(data_dir, data_dir / "ledger", {}, TIME)
            folder.use(signed(data_dir))
            say("key")
            retain(folder, time.time() + 3 * DAY_S, lambda tenant, subject: False)
            folder.stop()
            folder.close()

        return run

    for data_dir, said in crashes(job, tmp_path, times(41, 1)):
        folder = taken(data_dir)
        assert folder.signing.era.number == 2 or "key" not in said
        folder.stop()
        folder.close()
        assert len(list((data_dir / "ledger").glob("*/lock"))) == 1
        found = records(data_dir)
        assert not any("broken" in one for one in found)
        gone = sum(one["end"] - one["first"] for one in found if one["kind"] == "retention")
        ids = {one.get("id") for one in found}
        lost = [one for one in said if one != "key" and one not in ids]
        assert len(lost) <= gone
        assert not any(one.startswith("forever") for one in lost)
        if not gone:
            hold_together(data_dir)


@pytest.mark.long
def test_a_ledger_outlives_an_error_at_any_call(tmp_path: Path) -> None:
    """Whatever call fails once, the same process goes on, and what it was told was durable is there."""

    def job(data_dir: Path) -> Job:
        def run(say: Callable[[str], None]) -> None:
            folder = taken(data_dir)
            number = 0
            while number < SIZE:
                bodies = [{"kind": "exchange", "id": str(number + one), "time": TIME} for one in range(BATCH)]
                try:
                    folder.write(
                        KEEPS[number // BATCH % 2], [entry for body in bodies for entry in encoded(body)]
                    ).sync()
                    folder.publish()
                except OSError as error:
                    say("failed")
                    recover(folder, error)
                    continue
                say(f"{number}")
                number += BATCH

        return run

    def recover(folder: WriterFolder, error: OSError) -> None:
        for _ in range(3):
            try:
                folder.fail(type(error).__name__)
                return
            except OSError:
                continue
        raise error

    _, said, before = in_process(starting(tmp_path / "begun"))
    _, said, count = in_process(job(tmp_path / "whole"))
    assert count > before
    # A call that fails while the process starts is told to whoever starts it.
    for last in range(before + 1, count + 1, times(43, 1)):
        place = tmp_path / str(last)
        status, said, _ = in_process(job(place), last, fails=True)
        assert status == 0, last
        hold_together(place)
        ids = [one["id"] for one in records(place) if one["kind"] == "exchange"]
        told = [
            str(first + one) for first in map(int, (one for one in said if one != "failed")) for one in range(BATCH)
        ]
        assert set(told) <= set(ids), last
        assert "failed" not in said or any(one["kind"] == "failure" for one in records(place)), last


def starting(data_dir: Path) -> Job:
    """Take a folder, and no more."""
    return lambda say: taken(data_dir).close()
