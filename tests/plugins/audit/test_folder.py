"""A writer's folder: which one a process takes, and what it makes of what it finds there."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from tests.plugins.audit.ledgers import (
    EXCHANGE,
    hold_together,
    host,
    kinds,
    logs,
    only_writer,
    problems,
    record,
    records,
    say,
    started,
)

from yumen import CannotStart
from yumen_plugins.audit.folder import WriterFolder, days_of, keep_of, writer_folders
from yumen_plugins.audit.locks import is_open
from yumen_plugins.audit.log.journal import journals
from yumen_plugins.audit.signing import FILE, KEYS, Signing

WRITERS, ROUNDS = 4, 20
TIME = "2026-11-24T23:26:19.000000Z"


async def test_a_restart_goes_on_with_the_log(tmp_path: Path) -> None:
    """A new process takes the same folder, continues its numbers, and says that it began."""
    await record(tmp_path, ["one"])
    await record(tmp_path, ["二"])
    assert kinds(tmp_path) == ["start", EXCHANGE, "stop", "start", EXCHANGE, "stop"]
    assert [one["seq"] for one in records(tmp_path)] == list(range(6))
    assert {one["version"] for one in records(tmp_path, "start")} == {2}
    hold_together(tmp_path)


async def test_two_processes_have_two_folders(tmp_path: Path) -> None:
    """A writer's folder is locked: whoever comes second gets one of its own, and receipts say whose they are."""
    first, second = await started(tmp_path), await started(tmp_path)
    folders = writer_folders(tmp_path / "ledger")
    assert len(folders) == 2
    assert all(is_open(folder) for folder in folders)
    outcomes = [await say(plugin) for plugin in (first, second)]
    named = {outcome.exchange.headers["x-audit-receipt"].partition(".")[0] for outcome in outcomes}
    assert named == {folder.name for folder in folders}
    await first.stop()
    await second.stop()
    assert not any(is_open(folder) for folder in folders)
    assert problems(tmp_path) == []


def test_writers_that_start_at_once_each_get_a_folder(tmp_path: Path) -> None:
    """A writer that sees another's new folder before it is locked may take it; the other then makes one more."""
    together = Barrier(WRITERS)

    def take(data_dir: Path) -> Path:
        signing = Signing.open(data_dir, data_dir / "ledger", lambda: TIME)
        together.wait(30)
        return WriterFolder.take(data_dir / "ledger", signing, time.time, "test").path

    with ThreadPoolExecutor(WRITERS) as pool:
        for number in range(ROUNDS):
            data_dir = tmp_path / str(number)
            assert len(set(pool.map(take, [data_dir] * WRITERS))) == WRITERS


async def test_a_torn_tail_is_cut_and_recorded(tmp_path: Path) -> None:
    """Half a frame at the very end, as a crash leaves it, is cut at the next start, which is recorded with its digest."""
    await record(tmp_path, ["one"])
    torn = b"YMJ1\0\0\1\0half of a frame"
    with journals(logs(tmp_path)[0])[-1][1].open("ab") as file:
        file.write(torn)
    await record(tmp_path, ["two"])
    (recovery,) = records(tmp_path, "recovery")
    assert (recovery["cut_bytes"], recovery["cut_sha256"]) == (len(torn), hashlib.sha256(torn).hexdigest())
    assert kinds(tmp_path)[3:5] == ["recovery", "start"]
    assert problems(tmp_path) == []


@pytest.mark.parametrize("what", ["flipped", "tail", "head", "no journal", "other log"])
async def test_what_does_not_hold_is_left_for_the_auditor(tmp_path: Path, what: str) -> None:
    """A log that was changed stays as it is: the process takes another folder, and its first record says why."""
    await record(tmp_path, ["one", "二"])
    (log,) = logs(tmp_path)
    (path,) = log.glob("journal/*")
    content = path.read_bytes()
    if what == "flipped":
        path.write_bytes(content.replace(b'"ok"', b'"OK"', 1))
    elif what == "tail":
        os.truncate(path, len(content) - 100)
    elif what == "head":
        (log / "head").write_bytes(b" " * 512)
    elif what == "no journal":
        path.unlink()
    else:
        shutil.copytree(log, log.with_name("keep-30d"))
    before = {one: one.read_bytes() for one in log.parent.rglob("*") if one.is_file()}
    (receipt,) = await record(tmp_path, ["three"])
    assert {one: one.read_bytes() for one in before} == before
    new = next(folder for folder in writer_folders(tmp_path / "ledger") if folder != log.parent)
    assert receipt.startswith(new.name)
    first = next(one for one in records(tmp_path, "start") if one["log"] == f"{new.name}/forever" and one["seq"] == 0)
    assert log.parent.name in first["broken"][0]
    assert problems(tmp_path)


async def test_a_ledger_that_cannot_be_made_refuses_to_start(tmp_path: Path) -> None:
    """Where the ledger's folder cannot be, the plugin says what to do instead of starting."""
    (tmp_path / "ledger").write_text("in the way")
    with pytest.raises(CannotStart, match=r"cannot (write|use)"):
        await started(tmp_path)


@pytest.mark.parametrize("gone", [FILE, KEYS, f"{KEYS}/1.note"])
async def test_a_key_that_is_gone_is_not_made_anew(tmp_path: Path, gone: str) -> None:
    """Where keys or their statements were taken away, another history does not begin silently: starting is refused."""
    await record(tmp_path, ["one"])
    path = tmp_path / gone if gone == FILE else tmp_path / "ledger" / gone
    path.rename(tmp_path / "taken away")
    with pytest.raises(CannotStart, match="restore"):
        await started(tmp_path)
    (tmp_path / "taken away").rename(path)
    await record(tmp_path, ["two"])
    assert len(writer_folders(tmp_path / "ledger")) == 1


async def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Nobody but the gateway's own user can read the keys or walk into the ledger."""
    await record(tmp_path, ["one"])
    for name in ("signing.json", "subjects.sqlite"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0, name
    for folder in (tmp_path / "ledger", only_writer(tmp_path), *logs(tmp_path)):
        assert folder.stat().st_mode & 0o077 == 0, folder


@pytest.mark.parametrize("days", [0, 1, 183, 36_525])
def test_a_log_is_named_by_its_days(days: int) -> None:
    """The name says how long records are kept, and nothing else is taken for one."""
    assert days_of(keep_of(days)) == days
    for name in ("keep-0d", "keep-007d", "keep-d", "keep-1234567d", "FOREVER", "keep-3d/"):
        with pytest.raises(ValueError, match="no name"):
            days_of(name)


async def test_a_log_that_breaks_while_it_is_written_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where, after a failure, the disk holds something else than was written, the process goes on in another folder."""
    plugin = await started(host(tmp_path))
    plugin._writer._retry_s = 0.05
    await say(plugin)
    (log,) = logs(tmp_path)
    (path,) = log.glob("journal/*")
    path.write_bytes(path.read_bytes().replace(b'"ok"', b'"OK"', 1))
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: (_ for _ in ()).throw(OSError(5, "")))
    assert (await say(plugin)).code == "ledger_unavailable"
    monkeypatch.undo()
    async with asyncio.timeout(20):
        await plugin._writer.working.wait()
    assert (await say(plugin, "还在")).status == 200
    await plugin.stop()
    assert len(writer_folders(tmp_path / "ledger")) == 2
    assert any(log.parent.name in str(one.get("broken")) for one in records(tmp_path, "start"))
