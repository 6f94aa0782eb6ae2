"""The hook right before an engine is asked: it knows what leaves, can stop it, and cannot change it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.core.probes import Masker, Probe, engine
from tests.kit import exchange, request, saying, step

from yumen import Answer, Block, Respond
from yumen.testing import chunk

STREAM = [chunk("fi"), chunk("ne"), chunk(finish="stop")]


class Sender(Probe):
    """A probe with the hook."""

    async def on_send(self, exchange: Any) -> Any:
        return await self._run("send", exchange)


@pytest.mark.parametrize("stream", [False, True])
async def test_it_knows_what_leaves(stream: bool) -> None:
    """Engine, egress, form and bytes are known, and they are what the engine is given right afterwards."""
    seen: list[Any] = []

    def look(view: Any) -> None:
        seen.append((view.engine, view.egress, view.sent_form, view.sent_bytes, [one.value for one in view.texts]))

    calls: list[str] = []
    model = saying(*STREAM) if stream else engine()
    chain = [step(Sender("a", calls, send=look)), step(Masker("m", calls)), step(Sender("b", calls))]
    outcome = await exchange(chain, model, request("my SECRET 秘密", stream=stream), egress="remote")
    assert outcome.status == 200
    assert calls[:5] == ["a.request", "m.request", "b.request", "a.send", "b.send"]
    ((name, egress, form, size, texts),) = seen
    assert (name, egress, form, size) == ("llm", "remote", "masked", len(model.requests[-1].body))
    assert any("SECRET" in text for text in texts), "this probe sees raw"
    assert [one.hook for one in outcome.exchange.trace].count("on_send") == 2


def fault(view: Any) -> None:
    raise RuntimeError("我的手机 13812345678")


async def late(view: Any) -> None:
    await asyncio.sleep(5)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("action", "code", "knobs"),
    [
        (lambda view: Block("no"), "policy_blocked", {}),
        (fault, "plugin_fault", {}),
        (late, "plugin_fault", {"timeout_ms": 30}),
    ],
)
async def test_what_stops_it_sends_nothing(
    action: Callable[[Any], Any], code: str, knobs: dict[str, Any], stream: bool
) -> None:
    """A block, a fault and a timeout end the exchange: no engine is asked, the record says so, all others complete."""
    calls: list[str] = []
    model = saying(*STREAM) if stream else engine()
    chain = [step(Probe("a", calls)), step(Sender("b", calls, send=action), **knobs), step(Sender("c", calls))]
    outcome = await exchange(chain, model, request(stream=stream))
    assert outcome.code == code
    assert model.requests == []
    state = outcome.exchange
    assert (state.egress, state.sent_form, state.sent_bytes) == ("", "", 0)
    assert calls[3:] == ["b.send", *(f"{name}.{hook}" for hook in ("response", "complete") for name in "cba")]


@pytest.mark.parametrize("knobs", [{"on_error": "open"}, {"mode": "shadow"}])
async def test_policy_may_let_it_go_on(knobs: dict[str, Any]) -> None:
    """Where policy says open or shadow, a fault is on record and the engine is asked all the same."""
    model = engine()
    outcome = await exchange([step(Sender("a", [], send=fault), **knobs)], model)
    assert outcome.status == 200
    assert len(model.requests) == 1
    assert [(one.hook, one.decision) for one in outcome.exchange.trace if one.hook == "on_send"] == [
        ("on_send", "fault")
    ]
    assert outcome.exchange.egress == "local"


def replaces(view: Any) -> None:
    view.texts[-1].replace(0, 1, "X")


def masks(view: Any) -> None:
    view.texts[-1].mask(0, 1, "X")


@pytest.mark.parametrize(
    "action",
    [replaces, masks, lambda view: view.require_masking("r"), lambda view: view.send_to("other", "r")],
)
async def test_it_may_not_change_what_leaves(action: Callable[[Any], Any]) -> None:
    """What leaves is made up by then: an edit, a detour or a demand for masking is a fault, which closes."""

    class Late(Masker):
        async def on_send(self, exchange: Any) -> Any:
            return await self._run("send", exchange)

    model = engine()
    outcome = await exchange([step(Late("m", [], send=action))], model, request("my SECRET"))
    assert outcome.code == "plugin_fault"
    assert model.requests == []


async def test_a_masker_that_failed_open_does_not_settle_here() -> None:
    """The hook of a masking plugin does not make masked text of what it has never masked."""

    class Failing(Masker):
        async def on_request(self, exchange: Any) -> Any:
            raise RuntimeError("no")

        async def on_send(self, exchange: Any) -> Any:
            return None

    outcome = await exchange([step(Failing("m", []), on_error="open")], engine(), request("my SECRET"))
    assert outcome.exchange.masking == "none"
    assert outcome.exchange.sent_form == "raw"
    assert all(text.masked is None for text in outcome.exchange.texts)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_plugin_may_answer_in_the_engine_s_place(stream: bool) -> None:
    """The exchange turns round there: nothing has been sent, and the reply is the plugin's."""
    model = engine()
    sender = Sender("a", [], send=lambda view: Respond(Answer(["来自缓存"])))
    outcome = await exchange([step(sender, name="near")], model, request(stream=stream))
    assert (outcome.channel() if stream else outcome.content) == "来自缓存"
    assert model.requests == []
    assert (outcome.exchange.engine, outcome.exchange.engine_version) == ("plugin:near", "")
    assert outcome.exchange.sent_form == ""


async def test_an_exchange_that_does_not_get_so_far_does_not_ask() -> None:
    """Where a plugin has blocked or answered, and on directions that leave requests out, the hook does not run."""
    for action in (lambda view: Block("no"), lambda view: Respond(Answer(["hi"]))):
        calls: list[str] = []
        await exchange([step(Sender("a", calls)), step(Probe("b", calls, request=action))], engine())
        assert "a.send" not in calls
