"""The writer: what an acknowledgement means, what shares a sync, and what is too much or too odd to be written."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.kit import exchange, request, saying, step
from tests.plugins.audit.ledgers import (
    EXCHANGE,
    files,
    hold_together,
    kinds,
    logs,
    metric,
    only_writer,
    record,
    records,
    say,
    started,
)

from yumen.testing import chunk
from yumen_plugins.audit.config import RouteConfig
from yumen_plugins.audit.entries import encoded, joined, numbered
from yumen_plugins.audit.log.files import LogFiles
from yumen_plugins.audit.log.tiles import ENTRY_BYTES_MAX
from yumen_plugins.audit.writer import LedgerUnavailable


class Gate:
    """Syncs that wait until the test opens the gate, and are counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open, self._real = threading.Event(), os.fdatasync
        self.syncs = 0
        monkeypatch.setattr(os, "fdatasync", self._fdatasync)

    def _fdatasync(self, descriptor: int) -> None:
        assert self._open.wait(10)
        self.syncs += 1
        self._real(descriptor)

    def open(self) -> None:
        self._open.set()


def bare(number: int = 0, **more: Any) -> dict[str, Any]:
    """A record of which the writer knows no more than that it is one."""
    return {"kind": EXCHANGE, "id": str(number), **more}


@pytest.mark.parametrize("text", ["hello there", "你好，世界"])
async def test_an_exchange_is_recorded_under_its_receipt(tmp_path: Path, text: str) -> None:
    """The record says what happened and holds no raw text where no masking plugin has run."""
    (receipt,) = await record(tmp_path, [text])
    (found,) = records(tmp_path, EXCHANGE)
    assert (found["receipt"], found["outcome"], found["tenant"]) == (receipt, "ok", "tenant")
    assert receipt.startswith(only_writer(tmp_path).name)
    assert not any(text.encode() in content for content in files(tmp_path).values())
    assert kinds(tmp_path) == ["start", EXCHANGE, "stop"]
    hold_together(tmp_path)


async def test_durable_means_synced_and_syncs_are_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told that a record is durable before its sync has returned, and many records share one."""
    plugin = await started(tmp_path)
    gate = Gate(monkeypatch)
    waiting = [plugin._writer.append(bare(number)) for number in range(50)]
    await asyncio.sleep(0.05)
    assert not any(future.done() for future in waiting)
    gate.open()
    await asyncio.gather(*waiting)
    assert gate.syncs < 5
    await plugin.stop()
    hold_together(tmp_path)


async def test_batch_waits_for_the_write_and_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `batch` a record is in the file when it is acknowledged, whatever its sync is doing."""
    plugin = await started(tmp_path)
    gate = Gate(monkeypatch)
    (log,) = logs(tmp_path)
    before = LogFiles(log).size
    async with asyncio.timeout(5):
        await plugin._writer.append(bare(1), ack="batch")
    assert LogFiles(log).size == before + 1
    assert gate.syncs == 0
    gate.open()
    await plugin.stop()
    assert [one["id"] for one in records(tmp_path, EXCHANGE)] == ["1"]


async def test_async_waits_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `async` a record is acknowledged at once, and is written all the same."""
    plugin = await started(tmp_path)
    gate = Gate(monkeypatch)
    futures = [plugin._writer.append(bare(number), ack="async") for number in range(3)]
    assert all(future.done() for future in futures)
    gate.open()
    await plugin.stop()
    assert [one["id"] for one in records(tmp_path, EXCHANGE)] == ["0", "1", "2"]


async def test_a_durable_record_is_not_told_early_beside_a_hasty_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one batch with records of other routes, each waits for what its own route says."""
    plugin = await started(tmp_path)
    gate = Gate(monkeypatch)
    durable = plugin._writer.append(bare(0))
    hasty = plugin._writer.append(bare(1), ack="batch")
    await asyncio.wait_for(hasty, 5)
    await asyncio.sleep(0.05)
    assert not durable.done()
    gate.open()
    await durable
    await plugin.stop()


