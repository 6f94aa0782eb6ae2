"""What comes by the clock: checkpoints every hour, tiles for other readers; and a ledger that is looked at meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aics_tlog
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
    until,
)

from yumen_plugins.audit import writer
from yumen_plugins.audit.log.note import checkpoint_of, parse_note, verifier_key
from yumen_plugins.audit.reading import LedgerFolder
from yumen_plugins.audit.signing import KeyChain

HOUR_S = 3600.0


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer looks at the clock often, and publishes whenever it does."""
    monkeypatch.setattr(writer, "TICK_S", 0.02)
    monkeypatch.setattr(writer, "PUBLISH_S", 0.0)


@pytest.mark.usefixtures("quick")
async def test_a_checkpoint_comes_every_hour(tmp_path: Path) -> None:
    """Also when nothing happens, in every log, of everything that was before it; not more often."""
    clock = host(tmp_path)
    plugin = await started(clock)
    await plugin._writer.append({"kind": EXCHANGE}, "keep-30d")
    for hour in range(1, 4):
        clock.ahead(hour * HOUR_S + 1)
        await until(lambda hour=hour: len(records(tmp_path, "checkpoint")) == 2 * hour)  # type: ignore[misc]
        await asyncio.sleep(0.1)
    await plugin.stop()
    for log in ("forever", "keep-30d"):
        assert kinds(tmp_path, log).count("checkpoint") == 3
    chain = KeyChain.read(tmp_path / "ledger")
    for one in records(tmp_path, "checkpoint"):
        head = checkpoint_of(parse_note(one["note"].encode()))
        assert head is not None
        assert head.size == one["seq"]
        assert chain.era_of(one["note"].encode(), head.origin.partition(f"{chain.gateway}/")[2]) is not None
    hold_together(tmp_path)


@pytest.mark.usefixtures("quick")
async def test_tiles_are_readable_by_others_while_the_writer_goes_on(tmp_path: Path) -> None:
    """What is published holds for whoever knows only the public formats, at any moment, and grows."""
    plugin = await started(tmp_path, journal_bytes=1 << 14)
    (log,) = logs(tmp_path)
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            await asyncio.gather(*(plugin._writer.append({"kind": EXCHANGE, "pad": "填" * 40}) for _ in range(50)))

    writing = asyncio.create_task(write())
    await until((log / "checkpoint").exists)
    sizes = [await asyncio.to_thread(published, log) for _ in range(8)]
    await until(lambda: published(log) > sizes[0] + 600)
    stop.set()
    await writing
    await plugin.stop()
    assert sizes == sorted(sizes)
    assert published(log) == LedgerFolder(tmp_path / "ledger").logs()[f"{log.parent.name}/forever"]
    hold_together(tmp_path)


def published(log: Path) -> int:
    """The size of what is published, which is verified by an independent implementation."""
    chain = KeyChain.read(log.parent.parent)
    origin = chain.origin(f"{log.parent.name}/{log.name}")
    verifier = aics_tlog.parse_vkey(verifier_key(origin, chain.eras[-1].public))
    for _ in range(50):
        note = aics_tlog.parse_note((log / "checkpoint").read_text())
        assert aics_tlog.verify_note(note, [verifier])
        checkpoint = aics_tlog.parse_checkpoint(note.text)
        try:
            report = aics_tlog.audit_tiles(
                aics_tlog.FileSystemTileReader(log), checkpoint.size, checkpoint.root, entries=True
            )
        except (aics_tlog.TileMissingError, aics_tlog.TileVerificationError):
            # Partial tiles go when there are fuller ones; then there is a newer checkpoint too.
            if (log / "checkpoint").read_text() == note.text:
                raise
            continue
        assert report.bundles == -(-checkpoint.size // 256)
        size: int = checkpoint.size
        return size
    raise AssertionError("the tiles never held still")


async def test_the_head_covers_every_acknowledged_record(tmp_path: Path) -> None:
    """However fast records come, a tail of acknowledged ones cannot be cut off unseen, also before the gateway stops."""
    plugin = await started(tmp_path)
    (log,) = logs(tmp_path)
    for burst in range(1, 5):
        await asyncio.gather(*(plugin._writer.append({"kind": EXCHANGE, "n": number}) for number in range(5)))
        head = checkpoint_of(parse_note((log / "head").read_bytes().rstrip(b" ")))
        assert head is not None
        assert head.size == 1 + 5 * burst
    await plugin.stop()


async def test_verify_beside_a_writing_gateway_raises_no_false_alarm(tmp_path: Path) -> None:
    """Records, journals and bundles that come while verify reads are no fault; neither are they for other readers."""
    plugin = await started(tmp_path, journal_bytes=4096)
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            await asyncio.gather(*(say(plugin, f"第 {number} 句") for number in range(30)))

    writing = asyncio.create_task(write())
    found: list[str] = []
    ledger, seen = LedgerFolder(tmp_path / "ledger"), 0
    while seen < 800:
        found += await asyncio.to_thread(problems, tmp_path)
        for name, size in (await asyncio.to_thread(ledger.logs)).items():
            read = await asyncio.to_thread(ledger.read, name, 0, size)
            assert [seq for seq, _ in read] == list(range(size))
            assert size >= seen
            seen = size
    stop.set()
    await writing
    await plugin.stop()
    assert found == []
    assert problems(tmp_path) == []


async def test_a_frame_under_way_is_the_running_gateways(tmp_path: Path) -> None:
    """Half a frame at the very end is no fault while somebody writes, and a reader passes it over."""
    plugin = await started(tmp_path)
    await say(plugin)
    with next(logs(tmp_path)[0].glob("journal/*")).open("ab") as file:
        file.write(b"YMJ1 half")
    assert problems(tmp_path) == []
    assert kinds(tmp_path) == ["start", EXCHANGE]
    await plugin.stop()


async def test_a_restart_publishes_on(tmp_path: Path) -> None:
    """What a process that ended had published is continued by the next one, from the same tiles."""
    await record(tmp_path, [str(number) for number in range(5)])
    (log,) = logs(tmp_path)
    first = published(log)
    await record(tmp_path, ["再来"])
    assert published(log) == first + 3
    assert only_writer(tmp_path) == log.parent
