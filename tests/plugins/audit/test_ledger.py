"""The ledger: what is acknowledged is there, and nobody can change it unseen."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.kit import ScriptedEngine, chunk, completion, exchange, request, step
from tests.plugins.audit.ledgers import (
    ROOT,
    host,
    only_writer,
    problems,
    record,
    records,
    segments,
    started,
    yumen_audit,
)

from yumen import CannotStart, Hmac
from yumen_plugins.audit.segment import Folder
from yumen_plugins.audit.verify import verify_writer, writers
from yumen_plugins.audit.writer import LedgerUnavailable

REPO = Path(__file__).parents[3]


@pytest.mark.parametrize("text", ["hello there", "你好，世界"])
async def test_an_exchange_is_recorded_and_found_by_its_receipt(tmp_path: Path, text: str) -> None:
    """The receipt alone finds the record, which says what happened and holds no raw text."""
    (receipt,) = await record(tmp_path, [text])
    shown = yumen_audit(tmp_path, "show", receipt, "--json")
    assert shown.exit_code == 0
    found = json.loads(shown.stdout)
    assert (found["receipt"], found["outcome"], found["tenant"], found["kind"]) == (receipt, "ok", "tenant", "exchange")
    assert text not in shown.stdout
    assert found["request"][1]["text"].startswith("hmac:")
    assert yumen_audit(tmp_path, "show", "nothing").exit_code == 1
    assert receipt in yumen_audit(tmp_path, "show", receipt).stdout
    assert yumen_audit(tmp_path, "show").exit_code == 0
    assert yumen_audit(tmp_path, "verify").exit_code == 0


@pytest.mark.parametrize("texts", ["masked", "digest", "none"])
async def test_what_is_kept_of_texts(tmp_path: Path, texts: str) -> None:
    """Policy says whether records hold the masked form, digests of it, or lengths only."""
    await record(tmp_path, ["hello"], texts=texts)
    entry = next(one for one in records(tmp_path) if one["kind"] == "exchange")["request"][-1]
    assert entry["chars"] == len("hmac:") + 32
    assert {"text", "digest"} & set(entry) == {"masked": {"text"}, "digest": {"digest"}, "none": set()}[texts]


async def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    """Whichever byte of a segment or of the head is changed, verify says so, and says which record."""
    await record(tmp_path, ["one", "二"])
    for path in [*segments(tmp_path), only_writer(tmp_path) / "head"]:
        content = path.read_bytes()
        for place in range(len(content)):
            path.write_bytes(content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :])
            found = problems(tmp_path)
            assert found, (path.name, place)
        path.write_bytes(content)
    assert problems(tmp_path) == []
    line = segments(tmp_path)[0].read_bytes().splitlines(keepends=True)
    segments(tmp_path)[0].write_bytes(b"".join([*line[:2], line[2].replace(b'"ok"', b'"OK"'), *line[3:]]))
    result = yumen_audit(tmp_path, "verify")
    assert result.exit_code == 2
    assert "00000001.log:3: changed: record 2, exchange" in result.stdout
    assert json.loads(yumen_audit(tmp_path, "verify", "--json").stdout)["ok"] is False


Lines = list[bytes]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], "changed"),
        (lambda lines: [*lines[:2], *lines[3:]], "changed"),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], "changed"),
        (lambda lines: lines[:-1], "tail-missing"),
        (lambda lines: [*lines[:-1], lines[-1][:20]], "torn-tail"),
        (lambda lines: lines[1:], "changed"),
        (lambda lines: [], "tail-missing"),
        (lambda lines: [*lines, b'{"mac":"' + b"0" * 64 + b'","seq":9}\n'], "changed"),
        (lambda lines: [b"\x00\xff junk\n", *lines], "changed"),
        (lambda lines: [*lines, b"x" * 100_000], "torn-tail"),
    ],
)
async def test_moved_dropped_and_added_lines_are_noticed(
    tmp_path: Path, change: Callable[[Lines], Lines], code: str
) -> None:
    """Records cannot be swapped, dropped, doubled, cut off or put in."""
    await record(tmp_path, ["one", "two", "three"])
    path = segments(tmp_path)[0]
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    assert code in {wrong.code for wrong in problems(tmp_path)}
    result = yumen_audit(tmp_path, "verify")
    assert result.exit_code == 2
    assert "junk" not in result.stdout


async def test_segments_rotate_and_cannot_go_missing(tmp_path: Path) -> None:
    """A ledger of many segments holds; one that is gone, or stands in another's place, is noticed."""
    await record(tmp_path, [f"text {number}" for number in range(30)], segment_bytes=4096)
    found = segments(tmp_path)
    assert len(found) > 3
    assert problems(tmp_path) == []
    for gone in (found[0], found[1], found[-1]):
        content = gone.read_bytes()
        gone.unlink()
        assert problems(tmp_path), gone.name
        gone.write_bytes(content)
    first = found[1].read_bytes()
    found[1].write_bytes(found[2].read_bytes())
    assert problems(tmp_path)
    found[1].write_bytes(first)
    (only_writer(tmp_path) / "head").unlink()
    assert [wrong.code for wrong in problems(tmp_path)] == ["head-missing"]


