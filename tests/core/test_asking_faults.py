"""Faults, refusals, timeouts, clients that leave, and shadow, where a plugin stands before the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.core.askers import (
    Asker,
    Closing,
    Given,
    Sender,
    Streaming,
    asked_and_failed,
    chain,
    fault,
    hooks,
    in_place,
    model,
    said,
    swallows,
)
from tests.core.probes import engine
from tests.kit import Ledger, exchange, request, saying, step

from yumen import Answer, Ask, Block, Delta, EngineError, Native, Respond
from yumen.testing import chunk, completion


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("on_error", ["closed", "open"])
async def test_a_fault_before_asking(on_error: str, stream: bool) -> None:
    """A plugin that fails ends the exchange, or, where policy says open, leaves the engine to be asked."""
    asked = model(stream)
    outcome = await exchange(chain(Asker(fault), on_error=on_error), asked, request(stream=stream))
    assert hooks(outcome) == [("on_ask", "fault", False)]
    if on_error == "closed":
        assert (outcome.code, asked.requests) == ("plugin_fault", [])
    else:
        assert (said(outcome), len(asked.requests)) == ("fine", 1)
    assert "138" not in f"{outcome.body!r}{outcome.frames!r}"


@pytest.mark.parametrize("knobs", [{}, {"on_error": "open"}, {"mode": "shadow"}])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_fault_after_asking(knobs: dict[str, str], stream: bool) -> None:
    """The engine is not asked twice. Its whole reply still counts where policy is to go on; a stream is lost, and closed."""
    events = Closing()
    asked = Streaming(events) if stream else engine()
    outcome = await exchange(chain(Asker(asked_and_failed), **knobs), asked, request(stream=stream))
    assert len(asked.requests) == 1
    if knobs and not stream:
        assert outcome.content == "fine"
    else:
        assert outcome.code == "plugin_fault"
    if stream:
        assert events.closed


async def test_closing_hides_nothing() -> None:
    """A stream that cannot be closed is no other fault than the one that ended the exchange."""
    events = Closing(RuntimeError("no"))
    asked = Streaming(events)
    outcome = await exchange(chain(Asker(asked_and_failed)), asked, request(stream=True))
    assert (outcome.code, events.closed) == ("plugin_fault", True)


async def test_a_stream_for_who_wanted_none_is_closed() -> None:
    """A stream where a plain reply was asked for is an engine's fault, whoever gave it, and stays open no longer."""
    stream = Closing()

    async def streams(view: Any, ask: Ask) -> Given:
        return stream

    outcome = await exchange(chain(Asker(streams)), engine())
    assert (outcome.code, stream.closed) == ("engine_unavailable", True)


async def test_it_asks_once() -> None:
    """A second question is an error of the plugin; the engine hears one."""

    async def twice(view: Any, ask: Ask) -> Given:
        seen = [ask.asked]
        await ask()
        assert [*seen, ask.asked] == [False, True]
        return await ask()

    asked = engine()
    outcome = await exchange(chain(Asker(twice)), asked)
    assert outcome.code == "plugin_fault"
    assert len(asked.requests) == 1
    assert [one.reason for one in outcome.exchange.trace if one.hook == "on_ask"] == ["RuntimeError"]


@pytest.mark.parametrize("given", [None, "text", 5, [chunk("a")], Respond(Answer(["a"])), Block("no")])
async def test_it_returns_what_an_engine_does(given: Any) -> None:
    """Anything else is a fault: a decision has no place here."""

    async def gives(view: Any, ask: Ask) -> Given:
        result: Given = given
        return result

    outcome = await exchange(chain(Asker(gives)), engine())
    assert outcome.code == "plugin_fault"
    assert [one.reason for one in outcome.exchange.trace if one.hook == "on_ask"] == ["TypeError"]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (EngineError("down"), "engine_unavailable"),
        (EngineError("late", timeout=True), "engine_timeout"),
        (ValueError("我的手机"), "engine_unavailable"),
    ],
)
@pytest.mark.parametrize("action", [None, swallows, asked_and_failed])
@pytest.mark.parametrize("knobs", [{}, {"on_error": "open"}, {"mode": "shadow"}])
async def test_an_engine_s_failure_is_the_exchange_s(
    reply: Exception, code: str, action: Any, knobs: dict[str, str]
) -> None:
    """What the engine failed with reaches the client as it would without the plugin, which cannot hide or rename it."""
    asked = saying(reply)
    outcome = await exchange(chain(Asker(action), **knobs), asked)
    assert outcome.code == code
    assert len(asked.requests) == 1


