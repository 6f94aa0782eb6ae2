"""The plugin that stands before the engine: it asks, or answers in the engine's place, and changes nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.core.askers import (
    SECRET,
    STREAM,
    Asker,
    Given,
    RawAsker,
    Sender,
    chain,
    hooks,
    in_place,
    model,
    said,
    streamed_in_place,
)
from tests.core.probes import Masker, Probe, engine
from tests.core.streams import Tokens
from tests.core.test_rule_modes import masker
from tests.kit import Ledger, exchange, request, saying, step

from yumen import Answer, Ask, Block, Channel, Respond, StreamFilter, Usage
from yumen.policy.bundle import Match

COUNTED = [*STREAM, json.dumps({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}).encode()]


@pytest.mark.parametrize("stream", [False, True])
async def test_it_asks_and_hands_on(stream: bool) -> None:
    """What the engine gives passes by way of the plugin, which has seen the masked form and knows the engine."""
    asker = Asker()
    asked = model(stream)
    outcome = await exchange(chain(asker), asked, request(SECRET, stream=stream), egress="remote")
    assert (said(outcome), outcome.exchange.outcome) == ("fine", "ok")
    assert hooks(outcome) == [("on_ask", "allow", False)]
    assert len(asked.requests) == 1
    assert (outcome.exchange.egress, outcome.exchange.sent_form) == ("remote", "masked")
    assert b"SECRET" not in asker.views[0].canonical()


@pytest.mark.parametrize("mode", ["none", "shadow", "partly"])
@pytest.mark.parametrize("stream", [False, True])
async def test_it_is_passed_over_where_the_engine_gets_anything_else(mode: str, stream: bool) -> None:
    """Who may see the masked form only does not stand before an engine that is given any other; who sees raw text does."""
    for asker in (Asker(in_place), RawAsker(in_place)):
        masking = {"none": [], "shadow": [step(Masker("m", []), mode="shadow")], "partly": [masker(b="shadow")]}
        steps = [*masking[mode], step(asker)]
        asked = model(stream)
        outcome = await exchange(steps, asked, request("alpha 和 贝塔", stream=stream))
        sees_raw = asker.manifest.sees == "raw"
        assert outcome.exchange.masking == mode
        assert said(outcome) == ("来自缓存" if sees_raw else "fine")
        assert len(asker.views) == len(asked.requests) ^ 1 == sees_raw


@pytest.mark.parametrize(("action", "stream"), [(in_place, False), (in_place, True), (streamed_in_place, True)])
async def test_it_answers_in_the_engine_s_place(action: Any, stream: bool) -> None:
    """The engine is not asked, nothing is on record as sent, and the reply goes up the chain as an engine's would."""
    asked = model(stream)
    ledger = Ledger()
    steps = chain(Asker(action), step(ledger))
    outcome = await exchange(steps, asked, request(SECRET, stream=stream))
    assert said(outcome) == "来自缓存"
    assert asked.requests == []
    state = outcome.exchange
    assert (state.egress, state.sent_form, state.sent_bytes, state.engine) == ("", "", 0, "llm")
    assert hooks(outcome) == [("on_ask", "respond", False)]
    assert "来自缓存" in ledger.records[0]["reply"], "its words are masked text, as an engine's are"
    assert "engine" not in state.timings_ms


class Upper(StreamFilter):
    """Edits a stream, so that whoever gets it knows that it has passed."""

    def feed(self, text: str) -> str:
        return text.upper()


class Above(Probe):
    """Sees replies on their way up, plain and streamed, and edits them."""

    def stream(self, exchange: Any, channel: Channel) -> StreamFilter:
        return Upper()


@pytest.mark.parametrize("stream", [False, True])
async def test_plugins_above_see_it_as_they_see_an_engine_s(stream: bool) -> None:
    """Response hooks, filters and the masking plugin's restoring run on an answer in place as on a miss."""

    async def token(view: Any, ask: Ask) -> Given:
        return Answer(["about <S_1>"])

    def edit(view: Any) -> None:
        text = next(text for text in view.reply.texts if text.path.endswith("content"))
        text.replace(0, len(text.value), text.value.upper())

    replies = []
    for asker, asked in ((Asker(token), engine()), (Asker(), saying(Answer(["about <S_1>"])))):
        calls: list[str] = []
        steps = chain(asker, step(Above("above", calls, response=edit)))
        outcome = await exchange(steps, asked, request(SECRET, stream=stream))
        replies.append((said(outcome), calls))
    assert replies[0] == replies[1]
    assert replies[0][0] == "ABOUT SECRET"


async def test_a_plugin_above_may_refuse_it() -> None:
    """A block on the way up ends an exchange that was answered in place, as any other."""
    steps = chain(Asker(in_place), step(Probe("a", [], response=lambda view: Block("no"))))
    outcome = await exchange(steps, engine())
    assert outcome.code == "policy_blocked"
    assert "缓存" not in outcome.body.decode()


async def test_the_hook_before_an_engine_runs_only_where_one_is_asked() -> None:
    """`on_send` comes after `on_ask`, from the question on, and not at all for an answer in place."""
    for action, expected in ((None, ["s.request", "asker.ask", "s.send"]), (in_place, ["s.request", "asker.ask"])):
        calls: list[str] = []
        await exchange(chain(Asker(action, calls), step(Sender("s", calls))), engine())
        assert calls[: len(expected)] == expected
        assert ("s.send" in calls) == (action is None)


