"""What is promised beside records of exchanges: intents before anything leaves, and what happens while the disk fails."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.kit import exchange, saying, step
from tests.plugins.audit.ledgers import (
    EXCHANGE,
    hold_together,
    journal,
    kinds,
    logs,
    metric,
    record,
    records,
    say,
    started,
    until,
)

from yumen.testing import completion
from yumen_plugins.audit import NO_RECEIPT, Audit
from yumen_plugins.audit.config import RouteConfig
from yumen_plugins.audit.entries import decode
from yumen_plugins.audit.log.files import LogFiles
from yumen_plugins.audit.log.journal import frames, journals
from yumen_plugins.audit.reading import LedgerFolder
from yumen_plugins.audit.writer import LedgerUnavailable

RETRY_S = 0.05


class Disk:
    """Makes syncs fail, or take their time, until the test says otherwise; and remembers how far each file was synced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = self.calls = 0
        self.delay_s = 0.0
        self.synced: dict[int, int] = {}
        self._real = os.fdatasync
        monkeypatch.setattr(os, "fdatasync", self._fdatasync)

    def _fdatasync(self, descriptor: int) -> None:
        self.calls += 1
        if self.number:
            raise OSError(self.number, os.strerror(self.number))
        time.sleep(self.delay_s)
        status = os.fstat(descriptor)
        self._real(descriptor)
        self.synced[status.st_ino] = status.st_size


async def recovering(data_dir: Path, **config: Any) -> Audit:
    """The plugin, which tries again soon after a failure."""
    plugin = await started(data_dir, **config)
    plugin._writer._retry_s = RETRY_S
    return plugin


def tear(data_dir: Path) -> None:
    """Leave what a process leaves that dies while it writes."""
    with journal(data_dir).open("ab") as file:
        file.write(b"YMJ1 half a frame")


async def working(plugin: Audit) -> None:
    async with asyncio.timeout(20):
        await plugin._writer.working.wait()


