"""The plugin in a real chain: what the client of a refused exchange gets, and that slots always come back."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest
from tests.kit import Outcome, ScriptedEngine, chunk, completion, exchange, request, step
from tests.plugins.limits.asked import HeldHost, started

from yumen import Block, Decision, EngineError, Exchange, Manifest, Mode, NoConfig, Plugin
from yumen.policy.bundle import RulePolicy
from yumen.step import Step
from yumen_plugins.limits import Limits


class Breaks(Plugin[NoConfig]):
    """Stands below and ends every exchange as it is told."""

    manifest: ClassVar[Manifest] = Manifest(name="breaks", version="1")

    def __init__(self, how: str) -> None:
        super().__init__(NoConfig())
        self.how = how

    async def on_request(self, exchange: Exchange) -> Decision | None:
        if self.how == "fault":
            raise RuntimeError
        return Block("no") if self.how == "block" else None


async def test_a_refused_exchange_is_a_429_that_says_when_to_come_back() -> None:
    """The client gets the stable code, the delay in whole seconds, and the headers that say what is left."""
    plugin = await started(HeldHost(), requests_per_minute=1)
    engine = ScriptedEngine(completion("hello", "你好"))
    first = await exchange([step(plugin)], engine)
    refused = await exchange([step(plugin)], engine)
    assert (first.status, refused.status, refused.code) == (200, 429, "rate_limited")
    assert refused.exchange.reply.retry_after == "70"
    assert first.exchange.headers["x-ratelimit-remaining-requests"] == "0"
    assert refused.exchange.headers["x-ratelimit-remaining-requests"] == "0"
    assert len(engine.requests) == 1


@pytest.mark.parametrize("text", ["word " * 100, "字" * 101])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_too_long_is_a_413(text: str, stream: bool) -> None:
    """The ceiling on tokens holds for plain and streamed requests, in any script; the engine never sees the request."""
    plugin = await started(HeldHost(), input_tokens=100)
    engine = ScriptedEngine(completion("x"))
    outcome = await exchange([step(plugin)], engine, request(text, stream=stream))
    assert (outcome.status, outcome.code) == (413, "payload_too_large")
    assert not engine.requests


@pytest.mark.parametrize(
    ("how", "reply"),
    [
        ("", completion("hello")),
        ("", EngineError("down")),
        ("block", completion("hello")),
        ("fault", completion("hello")),
    ],
)
async def test_every_end_of_an_exchange_frees_its_slot(how: str, reply: Any) -> None:
    """Success, engine failure, a block and a fault below: the next exchange finds the slot free."""
    plugin = await started(HeldHost(), concurrent=1)
    steps = [step(plugin), step(Breaks(how))]
    for _ in range(3):
        outcome = await exchange(steps, ScriptedEngine(reply))
        assert outcome.status != 429


@pytest.mark.parametrize("reply", [[chunk("hel"), chunk("lo", "stop")], [chunk("hel"), EngineError("cut")]])
async def test_every_end_of_a_stream_frees_its_slot(reply: list[Any]) -> None:
    """A stream holds its slot until its last frame, whole or broken."""
    plugin = await started(HeldHost(), concurrent=1)
    for _ in range(3):
        outcome = await exchange([step(plugin)], ScriptedEngine(reply), request(stream=True))
        assert outcome.status == 200


async def test_exchanges_at_the_same_time_share_the_slots() -> None:
    """While one exchange waits for its engine, another of the same key is refused."""
    plugin = await started(HeldHost(), concurrent=1)
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        arrived.set()
        await go_on.wait()

    waiting = asyncio.create_task(exchange([step(plugin)], ScriptedEngine(completion("x"), wait)))
    await arrived.wait()
    refused = await exchange([step(plugin)], ScriptedEngine(completion("x")))
    go_on.set()
    assert (refused.status, (await waiting).status) == (429, 200)
    assert (await exchange([step(plugin)], ScriptedEngine(completion("x")))).status == 200


async def test_in_shadow_nobody_is_refused() -> None:
    """Shadow counts and notes what it would have done, and applies nothing."""
    plugin = await started(HeldHost(), requests_per_minute=1)
    outcomes = [await exchange([step(plugin, mode="shadow")], ScriptedEngine(completion("x"))) for _ in range(3)]
    assert [outcome.status for outcome in outcomes] == [200] * 3
    trace = [entry for entry in outcomes[-1].exchange.trace if entry.hook == "on_request"]
    assert [(entry.decision, entry.reason, entry.shadow) for entry in trace] == [("block", "requests_per_minute", True)]


def ruled(plugin: Limits, **modes: Mode) -> Step:
    """The plugin under a policy that gives some of its rules a mode."""
    rules = {rule.id: RulePolicy(id=rule.id, mode=modes.get(rule.id, "enforce")) for rule in plugin.rules()}
    return step(plugin, rules=rules)


def would_block(outcome: Outcome) -> list[str]:
    """The rules in shadow that would have ended an exchange."""
    return [one.reason for one in outcome.exchange.trace if one.shadow and one.decision == "block"]


async def send(one: Step, body: bytes | None = None) -> Outcome:
    return await exchange([one], ScriptedEngine(completion("x")), body)


@pytest.mark.parametrize("mode", ["shadow", "off"])
async def test_a_quiet_rule_hides_no_other(mode: Mode) -> None:
    """Where a rule in shadow or off would refuse, the next ones have their say all the same; shadow leaves a note."""
    plugin = await started(HeldHost(), body_bytes=10, input_tokens=3, concurrent=9, requests_per_minute=1)
    limited = ruled(plugin, body_bytes=mode, concurrent=mode)
    long = await send(limited, request("这句话太长"))
    assert (long.code, long.exchange.trace[0].reason) == ("payload_too_large", "input_tokens")
    assert would_block(long) == (["body_bytes"] if mode == "shadow" else [])
    outcomes = [await send(limited, request("短")) for _ in range(2)]
    assert [outcome.status for outcome in outcomes] == [200, 429]


async def test_a_counting_rule_in_shadow_counts_and_refuses_nobody() -> None:
    """It says what it would have done, counts as it would have, and tells the caller nothing."""
    host = HeldHost()
    plugin = await started(host, requests_per_minute=1, requests_per_minute_tenant=3)
    outcomes = [await send(ruled(plugin, requests_per_minute="shadow")) for _ in range(4)]
    assert [outcome.status for outcome in outcomes] == [200, 200, 200, 429]
    assert [would_block(outcome) for outcome in outcomes] == [[], *[["requests_per_minute"]] * 3]
    headers = outcomes[1].exchange.headers
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("3", "1")
    alone = await send(ruled(plugin, requests_per_minute="shadow", requests_per_minute_tenant="shadow"))
    assert alone.status == 200
    assert not [name for name in alone.exchange.headers if name.startswith("x-ratelimit")]


async def test_what_an_enforced_rule_refuses_a_rule_in_shadow_does_not_count() -> None:
    """A request that was refused counts nowhere, whatever the mode of the rule that had let it pass."""
    host = HeldHost()
    plugin = await started(host, requests_per_minute=2, requests_per_minute_tenant=1)
    limited = ruled(plugin, requests_per_minute="shadow")
    assert [(await send(limited)).status for _ in range(5)] == [200, 429, 429, 429, 429]
    open_again = await send(ruled(plugin, requests_per_minute="enforce", requests_per_minute_tenant="off"))
    assert open_again.exchange.headers["x-ratelimit-remaining-requests"] == "0"
    assert open_again.status == 200


async def test_a_rule_that_is_off_does_not_count() -> None:
    """After any number of exchanges that it does not look at, the whole limit is still there."""
    plugin = await started(HeldHost(), requests_per_minute=1, concurrent=1)
    for _ in range(5):
        assert (await send(ruled(plugin, requests_per_minute="off", concurrent="off"))).status == 200
    assert [(await send(ruled(plugin))).status for _ in range(2)] == [200, 429]


async def test_slots_in_shadow_are_taken_and_freed() -> None:
    """While one exchange is under way another is noted as one too many, passes, and frees nobody else's slot."""
    plugin = await started(HeldHost(), concurrent=1)
    limited = ruled(plugin, concurrent="shadow")
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        arrived.set()
        await go_on.wait()

    waiting = asyncio.create_task(exchange([limited], ScriptedEngine(completion("x"), wait)))
    await arrived.wait()
    seconds = [await send(limited) for _ in range(2)]
    go_on.set()
    first = await waiting
    assert [outcome.status for outcome in (first, *seconds)] == [200] * 3
    assert [would_block(outcome) for outcome in (first, *seconds)] == [[], ["concurrent"], ["concurrent"]]
    assert would_block(await send(limited)) == []