async def test_an_answer_from_the_hook_before_an_engine_is_handed_on() -> None:
    """Where another plugin answers right before the engine, the one that asked gets that, and it is no engine's."""
    steps = chain(Asker(), step(Sender("s", [], send=lambda view: Respond(Answer(["from s"]))), name="s"))
    asked = engine()
    outcome = await exchange(steps, asked)
    assert (outcome.content, asked.requests, outcome.exchange.engine) == ("from s", [], "plugin:s")


def replaces(view: Any) -> None:
    view.texts[-1].replace(0, 1, "X")


@pytest.mark.parametrize(
    "edit", [replaces, lambda view: view.require_masking("r"), lambda view: view.send_to("other", "r")]
)
async def test_it_changes_nothing_of_the_request(edit: Callable[[Any], Any]) -> None:
    """What leaves is made up by then: an edit or detour that came too late would only falsify the record."""

    async def edits(view: Any, ask: Ask) -> Given:
        edit(view)
        return await ask()

    asked = engine()
    outcome = await exchange(chain(RawAsker(edits)), asked, request(SECRET))
    assert (outcome.code, asked.requests) == ("plugin_fault", [])
    assert outcome.exchange.texts[-1].raw == SECRET


@pytest.mark.parametrize("stream", [False, True])
async def test_raw_words_are_not_taken_for_masked_ones(stream: bool) -> None:
    """What a plugin that sees raw text says in the engine's place is stored as a digest until something masks it."""

    async def echoes(view: Any, ask: Ask) -> Given:
        return Answer([view.texts[-1].value])

    ledger = Ledger()
    outcome = await exchange(
        [masker(), step(ledger), step(RawAsker(echoes))], engine(), request("alpha", stream=stream)
    )
    assert said(outcome) == "alpha"
    assert "alpha" not in json.dumps(ledger.records[0]["reply"])


async def test_it_hears_last_how_an_exchange_ended() -> None:
    """Whoever keeps replies is told after everybody else, and knows that the ledger could not be written."""

    class LedgerFull(Exception):
        code = "ledger_unavailable"

    def full(view: Any) -> None:
        raise LedgerFull

    calls: list[str] = []
    asker = Asker(calls=calls)
    steps = [step(Probe("a", calls, complete=full)), step(Masker("m", calls)), step(asker)]
    outcome = await exchange(steps, engine())
    assert (outcome.status, outcome.code) == (503, "ledger_unavailable")
    assert calls[-3:] == ["m.complete", "a.complete", "asker.complete"]
    (view,) = asker.views
    assert view.outcome == "ledger_unavailable"
    assert not view.clean


@pytest.mark.parametrize("wanted", [False, True])
async def test_the_usage_goes_to_whoever_asked_for_it(wanted: bool) -> None:
    """What is handed on may end with a usage that another client asked for; only who asked gets it; it counts for all."""
    more: dict[str, Any] = {"stream_options": {"include_usage": True}} if wanted else {}
    steps = [step(Tokens()), step(Asker())]
    outcome = await exchange(steps, saying(*COUNTED), request(stream=True, **more))
    assert ["usage" in event for event in outcome.events] == [False] * 3 + [True] * wanted
    assert outcome.exchange.reply.usage == Usage(3, 2)
    assert outcome.channel() == "fine"


async def test_a_usage_beside_text_leaves_the_text() -> None:
    """Servers that count in every event, or in the one that ends a choice, lose only the count."""
    usage = b',"usage":{"prompt_tokens":3,"completion_tokens":2}}'
    events = [event[:-1] + usage for event in STREAM]
    filters = b'{"choices":[],"prompt_filter_results":[1],"usage":null}'
    outcome = await exchange(chain(Asker()), saying(filters, *events), request(stream=True))
    assert outcome.channel() == "fine"
    assert not any("usage" in event for event in outcome.events)
    assert outcome.events[0] == {"choices": [], "prompt_filter_results": [1]}
    assert outcome.events[-1]["choices"][0]["finish_reason"] == "stop"


async def test_without_such_a_plugin_a_stream_is_as_its_server_makes_it() -> None:
    """Where nobody stands before the engine, a usage that it gives unasked stays."""
    outcome = await exchange([step(Masker("m", []))], saying(*COUNTED), request(stream=True))
    assert outcome.events[-1]["usage"]["prompt_tokens"] == 3


async def test_only_the_last_plugin_stands_before_the_engine() -> None:
    """One that does not stand last on this exchange is not asked, so that what stands behind it is not passed over."""
    calls: list[str] = []
    steps = [*chain(Asker(in_place)), step(Probe("last", calls))]
    outcome = await exchange(steps, engine())
    assert (outcome.content, calls[0]) == ("fine", "last.request")


async def test_it_needs_both_directions() -> None:
    """Where policy lets it look at one direction only, it does not stand between them."""
    for direction in ("request", "reply"):
        steps = chain(Asker(in_place), match=Match(directions=(direction,)))
        assert (await exchange(steps, engine())).content == "fine"
