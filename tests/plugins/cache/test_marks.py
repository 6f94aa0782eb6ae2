"""Marks of purges: they hold in every process and after a restart, whatever cuts the file, and are bounded."""

from __future__ import annotations

import asyncio
import math
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.redis_server import RedisServer

from yumen.store import StoreError
from yumen.store.redis import RedisStore
from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.marks import Marks
from yumen_plugins.cache.marks import elsewhere as elsewhere_module
from yumen_plugins.cache.marks import file as file_module
from yumen_plugins.cache.marks.file import LINES_MAX, MarksFile, decode, encode
from yumen_plugins.cache.marks.table import KEPT_S, Mark
from yumen_plugins.cache.sealing import Seal

NOW = 1_790_000_000.0
SEAL = Seal(b"s" * 32)


def clock() -> float:
    return NOW


async def opened(folder: Path | None) -> Marks:
    marks = Marks(folder, now=clock)
    await marks.start()
    return marks


async def test_a_purge_takes_what_was_stored_before_it_and_nothing_after(tmp_path: Path) -> None:
    """The moment of the purge is the bound: what is asked anew is kept again."""
    marks = await opened(tmp_path)
    done = await marks.add(Purge("acme", "s1"), NOW)
    assert done == Purge("acme", "s1", NOW)
    assert marks.takes("acme", "s1", NOW - 0.001)
    assert not marks.takes("acme", "s1", NOW)
    assert not marks.takes("acme", "s2", NOW - 1)
    assert not marks.takes("acme", "", NOW - 1)
    assert not marks.takes("other", "s1", NOW - 1)
    await marks.close()


async def test_what_is_younger_than_asked_stays(tmp_path: Path) -> None:
    """`--older-than` is a bound of its own, earlier than the moment of the purge; a later one is brought back to it."""
    marks = await opened(tmp_path)
    await marks.add(Purge("甲方", "", NOW - 3600), NOW)
    assert marks.takes("甲方", "谁", NOW - 3601)
    assert not marks.takes("甲方", "谁", NOW - 3600)
    assert (await marks.add(Purge("甲方", "", NOW + 99), NOW)).before == NOW
    await marks.close()


@pytest.mark.parametrize("purge", [Purge("", "s1"), Purge("t", "", math.nan)])
async def test_what_names_nobody_is_refused(purge: Purge) -> None:
    """A subject of no tenant would take a namesake of somebody else; a moment that is none would take nothing."""
    marks = await opened(None)
    with pytest.raises(ValueError, match=r"moment|tenant"):
        await marks.add(purge, NOW)


async def test_another_process_hears_of_it_and_so_does_the_next_one(tmp_path: Path) -> None:
    """A purge in one worker is news in the others once, and holds in a process that starts later."""
    one, two = await opened(tmp_path), await opened(tmp_path)
    await one.add(Purge("acme", "s1"), NOW)
    await one.add(Purge("acme", "s2", NOW - 60), NOW)
    assert await one.new() == []
    assert await two.new() == [Purge("acme", "s1", NOW), Purge("acme", "s2", NOW - 60)]
    assert await two.new() == []
    assert two.takes("acme", "s1", NOW - 1)
    three = await opened(tmp_path)
    assert await three.new() == []
    assert three.takes("acme", "s1", NOW - 1)
    assert three.takes("acme", "s2", NOW - 61)
    for marks in (one, two, three):
        await marks.close()


