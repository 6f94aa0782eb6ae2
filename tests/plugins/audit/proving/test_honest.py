"""What an honest gateway writes verifies, whatever happens to its processes, its keys and its old records."""

from __future__ import annotations

import fcntl
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.lengths import times
from tests.plugins.audit.proving.histories import DAY, FOREVER, KEEP, START, WRITER, History, codes

from yumen_plugins.audit.log.files import LogFiles
from yumen_plugins.audit.log.tiles import WIDTH
from yumen_plugins.audit.proving import ledger as ledger_module
from yumen_plugins.audit.proving.chunk import Chunk, read_chunk
from yumen_plugins.audit.proving.keys import read_keys
from yumen_plugins.audit.proving.ledger import verify_ledger
from yumen_plugins.audit.proving.report import WRONG_MAX, Findings, LedgerReport
from yumen_plugins.audit.signing import KeyChain


class Life:
    """A ledger that lives at random."""

    def __init__(self, data: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.history = History(data, journal_bytes=self.random.choice([1 << 12, 1 << 15, 8 << 20]))
        self.dropped = 0

    def live(self, steps: int) -> None:
        for _ in range(steps):
            self.random.choice(
                [self.write, self.write, self.write, self.go_on, self.process, self.keys, self.retention]
            )()

    def write(self) -> None:
        for log in self.history.logs:
            count, remote = self.random.choice([1, 5, 60, 300]), self.random.random() < 0.5
            self.history.exchanges(log, count, remote=remote, batch=self.random.choice([31, 97]))

    def go_on(self) -> None:
        self.history.at += self.random.choice([1, 600, 1200])
        for log in self.history.logs:
            self.history.checkpoint(log)

    def process(self) -> None:
        log = self.random.choice([FOREVER, KEEP])
        if log not in self.history.logs:
            self.history.start(log)
        elif self.random.random() < 0.5:
            self.history.stop(log)
        else:
            self.history.kill(log, torn=self.random.choice([b"", b"YM", b"YMJ1\0\0\0\xff" + bytes(40)]))

    def keys(self) -> None:
        self.history.rotate()
        self.write() if self.random.random() < 0.5 else None
        self.history.take_up()

    def retention(self) -> None:
        history = self.history
        if KEEP not in history.logs:
            return
        whole = LogFiles(history.ledger / KEEP).journaled // WIDTH
        if whole > self.dropped:
            history.at += 190 * DAY
            end = self.random.randint(self.dropped + 1, whole)
            # Each statement says all that was dropped, since those before it may be dropped themselves.
            history.state(KEEP, end * WIDTH)
            if self.random.random() < 0.8:
                history.drop(KEEP, end, self.dropped)
            self.dropped = end


@pytest.mark.parametrize("seed", range(times(100, 1000)))
def test_an_honest_history_verifies(tmp_path: Path, seed: int) -> None:
    """Batches, restarts, kills in the middle of a write, new keys and dropped records: nothing of it is wrong."""
    life = Life(tmp_path, seed)
    life.history.start(KEEP)
    life.live(12)
    life.history.stop_all()
    report = life.history.verified()
    assert report.found == [one for one in report.found if one.severity == "note"]
    assert (report.ok, report.exit_status) == (True, 0)
    assert sum(log.dropped for log in report.logs) <= life.dropped * WIDTH
    for log in report.logs:
        assert log.size == sum(log.kinds.values()) + log.dropped


def test_what_happened_to_processes_is_noted(tmp_path: Path) -> None:
    """A kill, what was cut off, a failure and a quiet hour are told, each with its record, and are not wrong."""
    history = History(tmp_path)
    history.start(FOREVER)
    history.write(FOREVER, {"kind": "failure", "note": "OSError No space left on device"})
    history.kill(FOREVER, torn=b"YMJ1\0")
    history.start(FOREVER)
    history.at += 5000
    history.checkpoint(FOREVER)
    history.at -= 60
    history.stop(FOREVER)
    report = history.verified()
    assert report.ok
    assert [(one.code, one.seq) for one in report.continuity] == [
        ("failure", 1),
        ("recovery", 2),
        ("killed", 3),
        ("quiet", 4),
        ("clock", 5),
    ]


def test_a_gateway_may_be_writing(tmp_path: Path) -> None:
    """While its writer holds the lock, a half-written batch, a key it has not noticed and an open intent are not wrong."""
    history = History(tmp_path)
    history.start(KEEP)
    history.exchanges(KEEP, 300)
    history.write(KEEP, {"kind": "intent", "id": "0" * 32})
    with (history.ledger / KEEP).parent.joinpath("lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        history.rotate()
        history.at -= 10
        history.kill(KEEP, torn=b"YMJ1\0\0")
        report = history.verified()
        assert report.ok, report.found
        assert [one.code for one in report.found] == ["intent-open"]
        assert report.logs[0].running
    report = history.verified()
    assert [one.code for one in report.continuity] == ["no-stop", "torn-tail"] or {"torn-tail"} <= {
        one.code for one in report.continuity
    }


@pytest.mark.parametrize("published", [False, True], ids=["in the journal", "in bundles"])
def test_a_key_that_takes_over_while_keys_and_logs_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, published: bool
) -> None:
    """What the new key has signed, and the record that takes it up, are read after the keys were."""
    history = History(tmp_path, journal_bytes=1 << 13)
    history.start(KEEP)
    history.exchanges(KEEP, 300, batch=20)
    turns: list[int] = []

    def read_and_replaced(folder: Path) -> tuple[KeyChain, list[bytes]]:
        found = read_keys(folder)
        turns.append(len(found[1]))
        if len(turns) == 1:
            history.rotate()
            history.take_up()
            history.exchanges(KEEP, 300, batch=20)
            if published:
                history.logs[KEEP].publish()
        return found

    monkeypatch.setattr(ledger_module, "read_keys", read_and_replaced)
    with (history.ledger / WRITER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        report = verify_ledger(history.ledger, history.trusted, now=lambda: START + DAY)
    assert report.wrong == []
    assert turns[:2] == [1, 2]


@pytest.mark.parametrize("stated", [True, False], ids=["stated", "not stated"])
def test_bundles_that_are_dropped_each_time_the_log_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: bool
) -> None:
    """Retention may go on while the log is read anew because of it; what nobody stated stays missing all the same."""
    history = History(tmp_path, journal_bytes=1 << 13)
    history.start(KEEP)
    history.exchanges(KEEP, 5 * WIDTH, batch=20)
    history.logs[KEEP].publish()
    assert LogFiles(history.ledger / KEEP).journaled // WIDTH >= 3
    history.at += 190 * DAY
    turns: list[int] = []

    def read_and_dropped(*asked: Any) -> Chunk:
        dropped = len(turns)
        turns.append(dropped)
        if dropped < 3:
            if stated:
                history.state(KEEP, (dropped + 1) * WIDTH)
            history.drop(KEEP, dropped + 1, dropped)
        return read_chunk(*asked)

    monkeypatch.setattr(ledger_module, "read_chunk", read_and_dropped)
    with (history.ledger / WRITER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        report = verify_ledger(history.ledger, history.trusted, now=lambda: START + 1000 * DAY)
    assert codes(report) == ([] if stated else ["bundle-missing"])
    assert report.logs[0].dropped == 3 * WIDTH
    # The statements of the third drop are read the fourth time; that there are none is known then.
    assert len(turns) == 4


def test_a_ledger_holds_at_every_moment_while_it_is_written(tmp_path: Path) -> None:
    """Batches, new journals, new keys, published tiles and dropped bundles may happen at any time while it is read."""
    history = History(tmp_path, journal_bytes=1 << 13)
    history.start(KEEP)
    done, reports = threading.Event(), list[LedgerReport]()

    def write() -> None:
        dropped, turn = 0, 0
        while not done.is_set():
            turn += 1
            history.exchanges(KEEP, 40, remote=True, batch=11)
            history.logs[KEEP].publish()
            if turn % 7 == 0:
                history.rotate()
                history.take_up()
            whole = LogFiles(history.ledger / KEEP).journaled // WIDTH
            if turn % 5 == 0 and whole > dropped:
                history.at += 190 * DAY
                history.state(KEEP, whole * WIDTH)
                history.drop(KEEP, whole, dropped)
                dropped = whole

    with (history.ledger / WRITER / "lock").open("w") as lock, ThreadPoolExecutor(1) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        writing = pool.submit(write)
        try:
            for _ in range(times(25, 500)):
                reports.append(verify_ledger(history.ledger, history.trusted, now=lambda: START + 100_000 * DAY))
                assert reports[-1].wrong == []
        finally:
            done.set()
        writing.result()
    assert reports[-1].logs[0].key > 1
    assert reports[-1].logs[0].dropped > 0


def test_many_notes_are_no_wrong(tmp_path: Path) -> None:
    """What is not named any more counts as what it is: a note, or wrong."""
    for severity, ok in (("note", True), ("wrong", False)):
        findings, report = Findings("8d0eb8ae/forever"), LedgerReport(ok=True)
        for _ in range(WRONG_MAX + 1):
            findings.add("intent-open", "nothing came of it", severity="note")
        findings.add("intent-open", "nothing came of it", severity="wrong" if severity == "wrong" else "note")
        findings.into(report)
        assert (report.ok, report.left_out, len(report.completeness)) == (ok, 2, WRONG_MAX)


def test_several_processes_come_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many take part changes nothing, for what holds and for what does not."""
    history = History(tmp_path)
    history.start(KEEP)
    history.exchanges(KEEP, 6_000, remote=True, batch=500)
    history.checkpoint(KEEP)
    history.stop(KEEP)
    monkeypatch.setattr("yumen_plugins.audit.proving.ledger.PARALLEL_BYTES", 1)
    read: list[int] = []
    alone, together = history.verified(), history.verified(jobs=2, progress=read.append)
    assert alone == together
    assert alone.ok
    assert sum(read) > 12_000 * 300
    path = history.ledger / KEEP / "tile" / "entries" / "030"
    path.write_bytes(path.read_bytes().replace(b'"ok"', b'"OK"', 1))
    alone, together = history.verified(), history.verified(jobs=2)
    assert alone == together
    assert codes(alone) == ["changed"]
