"""What goes on beside the writer keeps no exchange waiting, and what was begun there is done to its end."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.audit.ledgers import (
    EXCHANGE,
    OPERATION,
    LedgerHost,
    call,
    host,
    keyring,
    problems,
    records,
    say,
    started,
    until,
    yumen_audit,
)

from yumen import Erasure, Operation
from yumen_plugins.audit import Audit, LedgerUnavailable, companions, operating, writer
from yumen_plugins.audit.config import RouteConfig
from yumen_plugins.audit.searching import Carried, Search

WHO = "用户 17"


@pytest.fixture
def where(tmp_path: Path) -> LedgerHost:
    return host(tmp_path, live=True)


@pytest.fixture
async def plugin(where: LedgerHost) -> AsyncIterator[Audit]:
    """The plugin with everything beside it, and one exchange about somebody."""
    found = await started(where)
    await say(found, "你好", subject=where.subject_id("tenant", WHO))
    yield found
    await found.stop()


def search_of(plugin: Audit) -> Search:
    assert plugin._companions is not None
    return plugin._companions.search


async def shown(plugin: Audit) -> dict[str, Any]:
    answer = await plugin.inspect({"kind": EXCHANGE})
    assert isinstance(answer, dict)
    return answer


async def test_whoever_waits_for_the_index_keeps_no_exchange_waiting(
    plugin: Audit, where: LedgerHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the index is made anew, operators who ask again and again get what there is, and exchanges pass."""
    monkeypatch.setattr(operating, "CATCH_UP_S", 0.05)
    turn = search_of(plugin)._turn
    assert turn.acquire(timeout=5)
    try:
        asking = [asyncio.create_task(shown(plugin)) for _ in range(64)]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            # Both need a thread: a key is made, and erasures are looked for.
            outcome = await say(plugin, "hello", subject=where.subject_id("tenant", "somebody new"))
            answers = await asyncio.gather(*asking)
    finally:
        turn.release()
    assert outcome.status == 200
    assert {answer["complete"] for answer in answers} == {False}
    monkeypatch.setattr(operating, "CATCH_UP_S", 30.0)
    answer = await shown(plugin)
    assert (answer["complete"], len(answer["records"])) == (True, 2)


