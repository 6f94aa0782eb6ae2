"""Further examples of docs/plugins/testing.md, with a built-in plugin: side by side, outages, single hooks."""

from __future__ import annotations

import pytest

from yumen import CannotStart, EngineError, Native
from yumen.testing import Harness, UnitHost, Used, chat, chunk, completion, seen_by
from yumen_plugins.limits import Limits, LimitsConfig

ONE_A_MINUTE = {"requests_per_minute": 1}
ONE_AT_A_TIME = {"requests_per_minute": 0, "concurrent": 1}


async def test_a_stream_is_spelt_out() -> None:
    """An engine says events and bodies as a server writes them."""
    async with Harness.of(Limits, ONE_A_MINUTE) as harness:
        harness.engine.says(chunk("你"), chunk("好"), chunk(finish="stop"))
        (await harness.ask(chat("x", stream=True))).assert_answered("你好")
        harness.clock.move(70)
        harness.engine.says(Native(200, completion("one", "二")))
        assert (await harness.ask(chat("x"))).reply.contents == ("one", "二")


async def test_a_slot_is_free_when_its_exchange_has_ended() -> None:
    """Others are answered while one waits at the engine."""
    async with Harness.of(Limits, ONE_AT_A_TIME) as harness:
        async with harness.under_way(chat("first 第一")) as first:
            (await harness.ask(chat("second 第二"))).assert_blocked(by="concurrent", code="rate_limited")
        (await first.end()).assert_answered("first 第一")
        (await harness.ask(chat("third 第三"))).assert_answered()


async def test_workers_count_together() -> None:
    """What shares a store counts together, and what should and does not, does not start."""
    with pytest.raises(CannotStart, match="store"):
        async with Harness.of_chain(Used(Limits, ONE_A_MINUTE), workers=2):
            pass
    chain = Harness.of_chain(Used(Limits, ONE_A_MINUTE), workers=2, shared=True)
    async with chain as first, first.another_worker() as second:
        (await first.ask(chat("x"))).assert_answered()
        (await second.ask(chat("x"))).assert_blocked(by="requests_per_minute", code="rate_limited")


async def test_a_reload_forgets_nothing() -> None:
    """Another policy goes on where the one before was."""
    async with Harness.of(Limits, ONE_A_MINUTE) as harness:
        await harness.ask(chat("x"))
        await harness.reload(Harness.of(Limits, {"requests_per_minute": 2}))
        (await harness.ask(chat("x"))).assert_header("x-ratelimit-remaining-requests", "0")


async def test_nothing_passes_uncounted() -> None:
    """While the store is away nobody passes."""
    async with Harness.of(Limits, ONE_A_MINUTE) as harness:
        with harness.store_outage():
            (await harness.ask(chat("x"))).assert_failed("plugin_fault")
        harness.engine.fails(EngineError("away"))
        (await harness.ask(chat("x"))).assert_failed("engine_unavailable")


async def test_whoever_completes_twice_frees_one_slot() -> None:
    """Hooks can be called by hand, as no exchange calls them."""
    plugin, host = Limits(LimitsConfig(requests_per_minute=0, concurrent=1)), UnitHost()
    await plugin.start(host)
    first, second, third = (seen_by(Limits, chat("你好")) for _ in range(3))
    assert await plugin.on_request(first) is None
    for _ in range(2):
        await plugin.on_complete(first)
    assert await plugin.on_request(second) is None
    assert await plugin.on_request(third) is not None
