"""What the client of a refused exchange gets, that slots always come back, and what rules in shadow or off do."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import msgspec
import pytest

from yumen import Block, Decision, EngineError, Exchange, Manifest, Mode, Plugin
from yumen.testing import Harness, Pause, Piece, Used, chat
from yumen_plugins.limits import Limits

ASKED = chat("hello 你好")


class How(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    how: Literal["", "block", "fault"] = ""


class Breaks(Plugin[How]):
    """Stands below and ends every exchange as it is told."""

    manifest: ClassVar[Manifest] = Manifest(name="breaks", version="1")

    async def on_request(self, exchange: Exchange) -> Decision | None:
        if self.config.how == "fault":
            raise RuntimeError
        return Block("no") if self.config.how == "block" else None


def limited(modes: dict[str, Mode] | None = None, mode: Mode = "enforce", **config: Any) -> Harness:
    """The plugin with every rule off but those that are given, under a policy that gives some of them a mode."""
    rules = {rule: {"mode": quiet} for rule, quiet in (modes or {}).items()}
    knobs = {"mode": mode, **({"rules": rules} if rules else {})}
    return Harness.of(Limits, {"requests_per_minute": 0, **config}, **knobs)


async def test_a_refused_exchange_is_a_429_that_says_when_to_come_back() -> None:
    """The client gets the stable code, the delay in whole seconds, and the headers that say what is left."""
    async with limited(requests_per_minute=1) as harness:
        first, refused = await harness.ask_all(ASKED, ASKED)
    first.assert_answered("hello 你好")
    refused.assert_blocked(by="requests_per_minute", code="rate_limited")
    assert refused.status == 429
    refused.assert_header("retry-after", "70")
    for outcome in (first, refused):
        outcome.assert_header("x-ratelimit-remaining-requests", "0")
    refused.assert_engine_not_asked()


@pytest.mark.parametrize("text", ["word " * 100, "字" * 101])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_too_long_is_a_413(text: str, stream: bool) -> None:
    """The ceiling on tokens holds for plain and streamed requests, in any script; the engine never sees the request."""
    async with limited(input_tokens=100) as harness:
        outcome = await harness.ask(chat(text, stream=stream))
    outcome.assert_blocked(by="input_tokens", code="payload_too_large")
    assert outcome.status == 413
    outcome.assert_engine_not_asked()


@pytest.mark.parametrize(
    ("how", "says", "code"),
    [
        ("", "hello", ""),
        ("", EngineError("down"), "engine_unavailable"),
        ("block", "hello", "policy_blocked"),
        ("fault", "hello", "plugin_fault"),
    ],
)
async def test_every_end_of_an_exchange_frees_its_slot(how: str, says: Piece, code: str) -> None:
    """Success, engine failure, a block and a fault below: the next exchange finds the slot free."""
    slots = Used(Limits, {"requests_per_minute": 0, "concurrent": 1})
    async with Harness.of_chain(slots, Used(Breaks, {"how": how})) as harness:
        harness.engine.says(says)
        assert [outcome.code for outcome in await harness.ask_all(ASKED, ASKED, ASKED)] == [code] * 3


@pytest.mark.parametrize("says", [["hel", "lo"], ["hel", EngineError("cut")]])
async def test_every_end_of_a_stream_frees_its_slot(says: list[Piece]) -> None:
    """A stream holds its slot until its last frame, whole or broken."""
    streamed = chat("hello", stream=True)
    async with limited(concurrent=1) as harness:
        harness.engine.says(*says)
        outcomes = await harness.ask_all(streamed, streamed, streamed)
    assert [outcome.status for outcome in outcomes] == [200] * 3
    assert all(outcome.text.startswith("hel") for outcome in outcomes)


async def test_a_client_that_leaves_frees_its_slot() -> None:
    """Whoever leaves in the middle of a stream keeps nobody else from asking."""
    async with limited(concurrent=1) as harness:
        harness.engine.says("one", "two", Pause())
        for _ in range(3):
            left = await harness.ask(chat("x", stream=True).leaving(1))
            assert left.record is not None
            assert left.record.outcome == "client_disconnect"


async def test_exchanges_at_the_same_time_share_the_slots() -> None:
    """While one exchange waits for its engine, another of the same key is refused."""
    async with limited(concurrent=1) as harness:
        async with harness.under_way(ASKED) as waiting:
            (await harness.ask(ASKED)).assert_blocked(by="concurrent", code="rate_limited")
        (await waiting.end()).assert_answered()
        (await harness.ask(ASKED)).assert_answered()


async def test_in_shadow_nobody_is_refused() -> None:
    """Shadow counts and notes what it would have done, and applies nothing."""
    async with limited(mode="shadow", requests_per_minute=1) as harness:
        outcomes = await harness.ask_all(ASKED, ASKED, ASKED)
    for outcome in outcomes:
        outcome.assert_answered()
    assert [outcome.shadow for outcome in outcomes] == [set(), *[{"requests_per_minute"}] * 2]


@pytest.mark.parametrize("mode", ["shadow", "off"])
async def test_a_quiet_rule_hides_no_other(mode: Mode) -> None:
    """Where a rule in shadow or off would refuse, the next ones have their say all the same; shadow leaves a note."""
    quiet: dict[str, Mode] = {"body_bytes": mode, "concurrent": mode}
    async with limited(quiet, body_bytes=10, input_tokens=3, concurrent=9, requests_per_minute=1) as harness:
        long = await harness.ask(chat("这句话太长"))
        long.assert_blocked(by="input_tokens", code="payload_too_large")
        assert long.shadow == ({"body_bytes"} if mode == "shadow" else set())
        outcomes = await harness.ask_all(chat("短"), chat("短"))
    assert [outcome.status for outcome in outcomes] == [200, 429]


async def test_a_counting_rule_in_shadow_counts_and_refuses_nobody() -> None:
    """It says what it would have done, counts as it would have, and tells the caller nothing."""
    config: dict[str, Any] = {"requests_per_minute": 1, "requests_per_minute_tenant": 3}
    async with limited({"requests_per_minute": "shadow"}, **config) as harness:
        outcomes = await harness.ask_all(ASKED, ASKED, ASKED, ASKED)
        assert [outcome.status for outcome in outcomes] == [200, 200, 200, 429]
        assert [outcome.shadow for outcome in outcomes] == [set(), *[{"requests_per_minute"}] * 3]
        for outcome in outcomes[:3]:
            outcome.assert_header("x-ratelimit-limit-requests", "3")
        outcomes[1].assert_header("x-ratelimit-remaining-requests", "1")
        await harness.reload(limited(dict.fromkeys(config, "shadow"), **config))
        alone = await harness.ask(ASKED)
        alone.assert_answered()
        assert alone.shadow == {"requests_per_minute", "requests_per_minute_tenant"}
        assert not [name for name in alone.headers if name.startswith("x-ratelimit")]


async def test_what_an_enforced_rule_refuses_a_rule_in_shadow_does_not_count() -> None:
    """A request that was refused counts nowhere, whatever the mode of the rule that had let it pass."""
    config: dict[str, Any] = {"requests_per_minute": 2, "requests_per_minute_tenant": 1}
    async with limited({"requests_per_minute": "shadow"}, **config) as harness:
        assert [outcome.status for outcome in await harness.ask_all(*[ASKED] * 5)] == [200, 429, 429, 429, 429]
        await harness.reload(limited({"requests_per_minute_tenant": "off"}, **config))
        open_again = await harness.ask(ASKED)
    open_again.assert_answered()
    open_again.assert_header("x-ratelimit-remaining-requests", "0")


async def test_a_rule_that_is_off_does_not_count() -> None:
    """After any number of exchanges that it does not look at, the whole limit is still there."""
    config: dict[str, Any] = {"requests_per_minute": 1, "concurrent": 1}
    async with limited(dict.fromkeys(config, "off"), **config) as harness:
        for outcome in await harness.ask_all(*[ASKED] * 5):
            outcome.assert_answered()
        await harness.reload(limited(**config))
        assert [outcome.status for outcome in await harness.ask_all(ASKED, ASKED)] == [200, 429]


async def test_slots_in_shadow_are_taken_and_freed() -> None:
    """While one exchange is under way another is noted as one too many, passes, and frees nobody else's slot."""
    async with limited({"concurrent": "shadow"}, concurrent=1) as harness:
        async with harness.under_way(ASKED) as waiting:
            seconds = await harness.ask_all(ASKED, ASKED)
        outcomes = [await waiting.end(), *seconds, await harness.ask(ASKED)]
    for outcome in outcomes:
        outcome.assert_answered()
    assert [outcome.shadow for outcome in outcomes] == [set(), {"concurrent"}, {"concurrent"}, set()]