async def test_a_foreign_key_opens_nothing(tmp_path: Path) -> None:
    """Whoever does not have the key can neither verify nor forge."""
    await record(tmp_path, ["one"])
    assert verify_writer(only_writer(tmp_path), Hmac(b"other")).records == 0


async def test_a_restart_goes_on_with_the_chain(tmp_path: Path) -> None:
    """A new process takes the same folder and continues its chain and numbers."""
    await record(tmp_path, ["one"])
    await record(tmp_path, ["two"])
    assert [one["seq"] for one in records(tmp_path)] == list(range(len(records(tmp_path))))
    assert problems(tmp_path) == []


async def test_two_processes_have_two_folders(tmp_path: Path) -> None:
    """A writer's folder is locked: whoever comes second gets one of its own."""
    first, second = await started(tmp_path), await started(tmp_path)
    assert len(writers(tmp_path / "ledger")) == 2
    await first.stop()
    await second.stop()
    assert problems(tmp_path) == []


async def test_a_torn_tail_is_cut_and_recorded(tmp_path: Path) -> None:
    """Half a line at the very end, as a crash leaves it, is cut at the next start, which is recorded with its digest."""
    await record(tmp_path, ["one"])
    torn = b'{"mac":"half of a line'
    with segments(tmp_path)[-1].open("ab") as file:
        file.write(torn)
    await record(tmp_path, ["two"])
    assert problems(tmp_path) == []
    recovery = next(one for one in records(tmp_path) if one["kind"] == "recovery")
    assert (recovery["cut_bytes"], recovery["cut_sha256"]) == (len(torn), hashlib.sha256(torn).hexdigest())


async def test_a_broken_middle_is_left_for_the_auditor(tmp_path: Path) -> None:
    """A changed record is not cut away: the next start records that it is there, and verify goes on reporting it."""
    await record(tmp_path, ["one", "two"])
    path = segments(tmp_path)[0]
    path.write_bytes(path.read_bytes().replace(b'"ok"', b'"OK"', 1))
    size = path.stat().st_size
    await record(tmp_path, ["three"])
    assert path.stat().st_size == size
    assert "changed" in {wrong.code for wrong in problems(tmp_path)}
    assert any("does not hold" in str(one.get("broken")) for one in records(tmp_path))


@pytest.mark.parametrize("number", [28, 5])
async def test_a_failing_disk_stops_traffic_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """While the disk fails nothing passes; when it works again the ledger goes on, says so, and still holds."""
    monkeypatch.setattr("yumen_plugins.audit.writer.RETRY_FIRST_S", 0.05)
    plugin = await started(tmp_path)
    plugin._writer._retry_s = 0.05
    asked = ScriptedEngine(completion("x"))
    assert (await exchange([step(plugin)], asked)).status == 200
    real, broken = os.fdatasync, [True]

    def fdatasync(descriptor: int) -> None:
        if broken[0]:
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    outcome = await exchange([step(plugin)], asked)
    assert (outcome.status, outcome.code) == (503, "ledger_unavailable")
    before = len(asked.requests)
    assert (await exchange([step(plugin)], asked)).code == "ledger_unavailable"
    assert len(asked.requests) == before
    assert os.strerror(number) in await plugin.ready()
    broken[0] = False
    for _ in range(100):
        await asyncio.sleep(0.02)
        if not await plugin.ready():
            break
    assert (await exchange([step(plugin)], asked)).status == 200
    await plugin.stop()
    assert problems(tmp_path) == []
    kinds = [one["kind"] for one in records(tmp_path)]
    assert kinds.count("exchange") == 2
    assert "failure" in kinds


async def test_a_ledger_that_cannot_be_made_refuses_to_start(tmp_path: Path) -> None:
    """Where the ledger's folder cannot be, the plugin says what to do instead of starting."""
    (tmp_path / "ledger").write_text("in the way")
    with pytest.raises(CannotStart, match="cannot write"):
        await started(tmp_path)


async def test_acknowledged_means_synced_and_syncs_are_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told that a record is durable before its sync has returned, and many records share one."""
    plugin = await started(tmp_path)
    gate, syncs, real = threading.Event(), [0], os.fdatasync

    def fdatasync(descriptor: int) -> None:
        gate.wait(5)
        syncs[0] += 1
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    waiting = [plugin._writer.append({"kind": "exchange", "n": number}) for number in range(50)]
    await asyncio.sleep(0.05)
    assert not any(future.done() for future in waiting)
    gate.set()
    await asyncio.gather(*waiting)
    assert syncs[0] < 5
    await plugin.stop()
    assert problems(tmp_path) == []


async def test_the_queue_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More records than may wait are refused, not kept in memory."""
    plugin = await started(tmp_path, queue_records=3)
    futures = [plugin._writer.append({"kind": "exchange"}) for _ in range(3)]
    with pytest.raises(LedgerUnavailable):
        plugin._writer.append({"kind": "exchange"})
    await asyncio.gather(*futures)
    await plugin.stop()