async def test_an_erasure_is_recorded_whether_or_not_its_operator_waits(plugin: Audit, where: LedgerHost) -> None:
    """Who asks for it may leave, or be told that it takes too long: the key goes, others forget, and both are on record."""
    with closing(sqlite3.connect(where.data_dir / "subjects.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await plugin.operate(call("erase", tenant="tenant", subject=WHO))
        other.execute("ROLLBACK")
    await until(lambda: len(records(where.data_dir, OPERATION)) >= 2)
    assert [one["operation"] for one in records(where.data_dir, OPERATION)] == ["subject_erased", "subject_forgotten"]
    assert where.told == [Erasure("tenant", where.subject_id("tenant", WHO))]


async def test_what_cannot_be_recorded_is_forgotten_all_the_same(plugin: Audit, where: LedgerHost) -> None:
    """Once a key is destroyed the other plugins forget, also while the ledger cannot say so."""
    plugin._writer.failure = "the ledger cannot be written: no disk"
    with pytest.raises(LedgerUnavailable):
        await plugin.operate(call("erase", tenant="tenant", subject=WHO))
    plugin._writer.failure = ""
    assert where.told == [Erasure("tenant", where.subject_id("tenant", WHO))]


async def test_keys_that_cannot_be_used_are_said_to_be_that(plugin: Audit, where: LedgerHost) -> None:
    """An operator is not told that a plugin failed, and nothing is erased."""
    path = where.data_dir / "subjects.sqlite"
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(LedgerUnavailable, match="keys of subjects"):
        await plugin.operate(call("erase", tenant="tenant", subject=WHO))
    path.with_name("elsewhere").rename(path)
    assert where.told == []


async def test_a_page_of_whole_records_is_bounded(plugin: Audit) -> None:
    """Records may be large, so nobody has a gateway make a page of a thousand of them."""
    with pytest.raises(ValueError, match="limit"):
        await plugin.inspect({"full": "true", "limit": "501"})


@pytest.mark.parametrize("file", ["subjects.sqlite", "index/ledger.sqlite"])
async def test_starting_keeps_no_loop_waiting(where: LedgerHost, file: str) -> None:
    """A gateway that serves loads another policy: files that others are just writing to are waited for in a thread."""
    path = where.data_dir / file
    path.parent.mkdir(exist_ok=True)
    held_s, longest_s = 0.6, 0.0
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(held_s, other.execute, ("ROLLBACK",)).start()
    starting = asyncio.create_task(started(where))
    began = time.monotonic()
    while not starting.done():
        before = time.monotonic()
        await asyncio.sleep(0.005)
        longest_s = max(longest_s, time.monotonic() - before)
    took_s = time.monotonic() - began
    plugin = await starting
    await plugin.stop()
    other.close()
    assert took_s >= held_s * 0.8
    assert longest_s < held_s * 0.8


async def test_what_fails_beside_the_writer_is_tried_again_and_the_ledger_closes_in_order(
    where: LedgerHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with an index, the next look is another try, and the last record is the stop."""
    tries: list[float] = []

    def failing(search: Search) -> int:
        tries.append(time.monotonic())
        raise RuntimeError("something that nobody thought of")

    monkeypatch.setattr(companions, "INDEX_S", 0.02)
    monkeypatch.setattr(Search, "catch_up_some", failing)
    plugin = await started(where)
    await until(lambda: len(tries) >= 3)
    await plugin.stop()
    assert records(where.data_dir)[-1]["kind"] == "stop"


async def test_missed_erasures_do_not_hold_up_new_ones(tmp_path: Path) -> None:
    """However much other plugins are told again at a start, somebody who is erased now is forgotten within a second."""
    keys = keyring(tmp_path)
    for number in range(60):
        keys.get_or_create("tenant", f"{number:032x}")
        keys.erase("tenant", f"{number:032x}", "cli")
    slow = Slow(tmp_path, live=True)
    (tmp_path / "secret").write_bytes(b"s" * 32)
    plugin = await started(slow)
    try:
        await asyncio.sleep(0.2)
        keys.erase("tenant", "f" * 32, "cli")
        await until(lambda: Erasure("tenant", "f" * 32) in slow.told, seconds=2)
        assert len(slow.told) < 60
    finally:
        await plugin.stop()
        keys.close()


class Slow(LedgerHost):
    """A host whose other plugins take their time to forget."""

    async def erase(self, erasure: Erasure) -> dict[str, int]:
        await asyncio.sleep(0.1)
        return await super().erase(erasure)


async def test_a_busy_log_does_not_keep_sinks_from_the_others(where: LedgerHost) -> None:
    """What is furthest behind is carried first."""
    plugin = await started(where, routes={"chat": RouteConfig(keep_days=30)})
    for number in range(20):
        await say(plugin, f"第 {number} 句")
    await plugin.stop()
    carried = Carried(where.data_dir / "ledger")
    sizes = carried.sizes()
    few, many = sorted(sizes, key=lambda log: sizes[log])
    behind = {few: 0, many: sizes[many] - 1}
    assert {item.log for item in carried.read(behind, 1)} == {few}
    assert {item.log for item in carried.read({few: sizes[few] - 1, many: 0}, 1)} == {many}


@pytest.mark.parametrize(("ahead_s", "codes"), [(0.0, []), (60.0, ["old-key"])])
async def test_a_gateway_that_runs_has_a_moment_to_take_up_a_key(
    where: LedgerHost, monkeypatch: pytest.MonkeyPatch, ahead_s: float, codes: list[str]
) -> None:
    """What is written before it looks at its key again is not wrong; what comes a minute later under the old key is."""
    monkeypatch.setattr(writer, "TICK_S", 600.0)
    plugin = await started(where)
    assert yumen_audit(where.data_dir, "rotate").exit_code == 0
    await plugin.note(Operation(kind="policy_loaded", actor="start", at=time.time() + ahead_s))
    try:
        assert [one.split(": ")[1] for one in problems(where.data_dir)] == codes
    finally:
        await plugin.stop()