async def test_the_route_says_what_its_replies_wait_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply of a route with `batch` comes while the disk still syncs; the default would have waited."""
    plugin = await started(tmp_path, routes={"chat": RouteConfig(ack="batch")})
    await say(plugin, "first", subject="")  # makes the tenant's key, which is synced too
    await plugin._writer.with_folder(lambda folder: None)  # its own sync comes behind its reply
    gate = Gate(monkeypatch)
    async with asyncio.timeout(5):
        assert (await say(plugin, "二", subject="")).status == 200
    assert gate.syncs == 0
    gate.open()
    await plugin.stop()
    assert len(records(tmp_path, EXCHANGE)) == 2


async def test_the_queue_is_bounded(tmp_path: Path) -> None:
    """More records than may wait are refused, not kept in memory."""
    plugin = await started(tmp_path, queue_records=3)
    futures = [plugin._writer.append(bare(number)) for number in range(3)]
    with pytest.raises(LedgerUnavailable, match="too many"):
        plugin._writer.append(bare(3))
    await asyncio.gather(*futures)
    assert metric(plugin, "refused") == 1
    await plugin.stop()
    assert len(records(tmp_path, EXCHANGE)) == 3


async def test_each_time_that_records_are_kept_has_a_log(tmp_path: Path) -> None:
    """Routes with other days have other logs; each begins with a start of its own, and numbers its records itself."""
    plugin = await started(tmp_path, keep_days=30, routes={"chat": RouteConfig(keep_days=183)})
    await say(plugin)
    await plugin.stop()
    assert [log.name for log in logs(tmp_path)] == ["forever", "keep-183d"]
    assert kinds(tmp_path) == ["start", "stop"]
    assert kinds(tmp_path, "keep-183d") == ["start", EXCHANGE, "stop"]
    names = {one["log"] for one in records(tmp_path, "start")}
    assert names == {f"{only_writer(tmp_path).name}/{log.name}" for log in logs(tmp_path)}
    hold_together(tmp_path)


@pytest.mark.parametrize("size", [65_000, 100_000, 300_000])
async def test_a_large_record_stands_in_parts(tmp_path: Path, size: int) -> None:
    """A text of many pages is read as it was said, from entries that are no longer than the format allows."""
    plugin = await started(tmp_path, text_chars_max=1 << 20)
    text = "会议纪要，" * (size // 15)
    await say(plugin, text, subject="")
    await say(plugin, "short", subject="")
    await plugin.stop()
    (log,) = logs(tmp_path)
    assert max(len(entry) for _, entry in LogFiles(log).entries()) <= ENTRY_BYTES_MAX
    found, short = records(tmp_path, EXCHANGE, texts=True)
    assert found["request"][-1]["text"] == text
    assert short["request"][-1]["text"] == "short"
    assert "part" not in {one["kind"] for one in records(tmp_path)}
    hold_together(tmp_path)


async def test_findings_overflow_into_parts(tmp_path: Path) -> None:
    """Lists that are long together come back whole and in order; their neighbours are not touched."""
    plugin = await started(tmp_path)
    findings = [{"rule": f"规则.{number}", "path": "messages[0].content" + "x" * 900} for number in range(256)]
    writing = [
        plugin._writer.append(bare(number, **({"findings": findings} if number == 1 else {}))) for number in range(3)
    ]
    await asyncio.gather(*writing)
    await plugin.stop()
    assert [one.get("findings") for one in records(tmp_path, EXCHANGE)] == [None, findings, None]


@pytest.mark.parametrize(
    "body", [bare(odd=object()), bare(odd="\ud800"), bare(path="x" * 70_000)], ids=["type", "surrogate", "too large"]
)
async def test_what_cannot_be_encoded_is_refused_alone(tmp_path: Path, body: dict[str, Any]) -> None:
    """One record that cannot be written fails its own exchange, and no other in the same batch."""
    plugin = await started(tmp_path)
    good = [plugin._writer.append(bare(number)) for number in range(2)]
    with pytest.raises(LedgerUnavailable, match="cannot be encoded"):
        plugin._writer.append(body)
    await asyncio.gather(*good, plugin._writer.append(bare(2)))
    assert await plugin.ready() == ""
    await plugin.stop()
    assert [one["id"] for one in records(tmp_path, EXCHANGE)] == ["0", "1", "2"]


def test_a_record_that_no_frame_could_hold_is_refused() -> None:
    """What would be written and never read again, being longer than a frame may be, is not written."""
    with pytest.raises(ValueError, match="too large"):
        encoded(bare(reply=["x" * (48 << 20)]))
    pieces = encoded(bare(reply=["x" * (40 << 20)]))
    ((_, whole),) = joined(enumerate(numbered(0, pieces)))
    assert len(whole["reply"][0]) == 40 << 20


async def test_stop_writes_what_is_queued(tmp_path: Path) -> None:
    """Whatever waits when the process is told to end is written before its last record, and nothing is taken behind it."""
    plugin = await started(tmp_path)
    futures = [plugin._writer.append(bare(number), ack="async" if number % 2 else "durable") for number in range(400)]
    await plugin.stop()
    assert all(future.done() and future.exception() is None for future in futures)
    assert [one["id"] for one in records(tmp_path, EXCHANGE)] == [str(number) for number in range(400)]
    assert kinds(tmp_path)[-1] == "stop"
    with pytest.raises(LedgerUnavailable, match="closing"):
        plugin._writer.append(bare())


async def test_hostile_names_do_not_break_a_record(tmp_path: Path) -> None:
    """A stream with odd texts and a caller's own member names is recorded, and names no member."""
    plugin = await started(tmp_path)
    events = [chunk("\u2028\x07'\"\\"), chunk(finish="stop")]
    body = request("x\u0000y", stream=True, **{"电话13812345678": {"\n": "v"}})
    await exchange([step(plugin)], saying(*events), body)
    await plugin.stop()
    assert len(records(tmp_path, EXCHANGE)) == 1
    assert "13812345678" not in str(records(tmp_path))
    hold_together(tmp_path)