REJECTED = Native(429, b'{"error":{"message":"slow down"}}', {"retry-after": "7"})


async def test_an_engine_s_refusal_passes() -> None:
    """An error that the engine itself wrote is its reply, with the delay that it names."""
    outcome = await exchange(chain(Asker()), saying(REJECTED))
    assert (outcome.status, outcome.exchange.outcome) == (429, "engine_rejected")
    assert outcome.exchange.reply.retry_after == "7"


@pytest.mark.parametrize("delay", ["²", "７", "-1", "1e9", "Sun, 06 Nov 1994 08:49:37 GMT"])
async def test_a_delay_that_is_no_number_does_not_pass(delay: str) -> None:
    """A header of the reply is made of what an engine says; only digits get there."""
    outcome = await exchange(chain(Asker()), saying(Native(429, REJECTED.body, {"retry-after": delay})))
    assert (outcome.status, outcome.exchange.reply.retry_after) == (429, "")


@pytest.mark.parametrize("action", [None, swallows])
@pytest.mark.parametrize("knobs", [{}, {"on_error": "open"}, {"mode": "shadow"}])
async def test_a_verdict_on_the_way_out_cannot_be_undone(action: Any, knobs: dict[str, str]) -> None:
    """A plugin that keeps the request here has the last word, whatever the one before the engine makes of it."""
    asked = engine()
    steps = chain(Asker(action), step(Sender("s", [], send=lambda view: Block("no"))), **knobs)
    outcome = await exchange(steps, asked)
    assert outcome.code == "policy_blocked"
    assert (asked.requests, outcome.exchange.egress) == ([], "")


@pytest.mark.parametrize("asks", [False, True])
async def test_the_engine_s_time_is_the_route_s(asks: bool) -> None:
    """Whether the engine hangs or the plugin does, the exchange ends with the route's timeout, and says that it was late."""

    async def hangs() -> None:
        await asyncio.sleep(3600)

    async def waits(view: Any, ask: Ask) -> Given:
        assert 0 < ask.left_s <= 0.05
        if asks:
            return await ask()
        await hangs()
        raise AssertionError

    outcome = await exchange(chain(Asker(waits)), saying(hangs, completion("a")), timeout_ms=50)
    assert outcome.code == "engine_timeout"


async def test_it_may_give_what_it_has_when_time_is_over() -> None:
    """For a moment after the engine's time a plugin may still answer, and cannot ask any more."""

    async def late(view: Any, ask: Ask) -> Given:
        await asyncio.sleep(ask.left_s)
        assert ask.left_s == 0
        return Answer(["better late"])

    outcome = await exchange(chain(Asker(late)), engine(), timeout_ms=20)
    assert outcome.content == "better late"


async def test_a_timeout_of_its_own_is_its_own_fault() -> None:
    """While the engine has time left, a TimeoutError is the plugin's, under its policy."""

    async def times_out(view: Any, ask: Ask) -> Given:
        raise TimeoutError

    assert (await exchange(chain(Asker(times_out)), engine())).code == "plugin_fault"
    assert (await exchange(chain(Asker(times_out), on_error="open"), engine())).content == "fine"


