"""A disk that is really full, in a file system of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.plugins.audit.ledgers import EXCHANGE, hold_together, host, records, started

from yumen import CannotStart
from yumen_plugins.audit import writer
from yumen_plugins.audit.writer import LedgerUnavailable

SIZE = "256k"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A ledger's folder on a disk of 256 kB, below a data directory that has room."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    host(tmp_path / "data")
    folder = tmp_path / "data" / "ledger"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("journal_bytes", [4096, 1 << 20])
async def test_a_full_disk_loses_nothing_that_was_acknowledged(
    small: Path, journal_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing until nothing more fits, in the journal or in bundles; with room again it goes on, and all of it is there."""
    monkeypatch.setattr(writer, "RETRY_FIRST_S", 0.05)
    monkeypatch.setattr(writer, "RETRY_MOST_S", 0.1)
    data_dir = small.parent
    ballast = small / "ballast"
    ballast.write_bytes(bytes(64 << 10))
    plugin = await started(data_dir, journal_bytes=journal_bytes)
    told: list[str] = []

    async def write(count: int) -> None:
        for _ in range(count):
            name = f"{len(told)}"
            await plugin._writer.append({"kind": EXCHANGE, "id": name, "pad": "填" * 300})
            told.append(name)

    with pytest.raises(LedgerUnavailable):
        await write(1000)
    assert "No space left" in await plugin.ready()
    assert len(told) > 30
    # What was cut may leave room for a word about it, and soon the disk is full again.
    for _ in range(10):
        await asyncio.sleep(0.05)
        with contextlib.suppress(LedgerUnavailable):
            await write(10)
    ballast.unlink()
    async with asyncio.timeout(30):
        await plugin._writer.working.wait()
    await write(10)
    await plugin.stop()
    assert [one["id"] for one in records(data_dir, EXCHANGE)] == told
    assert len(records(data_dir, "failure")) >= 1
    hold_together(data_dir)


async def test_a_process_that_starts_on_a_full_disk_says_so(small: Path) -> None:
    """It refuses to start instead of serving unrecorded, and goes on where there is room again."""
    data_dir = small.parent
    ballast = small / "ballast"
    with ballast.open("wb") as file, pytest.raises(OSError, match="No space"):
        file.write(bytes(1 << 20))
    with pytest.raises(CannotStart, match="No space left"):
        await started(data_dir)
    ballast.unlink()
    plugin = await started(data_dir)
    await plugin.stop()
    assert [one["kind"] for one in records(data_dir)] == ["start", "stop"]
