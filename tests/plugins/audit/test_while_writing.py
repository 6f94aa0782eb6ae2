"""A ledger that is looked at while it is being written, and what its head covers."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from tests.kit import ScriptedEngine, completion, exchange, step
from tests.plugins.audit.ledgers import ROOT, only_writer, problems, started
from tests.plugins.host import UnitHost

from yumen import Hmac
from yumen_plugins.audit import NO_RECEIPT
from yumen_plugins.audit.chain import decode
from yumen_plugins.audit.verify import verify_writer


def head(data_dir: Path) -> dict[str, Any]:
    return decode((only_writer(data_dir) / "head").read_bytes())


async def test_the_head_covers_every_acknowledged_record(tmp_path: Path) -> None:
    """However fast records come, a tail of acknowledged ones cannot be cut off unseen, also before the gateway stops."""
    plugin = await started(tmp_path)
    for burst in range(4):
        await asyncio.gather(*(plugin._writer.append({"kind": "exchange", "n": number}) for number in range(5)))
        assert head(tmp_path)["seq"] == 2 + 5 * (burst + 1)
    path = next(only_writer(tmp_path).glob("*.log"))
    content = path.read_bytes()
    path.write_bytes(b"".join(content.splitlines(keepends=True)[:-1]))
    assert [wrong.code for wrong in problems(tmp_path)] == ["tail-missing"]
    path.write_bytes(content)
    await plugin.stop()


async def test_verify_beside_a_writing_gateway_raises_no_false_alarm(tmp_path: Path) -> None:
    """Records and segments that come while verify reads are no fault."""
    plugin = await started(tmp_path, segment_bytes=4096)
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            await asyncio.gather(*(plugin._writer.append({"kind": "exchange", "n": number}) for number in range(20)))

    writing = asyncio.create_task(write())
    found = []
    for _ in range(40):
        found += await asyncio.to_thread(problems, tmp_path)
    stop.set()
    await writing
    await plugin.stop()
    assert found == []
    assert problems(tmp_path) == []


async def test_a_line_under_way_is_torn_only_once_nobody_writes_it(tmp_path: Path) -> None:
    """The half of a line at the very end is the running gateway's; without one it is a torn tail."""
    plugin = await started(tmp_path)
    await plugin._writer.append({"kind": "exchange"})
    folder, path = only_writer(tmp_path), next(only_writer(tmp_path).glob("*.log"))
    with path.open("ab") as file:
        file.write(b'{"mac":"00')
    assert problems(tmp_path) == []
    copy = tmp_path / "copy" / folder.name
    copy.mkdir(parents=True)
    for name in (path.name, "head"):
        (copy / name).write_bytes((folder / name).read_bytes())
    mac = Hmac(UnitHost(root=ROOT).secret("ledger"))
    assert [wrong.code for wrong in verify_writer(copy, mac).wrong] == ["torn-tail"]
    await plugin.stop()


async def test_no_receipt_for_what_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply whose record could not be written does not carry a receipt that would find nothing."""
    plugin = await started(tmp_path)

    def fdatasync(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    outcome = await exchange([step(plugin)], ScriptedEngine(completion("x")))
    assert (outcome.code, outcome.exchange.headers["x-audit-receipt"]) == ("ledger_unavailable", NO_RECEIPT)
    monkeypatch.undo()
    await plugin.stop()
