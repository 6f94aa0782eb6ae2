"""The engine that is asked where a route's own fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.core.probes import Masker, Probe, engine
from tests.kit import exchange, given_to, request, saying, step

from yumen import Block, EngineError
from yumen.engine import RequestRefused
from yumen.target import Target
from yumen.testing import ScriptedEngine, chunk, completion

STREAM = [chunk("fi"), chunk("ne"), chunk(finish="stop")]
FAILURES = [
    EngineError("down"),
    EngineError("late", timeout=True),
    EngineError("busy", retry_after_s=3),
    ValueError("我的手机 13812345678"),
]


class Sender(Probe):
    """A probe with the hook right before an engine is asked."""

    async def on_send(self, exchange: Any) -> Any:
        return await self._run("send", exchange)


def other(*said: Any, egress: str = "local") -> Target:
    """The engine to fall back on."""
    return Target.of("spare", saying(*said), egress)


def asked(target: Target) -> ScriptedEngine:
    """What it was asked."""
    assert isinstance(target.engine, ScriptedEngine)
    return target.engine


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("failure", FAILURES, ids=lambda one: type(one).__name__ + str(one)[:4])
async def test_another_engine_answers(failure: Exception, stream: bool) -> None:
    """Whatever keeps an engine from answering, the caller gets the other one's reply, and the exchange says whose it is."""
    spare = other(*(STREAM if stream else [completion("spare")]))
    seen: list[Any] = []
    look = Sender("a", [], send=lambda view: seen.append((view.engine, view.egress)))
    outcome = await exchange([step(look)], saying(failure), request(stream=stream), fallback=spare)
    assert outcome.status == 200
    assert outcome.channel() == "fine" if stream else outcome.content == "spare"
    assert (outcome.exchange.engine, outcome.exchange.outcome) == ("spare", "ok")
    assert seen == [("llm", "local"), ("spare", "local")]


async def test_it_is_not_kept_as_the_first_ones() -> None:
    """A reply of the other engine is not clean: it must not be given again where the first one is asked."""
    kept: list[bool] = []
    look = Probe("a", [], response=lambda view: kept.append(view.clean))
    await exchange([step(look)], saying(EngineError("down")), fallback=other(completion("spare")))
    await exchange([step(look)], engine(), fallback=other(completion("spare")))
    assert kept == [False, True]


async def test_a_refused_request_is_refused_once() -> None:
    """What the first engine calls a bad request is one: the caller hears why, and nobody else is asked."""
    spare = other(completion("spare"))
    refusal = RequestRefused("`x` has another shape than the model takes.", param="x")
    outcome = await exchange([], saying(refusal), fallback=spare)
    assert (outcome.status, outcome.code) == (400, "bad_request")
    assert outcome.json["error"]["param"] == "x"
    assert asked(spare).requests == []


async def test_a_verdict_is_no_failure() -> None:
    """A plugin that stops an exchange before the engine is asked stops it for every engine."""
    spare = other(completion("spare"))
    outcome = await exchange([step(Sender("a", [], send=lambda _: Block("no")))], engine(), fallback=spare)
    assert outcome.code == "policy_blocked"
    assert asked(spare).requests == []


async def test_both_fail() -> None:
    """Where the other one fails too, the caller hears of that one's failure, once."""
    outcome = await exchange([], saying(EngineError("down")), fallback=other(EngineError("full", retry_after_s=7)))
    assert (outcome.status, outcome.code) == (503, "engine_unavailable")
    assert outcome.exchange.reply.retry_after == "7"


async def test_the_time_is_the_routes() -> None:
    """Both together have as long as the route gives an engine: where the first has used it up, the other is not asked."""
    spare = other(completion("spare"))

    async def slow() -> None:
        await asyncio.sleep(5)

    outcome = await exchange([], saying(slow, completion("late")), timeout_ms=50, fallback=spare)
    assert outcome.code == "engine_timeout"
    assert asked(spare).requests == []


async def test_raw_text_does_not_leave_by_way_of_it() -> None:
    """A remote engine gets masked text only, also in the place of a local one that may have the raw text."""
    remote = other(completion("spare"), egress="remote")
    failing = saying(EngineError("down"))
    outcome = await exchange([step(Probe("a", []))], failing, request("my SECRET 秘密"), fallback=remote)
    assert outcome.code == "plugin_fault"
    assert asked(remote).requests == []
    outcome = await exchange([step(Masker("m", []))], failing, request("my SECRET 秘密"), fallback=remote)
    assert outcome.status == 200
    assert "SECRET" not in given_to(asked(remote))
    assert "秘密" not in given_to(asked(remote))
