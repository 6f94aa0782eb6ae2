"""Records that have been kept long enough are dropped, in bundles, and the ledger says what went and still holds."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.audit.ledgers import (
    EXCHANGE,
    LedgerHost,
    host,
    keyring,
    logs,
    only_writer,
    problems,
    records,
    say,
    started,
    until,
    yumen_audit,
)

from yumen_plugins.audit import Audit, companions, retention
from yumen_plugins.audit.log.files import LogFiles
from yumen_plugins.audit.log.journal import journals
from yumen_plugins.audit.log.merkle import leaf_hash, root_of, verify_inclusion
from yumen_plugins.audit.reading import LedgerFolder
from yumen_plugins.audit.record import moment
from yumen_plugins.audit.retention import DAY_S, Run, retain

KEEP = "keep-30d"
NOBODY = "ab" * 16


def nobody(tenant: str, subject: str) -> bool:
    """No hold is in force."""
    return False


async def filled(
    plugin: Audit, count: int, now: float, *, tenant: str = "acme", subject: str = "", **more: Any
) -> None:
    """Append so many records of this time, which know no more than whom they are about."""
    body = {"kind": EXCHANGE, "tenant": tenant, "subject": subject, "time": moment(now), **more}
    futures = [plugin._writer.append({**body, "id": f"记录{number}#"}, KEEP) for number in range(count)]
    for future in futures:
        await future


async def dropped(
    plugin: Audit, clock: LedgerHost, days: float, held: Callable[[str, str], bool] = nobody
) -> list[Run]:
    """Put the clock on by so many days, and drop until nothing more is due, as the gateway does every hour."""
    found: list[Run] = []
    clock.ahead(days * DAY_S)
    while runs := await plugin._writer.with_folder(lambda folder: retain(folder, clock.now(), held)):
        found += runs
    return found


def bundles(data_dir: Path) -> list[str]:
    return sorted(path.name for path in (only_writer(data_dir) / KEEP / "tile" / "entries").glob("???"))


async def test_bundles_are_dropped_when_their_time_is_over(tmp_path: Path) -> None:
    """Not a day earlier; the statement says which records, of what time and kinds, and the root over them; proofs hold."""
    clock = host(tmp_path)
    plugin = await started(clock)
    now = clock.now()
    await filled(plugin, 700, now)
    (log,) = [log for log in logs(tmp_path) if log.name == KEEP]
    before = [entry for _, entry in LogFiles(log).entries()]
    assert await dropped(plugin, clock, 29.9) == []
    (run,) = await dropped(plugin, clock, 30.1)
    assert (run.first, run.end) == (0, 512)
    await plugin.stop()
    (said,) = records(tmp_path, "retention")
    assert (said["first"], said["end"], said["days"]) == (0, 512, 30)
    assert said["from"] <= moment(now) <= said["to"]
    assert said["kinds"] == dict(Counter({"start": 1, EXCHANGE: 511}))
    assert base64.b64decode(said["root"]) == root_of([leaf_hash(entry) for entry in before[:512]])
    files = LogFiles(log)
    for index in (0, 300, 600):
        proof = files.inclusion(index, files.size)
        assert verify_inclusion(leaf_hash(before[index]), index, files.size, proof, files.root())
    assert problems(tmp_path) == []


async def test_what_was_dropped_is_in_no_file(tmp_path: Path) -> None:
    """Neither in a bundle nor in a journal, however seldom journals turn; also not after the next start."""
    clock = host(tmp_path)
    plugin = await started(clock)
    await filled(plugin, 300, clock.now())
    await dropped(plugin, clock, 31)
    await plugin.stop()

    def left() -> list[int]:
        content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        return [number for number in range(300) if f"记录{number}#".encode() in content]

    assert left() == list(range(255, 300))
    assert bundles(tmp_path) == []
    again = await started(tmp_path)
    assert await dropped(again, clock, 31) == []
    await again.stop()
    assert left() == list(range(255, 300))
    assert bundles(tmp_path) == []
    assert len(records(tmp_path, "retention")) == 1


async def test_for_ever_is_for_ever(tmp_path: Path) -> None:
    """A log without days loses nothing, however old it is."""
    clock = host(tmp_path)
    plugin = await started(clock, journal_bytes=4096)
    for number in range(600):
        plugin._writer.append({"kind": EXCHANGE, "time": moment(0.0), "id": str(number)})
    assert await dropped(plugin, clock, 36_000) == []
    await plugin.stop()
    assert len(records(tmp_path, EXCHANGE)) == 600


async def test_what_is_held_stays(tmp_path: Path) -> None:
    """A bundle in which a hold covers one record stays whole, those around it go; and goes once the hold is released."""
    clock = host(tmp_path)
    plugin = await started(clock, journal_bytes=1 << 14)
    now = clock.now()
    await filled(plugin, 300, now)
    await filled(plugin, 1, now, subject=NOBODY)
    await filled(plugin, 600, now)
    keys = keyring(tmp_path)
    hold = keys.hold("acme", NOBODY, "案件", "test")

    def held(tenant: str, subject: str) -> bool:
        return keys.held(tenant, subject) is not None

    assert [(run.first, run.end) for run in await dropped(plugin, clock, 31, held)] == [(0, 256), (512, 768)]
    assert bundles(tmp_path) == ["001"]
    assert [one["subject"] for one in records(tmp_path, EXCHANGE)].count(NOBODY) == 1
    keys.release(hold, "test")
    keys.close()
    assert [(run.first, run.end) for run in await dropped(plugin, clock, 31)] == [(256, 512)]
    await plugin.stop()
    assert problems(tmp_path) == []


@pytest.mark.parametrize("parts", [4, 700])
async def test_a_record_in_parts_is_not_torn(tmp_path: Path, parts: int) -> None:
    """Where a large record stands across bundles, all of it stays until all goes, also where bundles are parts only."""
    clock = host(tmp_path)
    plugin = await started(clock, journal_bytes=1 << 14)
    now = clock.now()
    await filled(plugin, 253, now)
    # Its last entry is younger, and so is what keeps the others.
    await filled(plugin, 1, now + 5 * DAY_S, reply=["长" * (parts * 45_000 // 3)], tenant="large")
    await filled(plugin, 600, now + 5 * DAY_S)
    for days, left in ((31, True), (36, False)):
        await dropped(plugin, clock, days)
        large = [one for one in records(tmp_path, EXCHANGE) if one["tenant"] == "large"]
        assert [len(one["reply"][0]) for one in large] == ([parts * 15_000] if left else [])
    await plugin.stop()
    assert problems(tmp_path) == []


async def test_so_many_bundles_go_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchanges that wait for the writer come between: a call drops a bounded number, and says so each time."""
    monkeypatch.setattr(retention.expired, "__defaults__", (2,))
    clock = host(tmp_path)
    plugin = await started(clock, journal_bytes=1 << 14)
    await filled(plugin, 256 * 5, clock.now())
    found = await dropped(plugin, clock, 31)
    assert [(run.first, run.end) for run in found] == [(0, 512), (512, 1024), (1024, 1280)]
    await plugin.stop()
    assert problems(tmp_path) == []


