"""Exchanges under way, workers, reloads, outages, and hosts and hooks by hand: what a plugin's author has beside `ask`."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest
from tests.testing.guard import Guard

from yumen import CannotStart, Exchange, Host, Manifest, NoConfig, Plugin
from yumen.store import StoreError
from yumen.testing import Harness, UnitHost, Used, chat, seen_by


async def test_an_exchange_under_way_waits_and_others_do_not() -> None:
    """It waits at the engine until it is told to end, plain or streamed, and ends with its block."""
    async with Harness.of(Guard) as harness:
        async with harness.under_way(chat("一", stream=True)) as first, harness.under_way(chat("two")) as second:
            assert len(harness.engine.requests) == 2
            (await harness.ask(chat("三"))).assert_answered("三")
            (await second.end()).assert_answered("two")
        (await first.end()).assert_answered("一")


async def test_what_never_reaches_the_engine_is_not_under_way() -> None:
    """A test that waits for it is told what came of it, and the next exchange is answered at once."""
    async with Harness.of(Guard, {"refuse": ["x"]}) as harness:
        with pytest.raises(AssertionError, match=r"to reach the engine\n.*policy_blocked"):
            async with harness.under_way(chat("x")):
                pass
        (await harness.ask(chat("y"))).assert_answered("y")


async def test_a_test_that_fails_leaves_no_exchange_under_way() -> None:
    """What waits at the engine is cancelled, so that the harness can stop."""
    before = asyncio.all_tasks()
    async with Harness.of(Guard) as harness:
        with pytest.raises(ZeroDivisionError):
            async with harness.under_way(chat("x")):
                raise ZeroDivisionError
        assert asyncio.all_tasks() == before


async def test_workers_have_one_store_and_memories_of_their_own() -> None:
    """What one worker keeps in the store the other finds; what it measures is its own."""
    async with Harness.of_chain(Used(Guard), workers=2, shared=True) as first, first.another_worker() as second:
        assert (second.plugin().host.workers, second.plugin().host.store.shared) == (2, True)
        await first.plugin().host.store.set("k", b"1", 60)
        assert await second.plugin().host.store.get("k") == b"1"
        first.clock.move(61)
        assert await second.plugin().host.store.get("k") is None
        await first.ask(chat("x"))
        assert (first.metrics.total("asked"), second.metrics.total("asked")) == (1, 0)


async def test_a_reload_puts_another_policy_to_work() -> None:
    """What follows runs under the other policy, over the same store; one that does not start leaves all as it was."""

    class Unwilling(Guard):
        async def start(self, host: Host) -> None:
            raise CannotStart("not today")

    async with Harness.of(Guard, {"refuse": ["猎鹰"]}) as harness:
        await harness.plugin().host.store.set("k", b"1", 60)
        with pytest.raises(CannotStart, match="not today"):
            await harness.reload(Harness.of(Unwilling))
        (await harness.ask(chat("猎鹰"))).assert_blocked(by="guard.word")
        await harness.reload(Harness.of(Guard, {"refuse": ["falcon"]}))
        (await harness.ask(chat("猎鹰"))).assert_answered("猎鹰")
        (await harness.ask(chat("falcon"))).assert_blocked(by="guard.word")
        assert await harness.plugin().host.store.get("k") == b"1"


async def test_a_store_can_be_out_of_reach() -> None:
    """During an outage whatever is asked of the store fails as a lost one does, and afterwards all is there again."""
    async with Harness.of(Guard) as harness:
        store = harness.plugin().host.store
        await store.set("k", b"1", 60)
        with harness.store_outage():
            for asked in (store.get("k"), store.set("k", b"2", 60), store.add("n", 1, 60), store.delete("k")):
                with pytest.raises(StoreError):
                    await asked
        assert await store.get("k") == b"1"


async def test_a_unit_host_is_that_of_a_harness() -> None:
    """Secrets and ids by hand are those of a harness, its clock stands still, and what is measured is kept."""
    seen: list[str] = []

    class Asker(Plugin[NoConfig]):
        manifest: ClassVar[Manifest] = Manifest(name="asker", version="1")

        async def start(self, host: Host) -> None:
            self.secret = host.secret("marks", "acme")

        async def on_request(self, exchange: Exchange) -> None:
            seen.extend([exchange.session, exchange.client, str(exchange.request_bytes)])

    call, host = chat("问 a").by("acme").of(session="s1"), UnitHost("asker")
    async with Harness.of(Asker) as harness:
        await harness.ask(call)
        assert harness.plugin().secret == host.secret("marks", "acme")
    by_hand = seen_by(Asker, call)
    assert [by_hand.session, by_hand.client, str(by_hand.request_bytes)] == seen
    assert by_hand.session == host.session_id("acme", "test", "s1")
    # It is shown the form that its manifest names.
    assert "问 a" not in [text.value for text in by_hand.texts]
    assert "问 a" in [text.value for text in seen_by(Guard, call).texts]
    host.metrics.count("asked", route="chat")
    before = host.now(), host.monotonic()
    assert (host.captured.total("asked"), (host.now(), host.monotonic())) == (1, before)
    other = UnitHost("asker", store=host.store, clock=host.clock)
    await other.store.set("k", b"1", 60)
    host.clock.move(59)
    assert await host.store.get("k") == b"1"


async def test_the_pieces_of_a_stream_can_be_told_apart() -> None:
    """A test can see whether a stream was held back; a plain reply has no pieces."""
    async with Harness.of(Guard) as harness:
        harness.engine.says("一", "甲", "three")
        assert (await harness.ask(chat("x", stream=True))).pieces == ["一", "乙", "three"]
        assert (await harness.ask(chat("x"))).pieces == []
