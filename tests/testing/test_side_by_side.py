"""Exchanges side by side: each caller is told what came of his own, and a test's timeouts are those it names."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest
from tests.testing.guard import Guard

from yumen import Exchange, Manifest, NoConfig, Plugin
from yumen.testing import Harness, Used, chat


class Waiting(Plugin[NoConfig]):
    """Waits until a test lets it go on."""

    manifest: ClassVar[Manifest] = Manifest(name="waiting", version="1", sees="raw")
    go_on: ClassVar[asyncio.Event]

    async def on_request(self, exchange: Exchange) -> None:
        await self.go_on.wait()


@pytest.fixture(autouse=True)
def _go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Waiting, "go_on", asyncio.Event(), raising=False)


async def test_who_leaves_at_once_is_told_of_his_own_exchange() -> None:
    """Of several at once, who leaves before a byte has come has his own outcome, and so have those who stay."""
    async with Harness.of(Guard) as harness:
        harness.engine.hangs()
        calls = [chat(f"第 {number}", stream=number % 2 == 0).by(f"tenant-{number}") for number in range(6)]
        calls[0], calls[3] = calls[0].leaving(0), calls[3].leaving(0)
        asked = [asyncio.create_task(harness.ask(call)) for call in calls]
        left = await asyncio.gather(asked[0], asked[3])
        harness.engine.release()
        outcomes = await asyncio.gather(*asked)
    told = [(one.exchange.principal.tenant, one.sent) for one in outcomes if one.exchange is not None]
    assert told == [(f"tenant-{number}", f"test\n第 {number}") for number in range(6)]
    assert [one.record.outcome for one in left if one.record] == ["client_disconnect"] * 2


async def test_who_is_not_let_in_has_no_exchange() -> None:
    """A request that opens none is told of none, whatever is under way beside it."""
    async with Harness.of(Guard) as harness, harness.under_way(chat("一").by("acme")):
        outcome = await harness.send("/v1/chat/completions", b"{", chat("x").caller)
        assert (outcome.exchange, outcome.given) == (None, None)


async def test_the_one_that_is_under_way_is_the_one_that_was_meant() -> None:
    """Whoever comes before it, or at the same time, is answered and does not wait in its place."""
    async with Harness.of(Guard) as harness:
        before = asyncio.create_task(harness.ask(chat("before 先")))
        async with harness.under_way(chat("meant 要")) as meant:
            (await before).assert_answered("before 先")
        (await meant.end()).assert_answered("meant 要")


async def test_a_timeout_that_a_test_names_is_kept() -> None:
    """A hook that takes longer is a fault, in every harness of the policy."""
    named = Harness.of(Waiting, timeout_ms=20)
    for harness in (named, named.again()):
        async with harness:
            (await harness.ask(chat("你好"))).assert_failed("plugin_fault")


async def test_a_timeout_holds_for_the_plugin_that_it_is_named_for() -> None:
    """Its neighbours on the chain are waited for, however slow the machine is."""
    async with Harness.of_chain(Used(Waiting), Used(Guard, {}, {"timeout_ms": 20})) as harness:
        patience = {step.name: step.instance.timeout_ms for step in harness.chain("chat").steps}
    assert patience["guard"] == 20
    assert patience["waiting"] >= 30_000
