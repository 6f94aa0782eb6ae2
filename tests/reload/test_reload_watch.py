"""Reloading because files have changed, or because another worker was asked."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from tests.reload.conftest import ADMIN, Served, until
from tests.reload.odd import GATEWAY, Policy

import yumen.reload
from yumen.proof import Prover
from yumen.reload import Attempt
from yumen.settings import Settings


class Watching:
    """A served policy whose files are looked at often."""

    def __init__(self, settings: Settings, prover: Prover, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(yumen.reload, "LOOK_EVERY_S", 0.02)
        self.served = Served(settings, prover)

    async def __aenter__(self) -> Served:
        await self.served.first.start()
        await self.served.reloader.begin()
        return self.served

    async def __aexit__(self, *_: object) -> None:
        await self.served.reloader.close()
        await self.served.plane.runtime.stop()


async def attempt_after(served: Served, last: Attempt | None) -> Attempt:
    """The next attempt."""
    await until(lambda: served.reloader.last is not last)
    assert served.reloader.last is not None
    return served.reloader.last


async def test_changed_files_are_noticed(
    settings: Settings, policy: Policy, prover: Prover, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file is replaced, written in place, added, or changes in a bundle that this one extends: each is loaded."""
    base = Policy(tmp_path / "base")
    policy.write(gateway=f"{GATEWAY}extends: ../base\n")
    watching = msgspec.structs.replace(settings, watch=True)
    async with Watching(watching, prover, monkeypatch) as served:
        policy.say("replaced")
        last = await attempt_after(served, None)
        assert (last.result, last.by) == ("reloaded", "watch")
        (policy.folder / "odd.yaml").write_text("version: 1\nplugin: odd\nconfig: {word: 就地写入}\n")
        last = await attempt_after(served, last)
        assert last.result == "reloaded"
        (policy.folder / "odd.yaml").unlink()
        base.say("inherited")
        last = await attempt_after(served, last)
        assert served.word == "inherited"
        base.say("later")
        last = await attempt_after(served, last)
        assert served.word == "later"
        base.write(odd="version: 1\nplugin: odd\nnone: 1\n")
        last = await attempt_after(served, last)
        assert last.reason == "policy"
        settled = served.reloader.last
        await asyncio.sleep(0.3)
        assert served.reloader.last is settled


async def test_what_changed_before_anybody_watched(
    settings: Settings, policy: Policy, prover: Prover, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Engines take their time to load; a policy that changes meanwhile is not missed."""
    watching = Watching(msgspec.structs.replace(settings, watch=True), prover, monkeypatch)
    policy.say("meanwhile")
    async with watching as served:
        assert (await attempt_after(served, None)).result == "reloaded"


async def test_all_workers_are_asked(
    settings: Settings, policy: Policy, monkeypatch: pytest.MonkeyPatch, prover: Prover
) -> None:
    """Who asks one worker has asked all; each answers for itself and records who asked."""
    two = msgspec.structs.replace(settings, workers=2)
    async with Watching(two, prover, monkeypatch) as one, Watching(two, Prover(), monkeypatch) as other:
        policy.say("new")
        attempt = await one.reloader.reload_all(ADMIN)
        assert attempt.result == "reloaded"
        there = await attempt_after(other, None)
        assert (there.result, there.by, other.hash) == ("reloaded", ADMIN, one.hash)
        await asyncio.sleep(0.1)
        assert one.reloader.last is attempt
        (settings.data_dir / "reload.json").write_text('{"id": "1", "actor": "sombody"}')
        await asyncio.sleep(0.1)
        assert other.reloader.last is there


async def test_workers_that_cannot_be_told(settings: Settings, prover: Prover) -> None:
    """Rather than being the only worker with a new policy, the one that is asked keeps the old."""
    served = Served(msgspec.structs.replace(settings, workers=2), prover)
    await served.first.start()
    await served.reloader.begin()
    (settings.data_dir / "reload.json").mkdir()
    attempt = await served.reloader.reload_all(ADMIN)
    assert (attempt.result, attempt.reason) == ("refused", "internal")
    assert "the other workers cannot be told" in attempt.diagnostics[0].what
    assert served.kinds() == ["policy_loaded", "policy_reload_failed"]
    await served.reloader.close()
    await served.first.stop()
