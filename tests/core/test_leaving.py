"""Clients that leave when the outcome is known already."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from yumen import Exchange, Manifest, NoConfig, Plugin, dataplane
from yumen.testing import Harness, chat


class Slow(Plugin[NoConfig]):
    """Takes its time over a record, as one does that waits for a disk."""

    manifest: ClassVar[Manifest] = Manifest(name="slow", version="1")

    def __init__(self, config: NoConfig) -> None:
        super().__init__(config)
        self.begun: list[str] = []
        self.ended: list[str] = []

    async def on_complete(self, exchange: Exchange) -> None:
        self.begun.append(exchange.outcome)
        await asyncio.sleep(0.03)
        self.ended.append(exchange.outcome)


@pytest.mark.parametrize("pieces", range(5))
async def test_a_stream_is_completed_once_wherever_the_client_leaves(pieces: int) -> None:
    """Whoever leaves before the outcome is known has left; afterwards it stands. There is one record either way."""
    async with Harness.of(Slow) as harness:
        harness.engine.says("你好", "hello")
        await harness.ask(chat("x", stream=True).leaving(pieces))
        plugin = harness.plugin()
    assert len(plugin.begun) == 1
    assert plugin.ended == plugin.begun


@pytest.mark.parametrize("stream", [False, True])
async def test_leaving_while_a_record_is_written_does_not_write_another(
    stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hook that waits goes on to its end, with the outcome that it was called for."""
    monkeypatch.setattr(dataplane, "WATCH_AFTER_S", 0.0)
    async with Harness.of(Slow) as harness:
        plugin = harness.plugin()
        asking = asyncio.create_task(harness.ask(chat("x", stream=stream)))
        while not plugin.begun:
            await asyncio.sleep(0)
        harness.leave()
        await asking
    assert plugin.begun == plugin.ended == ["ok"]