async def test_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    """It names tenants and digests of subjects."""
    marks = await opened(tmp_path / "cache" / "main")
    await marks.add(Purge("acme"), NOW)
    for path in (tmp_path / "cache", tmp_path / "cache" / "main"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in (tmp_path / "cache" / "main").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await marks.close()


@given(cut=st.integers(0, 400), tail=st.binary(max_size=60).filter(lambda tail: b"\n" not in tail))
def test_a_torn_line_is_passed_over_and_repaired(
    tmp_path_factory: pytest.TempPathFactory, cut: int, tail: bytes
) -> None:
    """Wherever a crash cuts the file, whole lines count, the rest does not, and what is appended next can be read."""
    folder = tmp_path_factory.mktemp("torn")
    lines = [encode(Mark("租户", f"s{number}", NOW, NOW)) + b"\n" for number in range(4)]
    content = b"".join(lines)[:cut]
    (folder / "purges").write_bytes(content + tail if content.endswith(b"\n") else content)
    file = MarksFile(folder, clock)
    file.look()
    assert [encode(mark) + b"\n" for mark in file.found] == lines[: content.count(b"\n")]
    file.append([Mark("t", "after", NOW, NOW)])
    file.look()
    assert file.found[-1] == Mark("t", "after", NOW, NOW)
    assert len(file.found) == content.count(b"\n") + 1
    file.close()


@pytest.mark.parametrize(
    "line", [b"{}", b"\x00\x00", b"[1]", b'{"tenant":"","subject":"s","before":1,"at":1}', b'{"before":1e400}', b"\r"]
)
async def test_a_line_that_cannot_be_read_stands_for_everything(tmp_path: Path, line: bytes) -> None:
    """Nobody knows what it took, so all goes that was kept until it was found; the file is whole again afterwards."""
    (tmp_path / "purges").write_bytes(line + b"\n" + encode(Mark("t", "", NOW - 9, NOW - 9)) + b"\n")
    file = MarksFile(tmp_path, clock)
    file.look()
    assert file.found[0] == Mark("", "", NOW, NOW)
    assert file.untidy
    file.close()
    marks = await opened(tmp_path)
    assert marks.takes("anybody", "s", NOW - 1)
    assert not marks.takes("anybody", "s", NOW)
    assert [decode(one) for one in (tmp_path / "purges").read_bytes().splitlines()] == [Mark("", "", NOW, NOW)]
    await marks.close()


async def test_where_the_file_cannot_be_read_nothing_is_given(tmp_path: Path) -> None:
    """Fail closed: as long as it is not known what was purged, everything was; until it can be read again."""
    marks = await opened(tmp_path)
    (tmp_path / "purges").mkdir()
    with pytest.raises(OSError, match="purges"):
        await marks.new()
    assert marks.takes("anybody", "", NOW + 1e6)
    assert marks.stats()["readable"] is False
    (tmp_path / "purges").rmdir()
    assert await marks.new() == []
    assert not marks.takes("anybody", "", NOW)


async def test_nothing_is_given_before_the_file_was_read(tmp_path: Path) -> None:
    """Between the making and the start nothing is known yet."""
    assert Marks(tmp_path, now=clock).takes("t", "", NOW)


async def test_a_purge_that_is_not_durable_is_an_error_and_holds_here(tmp_path: Path) -> None:
    """Whoever asked is told that it may be gone after a restart; this process lets go all the same."""
    marks = await opened(tmp_path)
    (tmp_path / "lock").mkdir()
    with pytest.raises(OSError, match="lock"):
        await marks.add(Purge("acme"), NOW)
    assert marks.takes("acme", "", NOW - 1)


def test_a_lock_that_is_not_let_go_is_no_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that hangs with the lock ends in an error, and the file stays as it was."""
    monkeypatch.setattr(file_module, "LOCK_S", 0.05)
    one, two = MarksFile(tmp_path, clock), MarksFile(tmp_path, clock)
    one.append([Mark("t", "", NOW, NOW)])
    with one._locked(), pytest.raises(TimeoutError):
        two.append([Mark("u", "", NOW, NOW)])
    two.append([Mark("v", "", NOW, NOW)])
    assert [decode(line).tenant for line in (tmp_path / "purges").read_bytes().splitlines()] == ["t", "v"]


async def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    """Another process has tidied: nothing is lost, and nothing is told twice."""
    one, two = await opened(tmp_path), await opened(tmp_path)
    await one.add(Purge("old"), NOW - KEPT_S - 1)
    await one.add(Purge("acme", "s1"), NOW)
    assert len(await two.new()) == 2
    three = await opened(tmp_path)
    assert [decode(line).tenant for line in (tmp_path / "purges").read_bytes().splitlines()] == ["acme"]
    await three.add(Purge("acme", "s2"), NOW)
    assert await two.new() == [Purge("acme", "s2", NOW)]
    assert await one.new() == [Purge("acme", "s2", NOW)]
    for marks in (one, two, three):
        await marks.close()


async def test_a_file_that_grows_is_written_anew(tmp_path: Path) -> None:
    """Purging the same again and again does not fill the disk."""
    file = MarksFile(tmp_path, clock)
    file.append(Mark("t", "s", NOW - LINES_MAX + number, NOW) for number in range(LINES_MAX + 1))
    before = (tmp_path / "purges").stat().st_size
    file.look()
    grown = file.untidy
    assert grown
    file.tidy()
    file.look()
    assert not file.untidy
    assert (tmp_path / "purges").stat().st_size < before / LINES_MAX * 2
    file.close()


def test_a_process_that_ends_anywhere_loses_nothing_that_it_has_said(tmp_path: Path) -> None:
    """Forks end at their n-th call to the disk, n goes over all: what was acknowledged is read by the next one."""
    last, status = 0, 1
    while status:
        last += 1
        folder = tmp_path / str(last)
        acknowledged, status = _crashing(folder, last)
        marks = asyncio.run(_read_again(folder))
        assert all(marks.takes("acme", subject, NOW - 1) for subject in acknowledged), last
        assert not marks.takes("acme", "nobody", NOW - 1)
    assert last > 20


async def _read_again(folder: Path) -> Marks:
    marks = await opened(folder)
    await marks.add(Purge("acme", "afterwards"), NOW)
    await marks.close()
    again = await opened(folder)
    assert again.takes("acme", "afterwards", NOW - 1)
    await again.close()
    return again


def _crashing(folder: Path, last: int) -> tuple[list[str], int]:
    """What a fork said before it ended at its `last`-th call, and its exit status: 0 where there were fewer calls."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        say, count = os.write, 0

        def breaking(name: str) -> None:
            real = getattr(os, name)

            def call(*arguments: object, **options: object) -> object:
                nonlocal count
                count += 1
                if count == last:
                    if name == "write":
                        descriptor, data = arguments
                        real(descriptor, bytes(data)[: len(bytes(data)) // 2])  # type: ignore[call-overload]
                    os._exit(7)
                return real(*arguments, **options)

            setattr(os, name, call)

        for name in ("open", "write", "fsync", "ftruncate", "close", "replace", "mkdir"):
            breaking(name)
        file = MarksFile(folder, clock)
        for number in range(3):
            file.append([Mark("acme", f"s{number}", NOW, NOW), Mark("acme", "gone", NOW - KEPT_S, NOW)])
            say(there, f"s{number} ".encode())
            file.tidy()
        os._exit(0)
    os.close(there)
    with os.fdopen(here) as pipe:
        acknowledged = pipe.read().split()
    return acknowledged, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    redis_server.clear()
    store = RedisStore.of(redis_server.url)
    await store.begin()
    yield store
    await store.close()


async def machine(folder: Path, store: RedisStore, seal: Seal = SEAL) -> Marks:
    marks = Marks(folder, now=clock, store=store.namespaced("cache"), seal=seal)
    await marks.start()
    return marks


async def test_another_machine_hears_of_it_and_remembers(tmp_path: Path, redis: RedisStore) -> None:
    """With one store, a purge is news on every machine, holds in its other processes, and after the store was lost."""
    one, two = await machine(tmp_path / "1", redis), await machine(tmp_path / "2", redis)
    await one.add(Purge("acme", "s1"), NOW)
    # What a clock that is ahead has stamped goes as well: of a whole purge everything that is there.
    assert await two.new() == [Purge("acme", "s1", math.inf)]
    assert await two.new() == []
    assert await one.new() == []
    await one.add(Purge("acme", "s2", NOW - 60), NOW)
    assert await two.new() == [Purge("acme", "s2", NOW - 60)]
    beside = await opened(tmp_path / "2")
    assert beside.takes("acme", "s1", NOW - 1)
    assert beside.takes("acme", "s2", NOW - 61)
    for marks in (one, two, beside):
        await marks.close()


async def test_a_list_that_is_lost_is_told_again(tmp_path: Path, redis: RedisStore, redis_server: RedisServer) -> None:
    """A server that comes back empty, or a list that somebody deleted: machines that come later hear of it all the same."""
    one = await machine(tmp_path / "1", redis)
    await one.add(Purge("acme"), NOW)
    await one.new()
    redis_server.clear()
    await one.new()
    late = await machine(tmp_path / "3", redis)
    assert late.takes("acme", "", NOW - 1)
    for marks in (one, late):
        await marks.close()


async def test_a_store_that_does_not_answer_is_told_later(tmp_path: Path) -> None:
    """Whoever purges is told that others do not know; they do as soon as the store is back, and nothing is told twice."""
    server = RedisServer()
    server.start()
    store = RedisStore.of(server.url)
    await store.begin()
    try:
        one, two = await machine(tmp_path / "1", store), await machine(tmp_path / "2", store)
        server.hang()
        with pytest.raises(StoreError):
            await one.add(Purge("acme", "s1"), NOW)
        assert one.takes("acme", "s1", NOW - 1)
        assert await one.new() == []
        server.go_on()
        async with asyncio.timeout(60):
            while not two.takes("acme", "s1", NOW - 1):
                await one.new()
                await two.new()
                await asyncio.sleep(0.05)
        with server.client() as client:
            (key,) = client.keys("*purges")
            assert client.llen(key) == 1
        again = await opened(tmp_path / "1")
        assert again.takes("acme", "s1", NOW - 1)
        for marks in (one, two, again):
            await marks.close()
    finally:
        await store.close()
        server.stop()


async def test_a_list_that_is_full_loses_no_news(
    tmp_path: Path, redis: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the oldest items go, and the others move up, every new one is read once."""
    monkeypatch.setattr(elsewhere_module, "KEEP", 5)
    one, two = await machine(tmp_path / "1", redis), await machine(tmp_path / "2", redis)
    heard = []
    for number in range(20):
        await one.add(Purge("t", f"s{number}", NOW - 1), NOW)
        if number % 3 == 0:
            heard += await two.new()
    heard += await two.new()
    assert [purge.subject for purge in heard] == [f"s{number}" for number in range(20)]
    for marks in (one, two):
        await marks.close()


async def test_who_writes_in_the_store_cannot_purge_and_who_reads_there_learns_nothing(
    tmp_path: Path, redis: RedisStore, redis_server: RedisServer
) -> None:
    """Items are sealed: foreign, altered and plain ones are counted and passed over, and no name is to be seen."""
    one = await machine(tmp_path / "1", redis)
    foreign = await machine(tmp_path / "9", redis, Seal(b"f" * 32))
    await foreign.add(Purge(""), NOW)
    await one.add(Purge("acme-bank", "subject-digest", NOW - 1), NOW)
    with redis_server.client() as client:
        (key,) = client.keys("*purges")
        last = client.lindex(key, -1)
        assert isinstance(last, bytes)
        client.rpush(key, encode(Mark("", "", NOW, NOW)), b"", b"x" * 12, last[:-1] + b"\x00")
    two = await machine(tmp_path / "2", redis)
    assert two.takes("acme-bank", "subject-digest", NOW - 2)
    assert not two.takes("other", "", NOW - 2)
    assert two.stats() == {"marks": 1, "readable": True, "refused": 5}
    everything = redis_server.everything()
    assert b"acme-bank" not in everything
    assert b"subject-digest" not in everything
    for marks in (one, two, foreign):
        await marks.close()


async def test_calling_off_loses_nothing(tmp_path: Path) -> None:
    """A look that is called off half-way is made up for by the next one."""
    one, two = await opened(tmp_path), await opened(tmp_path)
    for number in range(10):
        await one.add(Purge("t", f"s{number}"), NOW)
        look = asyncio.create_task(two.new())
        await asyncio.sleep(0)
        look.cancel()
        with pytest.raises(asyncio.CancelledError):
            await look
    assert {purge.subject for purge in await two.new()} == {f"s{number}" for number in range(10)}
    for marks in (one, two):
        await marks.close()