async def test_the_gateway_drops_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anybody's command, and goes on to do so when keys cannot be read for once; search and show cope with it."""
    monkeypatch.setattr(companions, "RETAIN_FIRST_S", 0.05)
    monkeypatch.setattr(companions, "RETAIN_S", 0.05)
    clock = host(tmp_path, live=True)
    plugin = await started(clock, keep_days=30)
    for _ in range(3):
        await say(plugin, "hello", subject="")
    await filled(plugin, 300, clock.now(), route="old", receipt="r", outcome="ok")
    found = await plugin.inspect({"tenant": "acme", "limit": "1"})
    assert isinstance(found, dict)
    broken = [True]
    real = plugin._keys.held

    def held(tenant: str, subject: str) -> Any:
        if broken[0]:
            raise ValueError("odd")
        return real(tenant, subject)

    monkeypatch.setattr(plugin._keys, "held", held)
    clock.ahead(31 * DAY_S)
    await asyncio.sleep(0.3)
    assert records(tmp_path, "retention") == []
    broken[0] = False
    await until(lambda: records(tmp_path, "retention"))
    await until(lambda: bundles(tmp_path) == [])
    page = await plugin.inspect({"tenant": "acme", "limit": "500", "full": "true"})
    assert isinstance(page, dict)
    left = [one for one in records(tmp_path, EXCHANGE) if one.get("tenant") == "acme"]
    assert 0 < len(page["records"]) == len(left) < 300
    await plugin.stop()
    assert yumen_audit(tmp_path, "show", "--kind", "retention").exit_code == 0


async def test_dropping_by_command(tmp_path: Path) -> None:
    """`yumen audit retain` drops from logs that nobody writes, and leaves a running gateway's alone."""
    clock = host(tmp_path)
    clock.ahead(-31 * DAY_S)
    plugin = await started(clock)
    await filled(plugin, 300, clock.now())
    running = await asyncio.to_thread(yumen_audit, tmp_path, "retain", "--json")
    assert json.loads(running.stdout) == {"dropped": []}
    await plugin.stop()
    run = yumen_audit(tmp_path, "retain", "--json")
    assert run.exit_code == 0, run.output
    (said,) = json.loads(run.stdout)["dropped"]
    assert (said["first"], said["end"], said["writer"]) == (0, 256, only_writer(tmp_path).name)
    assert bundles(tmp_path) == []
    assert [first for first, _ in journals(only_writer(tmp_path) / KEEP)] == [256]
    name = f"{only_writer(tmp_path).name}/{KEEP}"
    assert next(LedgerFolder(tmp_path / "ledger").records(name))[0] == 256
