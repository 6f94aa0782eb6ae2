"""Forgetting: every started plugin of the process is told, one that fails keeps no other from it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from structlog.testing import capture_logs

from yumen import Erasure, Host, Manifest, NoConfig, Plugin, Secret, Settings
from yumen import parts as parts_module
from yumen.parts import Part, Parts
from yumen.policy.bundle import Instance

ERASURE = Erasure("t", "ab" * 16)


class KeepingConfig(msgspec.Struct, frozen=True):
    things: int = 3


class Keeping(Plugin[KeepingConfig]):
    """Keeps so many things of everybody."""

    manifest: ClassVar[Manifest] = Manifest(name="keeping", version="1")

    async def start(self, host: Host) -> None:
        self.host = host
        self.told: list[Erasure] = []

    async def on_erase(self, erasure: Erasure) -> int:
        self.told.append(erasure)
        return self.config.things


class Failing(Keeping):
    async def on_erase(self, erasure: Erasure) -> int:
        raise RuntimeError("我的手机 13812345678")


class Hanging(Keeping):
    async def on_erase(self, erasure: Erasure) -> int:
        await asyncio.sleep(60)
        return 1


class Owning(Keeping):
    """Owns the order of erasure, as a ledger does: the others first."""

    async def on_erase(self, erasure: Erasure) -> int:
        self.others = await self.host.erase(erasure)
        return len(self.others)


class Silent(Plugin[NoConfig]):
    manifest: ClassVar[Manifest] = Manifest(name="silent", version="1")

    async def on_request(self, exchange: Any) -> None:
        pass


@pytest.fixture
def parts() -> Parts:
    return Parts(Settings(data_dir=Path("/nonexistent")), Secret(bytes(32)))


async def started(parts: Parts, name: str, plugin: type[Plugin[Any]], config: Any = None) -> Part:
    return await parts.plugin(Instance(name=name, plugin_class=plugin, config=config or KeepingConfig()))


async def test_everybody_is_told_whatever_becomes_of_the_others(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails or does not end has -1 and a log line without words; what keeps nothing is left out."""
    monkeypatch.setattr(parts_module, "ERASE_S", 0.05)
    await started(parts, "failing", Failing)
    await started(parts, "hanging", Hanging)
    await started(parts, "silent", Silent, NoConfig())
    last = await started(parts, "last", Keeping)
    with capture_logs() as logs:
        assert await parts.erase(ERASURE) == {"failing": -1, "hanging": -1, "last": 3}
    assert last.made.told == [ERASURE]
    assert [one["event"] for one in logs] == ["erase_failed"] * 2
    assert "13812345678" not in str(logs)
    assert ERASURE.subject not in str(logs)


async def test_both_plugins_of_a_reload_forget(parts: Parts) -> None:
    """Exchanges of the old policy may still be under way: its plugin keeps things too."""
    old = await started(parts, "one", Keeping)
    new = await started(parts, "one", Keeping, KeepingConfig(things=4))
    assert old is not new
    assert await parts.erase(ERASURE) == {"one": 7}
    await parts.give_back(old)
    assert await parts.erase(ERASURE) == {"one": 4}


async def test_a_plugin_has_the_others_forget(parts: Parts) -> None:
    """Whoever asks by its host is not asked itself, or it would go round."""
    owner = await started(parts, "ledger", Owning)
    await started(parts, "vault", Keeping)
    assert await parts.erase(ERASURE) == {"ledger": 1, "vault": 3}
    assert owner.made.others == {"vault": 3}