async def test_hostile_names_do_not_break_a_record(tmp_path: Path) -> None:
    """A stream with odd texts and a caller's own member names is recorded, and names no member."""
    plugin = await started(tmp_path)
    events = [chunk("\u2028\x07'\"\\"), chunk(finish="stop")]
    body = request("x\u0000y", stream=True, **{"电话13812345678": {"\n": "v"}})
    await exchange([step(plugin)], ScriptedEngine(events), body)
    await plugin.stop()
    assert problems(tmp_path) == []
    assert "13812345678" not in json.dumps(records(tmp_path))


@pytest.mark.parametrize("what", ["nothing", "file", "junk", "link", "empty"])
def test_hostile_ledgers(tmp_path: Path, what: str) -> None:
    """A ledger that is none, or holds anything, is an exit status of 1 or 2, never a crash."""
    (tmp_path / "secret").write_bytes(ROOT)
    writer = tmp_path / "ledger" / "w"
    if what == "file":
        (tmp_path / "ledger").write_text("x")
    elif what != "nothing":
        writer.mkdir(parents=True)
        if what == "junk":
            (writer / "00000001.log").write_bytes(os.urandom(5000))
        elif what == "link":
            (writer / "00000001.log").symlink_to("/etc/passwd")
        elif what == "empty":
            (writer / "00000001.log").write_bytes(b"")
    result = yumen_audit(tmp_path, "verify")
    assert result.exit_code == (1 if what in ("nothing", "file") else 2)
    assert "root:" not in result.stdout
    assert isinstance(result.exception, SystemExit)


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.plugins.audit.ledgers import ROOT, host, only_writer, problems, record, records, segments, started, yumen_audit
from tests.plugins.host import UnitHost
from yumen_plugins.audit import Audit
from yumen_plugins.audit.config import AuditConfig

async def main():
    plugin = Audit(AuditConfig(segment_bytes=20_000))
    await plugin.start(UnitHost(Path(sys.argv[1]), b"s" * 32))
    async def append(task):
        number = 0
        while True:
            name = f"{sys.argv[2]}-{task}-{number}"
            await plugin._writer.append({"kind": "exchange", "id": name, "pad": "x" * 300})
            sys.stdout.write(name + "\\n")
            sys.stdout.flush()
            number += 1
    await asyncio.gather(*(append(task) for task in range(8)))

asyncio.run(main())
"""


@pytest.mark.slow
def test_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """Killed again and again while writing, the ledger holds every record that anybody was told of."""
    host(tmp_path)
    acknowledged: set[str] = set()
    for number in range(8):
        command = [sys.executable, "-c", CHILD, str(tmp_path), str(number)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPO, bufsize=0)
        assert child.stdout is not None
        first = child.stdout.readline()  # however long it takes to start
        time.sleep(0.2 + 0.05 * number)
        child.send_signal(signal.SIGKILL)
        out, _ = child.communicate()
        acknowledged |= {line for line in (first + out).decode().split("\n")[:-1] if line}
    asyncio.run(record(tmp_path, ["the end"]))
    assert problems(tmp_path) == []
    assert len(acknowledged) > 200
    assert acknowledged <= {one["id"] for one in records(tmp_path) if one["kind"] == "exchange"}


def test_a_copy_verifies_with_the_secret(tmp_path: Path) -> None:
    """An auditor verifies a copy elsewhere with the secret alone, and with a wrong one nothing holds."""
    asyncio.run(record(tmp_path / "data", ["one"]))
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "data" / "ledger", copy)
    secret, wrong = tmp_path / "secret", tmp_path / "wrong"
    secret.write_bytes(ROOT)
    wrong.write_bytes(b"w" * 32)
    assert yumen_audit(tmp_path, "verify", str(copy), "--secret", str(secret)).exit_code == 0
    assert yumen_audit(tmp_path, "verify", str(copy), "--secret", str(wrong)).exit_code == 2
    assert yumen_audit(tmp_path / "elsewhere", "verify", str(copy)).exit_code == 1


def test_a_folder_is_taken_in_order(tmp_path: Path) -> None:
    """A free folder is used again before a new one is made."""
    mac = Hmac(b"k")
    first = Folder.take(tmp_path, mac, time.time, "t")
    first.close()
    second = Folder.take(tmp_path, mac, time.time, "t")
    assert second.writer == first.writer
    second.close()
