"""An index that follows a ledger: everything once, nothing for ever missing, whoever else is at work."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.plugins.audit.index.conftest import Make
from tests.plugins.audit.index.made import LOG, OTHER_LOG, Written, exchange

from yumen_plugins.audit.index import Query
from yumen_plugins.audit.index.follow import catch_up
from yumen_plugins.audit.index.tables import Tables


def ledger(first: int, second: int = 0) -> Written:
    """A ledger of two logs with so many entries; every tenth is a part."""
    source = Written()
    for log, count in ((LOG, first), (OTHER_LOG, second)):
        if count:
            source.entries[log] = [None if seq % 10 == 9 else exchange(seq) for seq in range(count)]
    return source


def never() -> bool:
    return False


def ignore(_: int) -> None:
    pass


def found(index: Tables) -> dict[str, int]:
    return index.count(Query(), "outcome")


def test_everything_is_added_once_in_batches(index: Tables) -> None:
    """A batch is bounded however long the log is, progress adds up, and the next time only what is new is read."""
    source, told = ledger(2500, 30), list[int]()
    assert catch_up(index, source, told.append, never) == 2250 + 27
    assert (sum(told), max(told)) == (2530, 1000)
    assert index.positions() == {LOG: 2500, OTHER_LOG: 30}
    assert found(index) == {"ok": 2277}
    source.reads.clear()
    source.entries[LOG].append(exchange(2500))
    assert catch_up(index, source, ignore, never) == 1
    assert source.reads == [(LOG, 2500, 1)]
    assert index.locate(f"{2500:032x}") == [(LOG, 2500)]


def test_it_stops_when_told_and_goes_on_later(index: Tables) -> None:
    """After a batch, with what was read so far added."""
    source, told = ledger(2500), list[int]()
    assert catch_up(index, source, told.append, lambda: bool(told)) == 900
    assert index.positions() == {LOG: 1000}
    catch_up(index, source, ignore, never)
    assert found(index) == {"ok": 2250}


def test_a_place_is_that_of_the_log(index: Tables) -> None:
    """A record that says another seq than where it stands leads to where it stands."""
    source = Written()
    source.entries[LOG] = [exchange(0), exchange(7), {"kind": "start"}]
    assert catch_up(index, source, ignore, never) == 3
    assert sorted(one.seq for one in index.find(Query()).rows) == [0, 1, 2]


def test_a_log_that_became_shorter_is_read_again(index: Tables) -> None:
    """A ledger from a backup: what the index had beyond it is gone, and what came since is there."""
    catch_up(index, ledger(50, 20), ignore, never)
    source = ledger(30, 20)
    source.entries[LOG][3] = exchange(3, outcome="engine_timeout")
    assert catch_up(index, source, ignore, never) == 27
    assert found(index) == {"ok": 26 + 18, "engine_timeout": 1}
    assert index.positions() == {LOG: 30, OTHER_LOG: 20}


def test_an_entry_that_cannot_be_read_stops_it(index: Tables) -> None:
    """It raises, and the entry is tried again the next time: no gap comes into the index without a word."""

    class Broken(Written):
        broken = True

        def read(self, log: str, start: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
            if self.broken and start >= 1000:
                raise OSError("cannot read")
            return super().read(log, start, limit)

    source = Broken()
    source.entries = ledger(1500).entries
    with pytest.raises(OSError, match="cannot read"):
        catch_up(index, source, ignore, never)
    assert index.positions() == {LOG: 1000}
    source.broken = False
    catch_up(index, source, ignore, never)
    assert found(index) == {"ok": 1350}


def test_an_index_that_is_emptied_meanwhile_is_filled_from_the_start(index: Tables, make: Make) -> None:
    """Another process clears it while a batch is read: the batch is not added alone."""
    other = make()

    class Emptied(Written):
        def read(self, log: str, start: int, limit: int) -> list[tuple[int, dict[str, Any]]]:
            read = super().read(log, start, limit)
            if len(self.reads) == 2:
                other.clear()
            return read

    source = Emptied()
    source.entries = ledger(2500).entries
    catch_up(index, source, ignore, never)
    assert found(index) == {"ok": 2250}


def test_two_at_once_are_harmless(index: Tables, make: Make) -> None:
    """Processes that catch up with the same ledger, while one forgets: together they add everything that is left once."""
    source = ledger(6000, 3000)
    indexes = [index, make(), make()]
    faults: list[BaseException] = []

    def work(one: Tables) -> None:
        try:
            for _ in range(3):
                catch_up(one, source, ignore, never)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(one,)) for one in indexes[:2]]
    for thread in threads:
        thread.start()
    indexes[2].forget(LOG, 2000)
    for thread in threads:
        thread.join()
    assert faults == []
    catch_up(index, source, ignore, never)
    assert found(index) == {"ok": 3600 + 2700}
    assert index.positions() == {LOG: 6000, OTHER_LOG: 3000}


def test_one_who_is_at_work_is_not_disturbed(index: Tables, make: Make) -> None:
    """A log that another process is adding is left to it."""
    with make().exclusive(LOG) as mine:
        assert mine
        assert catch_up(index, ledger(20), ignore, never) == 0
    assert catch_up(index, ledger(20), ignore, never) == 18
