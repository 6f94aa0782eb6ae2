"""What is done to the gateway itself stands in the ledger like an exchange: durable, sealed, and shown."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.plugins.audit.ledgers import (
    OPERATION,
    hold_together,
    host,
    kinds,
    logs,
    problems,
    record,
    records,
    started,
    yumen_audit,
)

from yumen import Operation
from yumen_plugins.audit.record import moment
from yumen_plugins.audit.writer import LedgerUnavailable

REPO = Path(__file__).parents[3]
DETAILS = {"old": "35" * 32, "new": "95" * 32}
# Behind the moment at which tests make the first key.
AT = int(time.time()) + 3600.5
RELOADED = Operation(kind="policy_reloaded", actor="k62ee510ea0", at=AT, details=DETAILS)


async def test_an_operation_is_recorded_and_shown(tmp_path: Path) -> None:
    """Who did what and when: the record holds it, verify counts it, and show prints it."""
    plugin = await started(tmp_path)
    await plugin.on_operation(RELOADED)
    await plugin.stop()
    assert problems(tmp_path) == []
    (found,) = records(tmp_path, OPERATION)
    assert {name: found[name] for name in ("time", "operation", "actor", "details")} == {
        "time": moment(AT),
        "operation": "policy_reloaded",
        "actor": "k62ee510ea0",
        "details": DETAILS,
    }
    assert json.loads(yumen_audit(tmp_path, "show", "--operations", "--json").stdout) == found
    (log,) = json.loads(yumen_audit(tmp_path, "verify", "--json").stdout)["logs"]
    assert (log["kinds"].get("operation"), log["kinds"].get("exchange")) == (1, None)
    shown = yumen_audit(tmp_path, "show", "--operations")
    assert all(word in shown.stdout for word in ("policy_reloaded", "k62ee510ea0", f"new={DETAILS['new']}"))
    assert yumen_audit(tmp_path, "show").exit_code == 1


async def test_an_operation_is_done_when_it_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told that an operation is on record before its sync has returned."""
    plugin = await started(tmp_path)
    gate, real = threading.Event(), os.fdatasync

    def fdatasync(descriptor: int) -> None:
        gate.wait(5)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    writing = asyncio.create_task(plugin.on_operation(RELOADED))
    await asyncio.sleep(0.05)
    assert not writing.done()
    gate.set()
    await writing
    await plugin.stop()


async def test_an_operation_that_cannot_be_recorded_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever does something to the gateway learns that the ledger did not take it, as long as that lasts and no longer."""
    plugin = await started(tmp_path)
    plugin._writer._retry_s = 0.05

    def fdatasync(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            await plugin.on_operation(RELOADED)
    monkeypatch.undo()
    for _ in range(100):
        await asyncio.sleep(0.02)
        if not await plugin.ready():
            break
    await plugin.on_operation(RELOADED)
    await plugin.stop()
    hold_together(tmp_path)
    assert len(records(tmp_path, OPERATION)) == 1


CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.plugins.audit.ledgers import started
from tests.plugins.audit.test_operations import RELOADED

async def main():
    plugin = await started(Path(sys.argv[1]))
    await plugin.on_operation(RELOADED)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_an_operation_survives_a_crash(tmp_path: Path) -> None:
    """A process that is killed right behind it, half a line under way, has recorded it; the next one goes on from there."""
    host(tmp_path)
    child = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], cwd=REPO, capture_output=True)
    assert child.returncode == -signal.SIGKILL, child.stderr
    with next(logs(tmp_path)[0].glob("journal/*")).open("ab") as file:
        file.write(b"YMJ1 half a frame")
    asyncio.run(record(tmp_path, ["你好"]))
    assert problems(tmp_path) == []
    assert kinds(tmp_path) == ["start", "operation", "recovery", "start", "exchange", "stop"]


async def test_a_changed_operation_is_noticed(tmp_path: Path) -> None:
    """Nobody can write another name over who reloaded the policy."""
    plugin = await started(tmp_path)
    await plugin.on_operation(RELOADED)
    await plugin.stop()
    (path,) = logs(tmp_path)[0].glob("journal/*")
    path.write_bytes(path.read_bytes().replace(b"k62ee510ea0", b"k62ee510ea1"))
    assert any("changed" in wrong for wrong in problems(tmp_path))


async def test_each_operation_has_a_receipt(tmp_path: Path) -> None:
    """Whoever did something gets what the record can be found by; another gateway's would be another one."""
    plugin = await started(tmp_path)
    receipts = [await plugin.note(RELOADED) for _ in range(2)]
    await plugin.stop()
    found = records(tmp_path, OPERATION)
    assert [one["receipt"] for one in found] == receipts
    assert len({one["id"] for one in found}) == 2
    assert [plugin.receipt(one["id"]) for one in found] == receipts