async def test_an_engine_s_error_of_the_plugin_s_own() -> None:
    """A plugin may end the exchange as an engine does; in shadow it may not, and the engine is asked."""

    async def raises(view: Any, ask: Ask) -> Given:
        raise EngineError("the stream that was followed broke")

    asked = engine()
    assert (await exchange(chain(Asker(raises)), asked)).code == "engine_unavailable"
    assert asked.requests == []
    assert (await exchange(chain(Asker(raises), mode="shadow"), asked)).content == "fine"


async def test_a_plugin_that_cancels_itself() -> None:
    """A cancellation that nobody asked for is a fault of the plugin, not the end of the task."""

    async def cancels(view: Any, ask: Ask) -> Given:
        raise asyncio.CancelledError

    assert (await exchange(chain(Asker(cancels)), engine())).code == "plugin_fault"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_ends_the_wait(stream: bool) -> None:
    """Cancelled while the engine is asked or the plugin waits, the exchange ends so, and no policy makes it go on."""
    waiting = asyncio.Event()

    async def hangs() -> None:
        waiting.set()
        await asyncio.sleep(3600)

    asked = saying(hangs, completion("a"))
    steps = chain(Asker(), on_error="open")
    task = asyncio.create_task(exchange(steps, asked, request(stream=stream), timeout_ms=60_000))
    await asyncio.wait_for(waiting.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(asked.requests) == 1


async def test_a_client_that_leaves_closes_the_stream() -> None:
    """The iterator that a plugin returned is closed with what it stands before, however far it has come."""
    closed = asyncio.Event()

    async def wraps(view: Any, ask: Ask) -> Given:
        given = await ask()
        assert not isinstance(given, Answer | Native)

        async def events() -> AsyncIterator[Delta | bytes]:
            try:
                async for event in given:
                    yield event
            finally:
                closed.set()

        return events()

    sent = asyncio.Event()

    async def hangs() -> None:
        await asyncio.sleep(3600)

    async def on_frame(data: bytes) -> None:
        sent.set()

    asked = saying(chunk("a"), hangs)
    task = asyncio.create_task(
        exchange(chain(Asker(wraps)), asked, request(stream=True), timeout_ms=60_000, on_frame=on_frame)
    )
    await asyncio.wait_for(sent.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("action", [in_place, fault])
async def test_in_shadow_the_engine_answers(action: Any, stream: bool) -> None:
    """In shadow what would have been answered is on record, a fault is too, and the engine is asked all the same."""
    asked = model(stream)
    outcome = await exchange(chain(Asker(action), mode="shadow"), asked, request(stream=stream))
    assert (said(outcome), len(asked.requests)) == ("fine", 1)
    assert hooks(outcome) == [("on_ask", "respond" if action is in_place else "fault", True)]


async def test_in_shadow_nothing_is_put_in_the_place_of_a_reply() -> None:
    """A plugin in shadow that asks and says something else has said it to nobody, and a stream of its own is closed."""

    async def changes(view: Any, ask: Ask) -> Given:
        await ask()
        return Answer(["something else"])

    assert (await exchange(chain(Asker(changes), mode="shadow"), engine())).content == "fine"
    stream = Closing()

    async def streams(view: Any, ask: Ask) -> Given:
        return stream

    outcome = await exchange(chain(Asker(streams), mode="shadow"), model(True), request(stream=True))
    assert (outcome.channel(), stream.closed) == ("fine", True)


@pytest.mark.parametrize("stream", [False, True])
async def test_what_fails_after_the_record_is_nobody_else_s(stream: bool) -> None:
    """The last completion hook comes after the ledger has said how it went, which stays true: the reply goes out."""

    class Forgetful(Asker):
        async def on_complete(self, exchange: Any) -> None:
            raise RuntimeError("cannot keep this")

    ledger = Ledger()
    outcome = await exchange(chain(Forgetful(), step(ledger)), model(stream), request(stream=stream))
    assert (said(outcome), outcome.exchange.outcome) == ("fine", "ok")
    assert ledger.records[0]["outcome"] == "ok"
    assert outcome.exchange.trace[-1].decision == "fault"
