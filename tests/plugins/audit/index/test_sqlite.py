"""The index in a file: what is damaged is made anew, nobody else can read it, and every search has its table in order."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.plugins.audit.index.made import LOG, row

from yumen import CannotStart
from yumen_plugins.audit.index import IndexRenewed, IndexUnavailable, Query
from yumen_plugins.audit.index.sqlite import SqliteIndex


@pytest.fixture
def index(sqlite_path: Path, said: list[str]) -> Iterator[SqliteIndex]:
    made = SqliteIndex(sqlite_path, said.append)
    made.open()
    made.positions()
    yield made
    made.close()


def fill(index: SqliteIndex, count: int = 2000) -> None:
    index.positions()
    index.add([row(seq, tenant=f"t{seq % 7}", rules=[]) for seq in range(count)], {LOG: count})


def damaged(path: Path) -> Path:
    return path.with_name(path.name + ".damaged")


@pytest.mark.parametrize("content", [b"not a database " * 500, b"SQLite format 3\0" + b"\xff" * 9000])
def test_a_file_that_is_no_index_is_set_aside(sqlite_path: Path, said: list[str], content: bytes) -> None:
    """It is kept, an operator is told, and there is an empty index in its place."""
    sqlite_path.parent.mkdir()
    sqlite_path.write_bytes(content)
    index = SqliteIndex(sqlite_path, said.append)
    index.open()
    assert index.positions() == {}
    fill(index)
    assert len(index.find(Query(tenant="t3")).rows) == 100
    index.close()
    assert damaged(sqlite_path).read_bytes() == content
    assert said == ["the index of the ledger was damaged; it is kept as ledger.sqlite.damaged, and made anew"]


def test_damage_in_the_middle_is_found_when_it_is_read(index: SqliteIndex, sqlite_path: Path, said: list[str]) -> None:
    """The one who met it is told that it cannot be answered now, and after that everything is to be added again."""
    fill(index)
    index.close()
    content = bytearray(sqlite_path.read_bytes())
    content[8192:] = b"\xaa" * (len(content) - 8192)
    sqlite_path.write_bytes(content)
    with pytest.raises(IndexUnavailable, match="was damaged and is made anew"):
        index.find(Query(tenant="t3"))
    assert index.positions() == {}
    assert len(said) == 1
    assert damaged(sqlite_path).exists()


@pytest.mark.parametrize(
    "change",
    ["meta SET epoch = 9223372036854775807", "meta SET epoch = 'abc'", "log SET next = X'FF'", "log SET name = X'FF'",
     "log SET floor = 9e999", "entry SET tenant = CAST(X'FFFE' AS TEXT)"],
)  # fmt: skip
def test_columns_of_another_kind_are_damage(
    index: SqliteIndex, sqlite_path: Path, said: list[str], change: str
) -> None:
    """SQLite keeps what it is given, of whatever kind: what nobody here has written is no fault, and is made anew."""
    fill(index, 20)
    index.close()
    with sqlite3.connect(sqlite_path) as base:
        base.execute(f"UPDATE {change}")
    index.open()
    with contextlib.suppress(IndexUnavailable):
        index.find(Query())
    assert index.positions() == {}
    assert said == ["the index of the ledger was damaged; it is kept as ledger.sqlite.damaged, and made anew"]


def test_other_processes_follow_to_the_new_file(index: SqliteIndex, sqlite_path: Path) -> None:
    """A process that still has the old file open neither answers from it nor adds to it."""
    other = SqliteIndex(sqlite_path, lambda _: None)
    other.open()
    fill(index)
    assert other.positions() == {LOG: 2000}
    index.clear()
    with pytest.raises(IndexRenewed):
        other.add([row(2000)], {LOG: 2001})
    assert (other.positions(), other.find(Query()).rows) == ({}, [])
    other.close()


def test_files_are_for_their_owner_alone(index: SqliteIndex, sqlite_path: Path) -> None:
    """Whatever the umask is: who spoke with whom is nobody else's."""
    fill(index, 5)
    with index.exclusive(LOG):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in sqlite_path.parent.iterdir()}
    assert set(modes) == {f"ledger.sqlite{suffix}" for suffix in ("", "-wal", "-shm", ".lock")}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(sqlite_path.parent.stat().st_mode) == 0o700