async def test_the_intent_is_on_disk_before_the_engine_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the moment a remote engine is asked, the synced bytes of the journal hold the intent, whatever `ack` says."""
    disk = Disk(monkeypatch)
    plugin = await started(tmp_path, ack="async")
    seen: list[dict[str, Any]] = []

    async def look() -> None:
        for log in logs(tmp_path):
            for _, path in journals(log):
                content = path.read_bytes()[: disk.synced.get(path.stat().st_ino, 0)]
                entries = [entry for one in frames(content) for entry in one.entries]
                seen.extend(one for one in map(decode, entries) if one["kind"] == "intent")

    engine = saying(look, completion("好"))
    outcome = await say(plugin, "hello", subject="ab" * 16, engine=engine, egress="remote")
    (intent,) = seen
    assert (outcome.status, intent["egress"], intent["engine"], intent["sent_form"]) == (200, "remote", "llm", "masked")
    assert (intent["id"], intent["receipt"]) == (
        outcome.exchange.id,
        outcome.exchange.headers["x-audit-receipt"],
    )
    assert intent["sent_bytes"] == len(engine.requests[0].body)
    assert intent["subject"] == "ab" * 16
    await plugin.stop()
    assert kinds(tmp_path) == ["start", "intent", EXCHANGE, "stop"]
    assert "hello" not in str(records(tmp_path, "intent"))


async def test_what_stays_on_this_machine_needs_no_intent(tmp_path: Path) -> None:
    """A local engine is asked without one."""
    await record(tmp_path, ["你好"])
    assert records(tmp_path, "intent") == []


async def test_nothing_leaves_where_the_intent_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine is never asked when the disk fails at the intent, and the caller gets no receipt."""
    disk = Disk(monkeypatch)
    plugin = await recovering(tmp_path)
    await say(plugin)
    disk.number = errno.EIO
    engine = saying(completion("x"))
    outcome = await say(plugin, engine=engine, egress="remote")
    assert (outcome.status, outcome.code, engine.requests) == (503, "ledger_unavailable", [])
    assert outcome.exchange.headers["x-audit-receipt"] == NO_RECEIPT
    disk.number = 0
    await working(plugin)
    await plugin.stop()
    hold_together(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
async def test_a_failing_disk_stops_traffic_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """While the disk fails nothing passes; when it works again the ledger goes on without a restart, and says so."""
    disk = Disk(monkeypatch)
    plugin = await recovering(tmp_path)
    asked = saying(completion("x"))
    assert (await say(plugin, engine=asked)).status == 200
    disk.number = number
    outcome = await say(plugin, engine=asked)
    assert (outcome.status, outcome.code) == (503, "ledger_unavailable")
    assert outcome.exchange.headers["x-audit-receipt"] == NO_RECEIPT
    before = len(asked.requests)
    assert (await say(plugin, engine=asked)).code == "ledger_unavailable"
    assert len(asked.requests) == before
    assert os.strerror(number) in await plugin.ready()
    disk.number = 0
    await working(plugin)
    assert await plugin.ready() == ""
    assert (await say(plugin, engine=asked)).status == 200
    await plugin.stop()
    assert kinds(tmp_path) == ["start", EXCHANGE, "recovery", "failure", EXCHANGE, "stop"]
    (failure,) = records(tmp_path, "failure")
    assert os.strerror(number) in failure["note"]
    hold_together(tmp_path)


async def test_one_failure_is_recorded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two things that fail by the same broken disk are one failure, and what was cut before is not said again."""
    await record(tmp_path, ["one"])
    tear(tmp_path)
    disk = Disk(monkeypatch)
    plugin = await recovering(tmp_path)
    assert len(records(tmp_path, "recovery")) == 1
    disk.number = errno.EIO
    caring = asyncio.create_task(
        plugin._writer.with_folder(lambda folder: folder.say("forever", {"kind": "checkpoint"}))
    )
    writing = asyncio.create_task(say(plugin))
    with pytest.raises(OSError, match="error"):
        await caring
    assert (await writing).code == "ledger_unavailable"
    disk.number = 0
    await working(plugin)
    await asyncio.sleep(RETRY_S * 4)  # a second try would come by now
    await plugin.stop()
    assert len(records(tmp_path, "failure")) == 1
    assert len(records(tmp_path, "recovery")) == 2
    hold_together(tmp_path)


async def test_exchanges_may_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `wait` the next exchange goes on once the disk works, or is refused where that lasts too long."""
    disk = Disk(monkeypatch)
    plugin = await recovering(tmp_path, when_unavailable="wait", wait_ms=60)
    await say(plugin)
    disk.number = errno.ENOSPC
    await say(plugin)
    engine = saying(completion("x"))
    began = time.monotonic()
    assert (await say(plugin, engine=engine)).code == "ledger_unavailable"
    assert time.monotonic() - began >= 0.06
    assert engine.requests == []
    plugin.config = type(plugin.config)(when_unavailable="wait", wait_ms=20_000)
    waiting = asyncio.create_task(say(plugin, "等一下"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    disk.number = 0
    assert (await waiting).status == 200
    await plugin.stop()
    assert len(records(tmp_path, EXCHANGE)) == 2
    hold_together(tmp_path)


async def test_what_was_acknowledged_early_and_lost_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A route that does not wait for the disk loses records when it fails: they are counted, never passed over."""
    disk = Disk(monkeypatch)
    plugin = await recovering(tmp_path, routes={"chat": RouteConfig(ack="batch")})
    disk.number = errno.EIO
    await plugin._writer.append({"kind": EXCHANGE, "id": "gone"}, ack="batch")
    await until(lambda: plugin._writer.failure)
    assert metric(plugin, "lost") == 1
    disk.number = 0
    await working(plugin)
    await plugin.stop()
    assert records(tmp_path, EXCHANGE) == []


async def test_readers_never_see_what_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that is written and not yet synced is shown to nobody: another may get its number when the sync fails."""
    disk = Disk(monkeypatch)
    plugin = await recovering(tmp_path)
    await say(plugin)
    reader = LedgerFolder(tmp_path / "ledger")
    (name,) = reader.names()
    calls, disk.delay_s = disk.calls, 0.5
    writing = asyncio.create_task(say(plugin, "二"))
    await until(lambda: disk.calls > calls)
    size = reader.logs()[name]
    assert [one["kind"] for _, one in reader.records(name)] == ["start", EXCHANGE]
    assert LogFiles(tmp_path / "ledger" / name).size == size + 1
    await writing
    disk.delay_s = 0.0
    assert reader.logs()[name] == size + 1
    await plugin.stop()


async def test_a_folder_that_cannot_be_written_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that has become read-only stops traffic like a full one; ending the process then leaves nothing open."""
    plugin = await recovering(tmp_path)
    await say(plugin)

    def write(descriptor: int, data: Any) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    real = os.write
    monkeypatch.setattr(os, "write", write)
    outcome = await say(plugin)
    monkeypatch.setattr(os, "write", real)
    assert (outcome.code, "Read-only" in await plugin.ready()) == ("ledger_unavailable", True)
    await plugin.stop()
    assert plugin._writer._folder.closed
    assert not plugin._writer._thread.is_alive()
    hold_together(tmp_path)


async def test_a_last_record_that_cannot_be_written_lets_go_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the end of a process finds that the disk fails, the folder is free for the next one, which goes on."""
    disk = Disk(monkeypatch)
    plugin = await recovering(tmp_path)
    await say(plugin)
    disk.number = errno.EIO
    await plugin.stop()
    disk.number = 0
    assert not plugin._writer._thread.is_alive()
    await record(tmp_path, ["next"])
    assert len(logs(tmp_path)) == 1
    assert len(records(tmp_path, EXCHANGE)) == 2


async def test_a_slow_disk_loses_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync that takes longer than the hook may: the caller gets an error, never a reply that is not on record."""
    disk = Disk(monkeypatch)
    plugin = await recovering(tmp_path)
    await say(plugin)
    disk.delay_s = 0.3
    outcome = await exchange([step(plugin, timeout_ms=100)], saying(completion("late")))
    assert (outcome.status, outcome.code) == (502, "plugin_fault")
    slow = await exchange([step(plugin, timeout_ms=10_000)], saying(completion("慢")))
    assert slow.status == 200
    disk.delay_s = 0.0
    await plugin.stop()
    assert len(records(tmp_path, EXCHANGE)) == 3


async def test_a_journal_that_could_not_be_begun_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new journal whose sync failed may not be what it seems, so it goes; the one before it holds everything."""
    plugin = await recovering(tmp_path, journal_bytes=4096)
    await asyncio.gather(*(plugin._writer.append({"kind": EXCHANGE, "id": str(one)}) for one in range(250)))
    real, begun = os.fdatasync, threading.Event()

    def fdatasync(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith(f"journal/{256:012d}"):
            begun.set()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    with pytest.raises(LedgerUnavailable):
        await asyncio.gather(*(plugin._writer.append({"kind": EXCHANGE, "id": f"x{one}"}) for one in range(9)))
    assert begun.is_set()
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: (_ for _ in ()).throw(OSError(errno.EIO, "")))
    await asyncio.sleep(RETRY_S * 3)
    (log,) = logs(tmp_path)
    assert [first for first, _ in journals(log)] == [0]
    monkeypatch.setattr(os, "fdatasync", real)
    await working(plugin)
    await plugin.stop()
    assert {str(one) for one in range(250)} <= {one["id"] for one in records(tmp_path, EXCHANGE)}
    hold_together(tmp_path)