def test_a_link_is_not_followed(sqlite_path: Path, tmp_path: Path) -> None:
    """A file elsewhere is neither read nor overwritten."""
    sqlite_path.parent.mkdir()
    sqlite_path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotStart, match=r"make .* writable, or set YUMEN_DATA"):
        SqliteIndex(sqlite_path, lambda _: None).open()
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_forgotten_leaves_no_bytes(index: SqliteIndex, sqlite_path: Path) -> None:
    """Neither in the file nor in the log ahead of it: what retention removes is not there for whoever looks at the disk."""
    fill(index, 300)
    receipt = row(7).receipt
    files = [sqlite_path, sqlite_path.with_name("ledger.sqlite-wal")]
    assert any(receipt.encode() in path.read_bytes() for path in files)
    index.forget(LOG, 300)
    assert not any(receipt.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    "query",
    [
        Query(),
        Query(since_us=1, until_us=2),
        Query(tenant="银行"),
        Query(rule="cn.mobile", since_us=1),
        Query(tenant="a", outcome="ok", decision="block", rule="r", type="pii", until_us=9),
        Query(receipt="8d0eb8ae." + "0" * 32),
        Query(subject="5e" * 16, route="chat"),
    ],
)
def test_no_search_goes_through_a_table_or_sorts(index: SqliteIndex, query: Query) -> None:
    """Every statement of a search leads from one table to the next by its key, in the order that the page has."""
    fill(index)
    statements: list[str] = []
    assert index._connection is not None
    index._connection.set_trace_callback(statements.append)
    index.find(query)
    index.locate("8d0eb8ae." + "0" * 32)
    index._connection.set_trace_callback(None)
    asked = [one for one in statements if "posting" in one]
    assert asked
    with contextlib.closing(sqlite3.connect(index.path)) as connection:
        for statement in asked:
            plan = " | ".join(one[3] for one in connection.execute(f"EXPLAIN QUERY PLAN {statement}"))
            assert "SCAN" not in plan
            assert "TEMP B-TREE" not in plan
            assert "SEARCH p" in plan


def test_readers_do_not_wait_for_the_writer(index: SqliteIndex, sqlite_path: Path) -> None:
    """A search answers while a batch is being added, with what was there before."""
    fill(index, 10)
    other = SqliteIndex(sqlite_path, lambda _: None)
    other.open()
    with index._transaction(writes=True):
        index._run("DELETE FROM posting")
        assert len(other.find(Query()).rows) == 10
        index._run("INSERT INTO posting SELECT 1, 1, place FROM entry")
    assert other.find(Query()).rows == []
    other.close()


def test_a_full_disk_is_said_and_survived(index: SqliteIndex) -> None:
    """Nothing of a batch is there that did not fit, and the file is not taken for damaged."""
    fill(index, 10)
    assert index._connection is not None
    ((pages,),) = index._run("PRAGMA page_count")
    index._run(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(IndexUnavailable, match=r"\(SQLITE_FULL\); see that its disk has room"):
        index.add([row(seq) for seq in range(10, 3000)], {LOG: 3000})
    assert (index.positions(), len(index.find(Query()).rows)) == ({LOG: 10}, 10)
    index._run("PRAGMA max_page_count = 1000000")
    index.add([row(seq) for seq in range(10, 100)], {LOG: 100})
    assert index.positions() == {LOG: 100}


def test_threads_take_turns(index: SqliteIndex) -> None:
    """One object may be asked from several threads at once."""
    fill(index)
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(len(index.find(Query(tenant="t1", limit=50)).rows)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [50] * 8


def test_a_file_that_cannot_be_opened_any_more_is_said(index: SqliteIndex, sqlite_path: Path) -> None:
    """An index that was opened goes on to say why it cannot answer, and answers again when it can."""
    fill(index, 5)
    sqlite_path.rename(sqlite_path.with_name("elsewhere"))
    sqlite_path.mkdir()
    with pytest.raises(IndexUnavailable, match="the file of the index cannot be used: Is a directory"):
        index.find(Query())
    sqlite_path.rmdir()
    sqlite_path.with_name("elsewhere").rename(sqlite_path)
    assert len(index.find(Query()).rows) == 5


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """With what to do about it."""
    (tmp_path / "index").write_bytes(b"")
    with pytest.raises(CannotStart, match=r"make .* writable, or set YUMEN_DATA"):
        SqliteIndex(tmp_path / "index" / "ledger.sqlite", lambda _: None).open()
    assert os.listdir(tmp_path) == ["index"]
