"""`Exchange.clean`: a reply may be kept only where nothing at all went otherwise than policy means it to go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from tests.core.probes import Masker, Probe
from tests.core.streams import VALUE, Tokens
from tests.kit import exchange, request, saying, step

from yumen import (
    Answer,
    Ask,
    Block,
    Channel,
    EngineError,
    Events,
    Manifest,
    Native,
    NoConfig,
    Plugin,
    Respond,
    StreamFilter,
    Unsupported,
)
from yumen.forms import FINDINGS_MAX
from yumen.step import Step
from yumen.testing import chunk, completion
from yumen.view import View

STREAM = [chunk("fi"), chunk("ne"), chunk(finish="stop")]


class Keeper(Plugin[NoConfig]):
    """Stands before the engine, and notes whether all was well once it is told how the exchange ended."""

    manifest: ClassVar[Manifest] = Manifest(name="keeper", version="1", sees="masked", stores="masked")

    def __init__(self, answer: Answer | None = None) -> None:
        super().__init__(NoConfig())
        self.answer = answer
        self.clean: list[bool] = []

    async def on_ask(self, exchange: Any, ask: Ask) -> Answer | Native | Events:
        assert not exchange.clean, "there is no reply yet"
        return self.answer or await ask()

    async def on_complete(self, exchange: Any) -> None:
        self.clean.append(exchange.clean)


class Finding(Masker):
    """Finds what it masks, and what stands in a reply."""

    async def on_request(self, exchange: Any) -> Any:
        exchange.find("secret", category="word", text=exchange.texts[-1])
        return await super().on_request(exchange)


async def clean(*above: Step, masker: Step | None = None, reply: Any = None, stream: bool = False, **more: Any) -> bool:
    """Whether an exchange through some plugins was clean, in the eyes of the last one."""
    keeper = Keeper(more.pop("answer", None))
    said = reply if reply is not None else (STREAM if stream else completion("fine"))
    engine = saying(*(said if isinstance(said, list) else [said]))
    await exchange([*above, masker or step(Tokens()), step(keeper)], engine, request(VALUE, stream=stream), **more)
    (found,) = keeper.clean
    return found


def probe(name: str = "p", knobs: dict[str, Any] | None = None, **hooks: Callable[[Any], Any]) -> Step:
    return step(Probe(name, [], **hooks), name=name, **(knobs or {}))


def finds(view: Any) -> None:
    view.find("rule", category="word")


def fails(view: Any) -> None:
    raise RuntimeError("我的手机 13812345678")


def unsupported(view: Any) -> None:
    raise Unsupported("media at x")


async def hangs(view: Any) -> None:
    await asyncio.sleep(3600)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_exchange_where_all_went_well(stream: bool) -> None:
    """Masked and answered, with plugins that looked on, an exchange is clean; so is one that was answered in place."""
    assert await clean(stream=stream)
    assert await clean(probe(), probe("q"), stream=stream)
    assert await clean(answer=Answer(["from before"]), stream=stream)


async def test_what_was_masked_does_not_count() -> None:
    """What the masking plugin found in the request it has masked; nobody else's finding is harmless."""
    assert await clean(masker=step(Finding("m", [])))
    assert not await clean(masker=step(Finding("m", [], response=finds)))
    assert not await clean(probe(request=finds))


@pytest.mark.parametrize(
    "above",
    [
        {"request": finds},
        {"response": finds},
        {"complete": finds},
        {"response": lambda view: Block("no")},
        {"response": fails},
        {"complete": fails},
        {"response": lambda view: Respond(Answer(["something else"]))},
    ],
)
async def test_whatever_plugins_above_say_counts(above: dict[str, Any]) -> None:
    """A finding, a block, a fault or another answer in the place of the engine's makes a reply one that is not kept."""
    assert not await clean(probe(**above))


@pytest.mark.parametrize("hook", ["request", "response", "complete"])
@pytest.mark.parametrize("action", [fails, hangs])
async def test_a_plugin_that_was_passed_over_counts(action: Any, hook: str) -> None:
    """Where policy lets an exchange go on without a plugin that failed or was late, its reply has not been looked at."""
    actions: dict[str, Any] = {hook: action}
    assert not await clean(probe(knobs={"on_error": "open", "timeout_ms": 30}, **actions))


@pytest.mark.parametrize("policy", ["warn", "skip"])
@pytest.mark.parametrize("hook", ["request", "response"])
async def test_what_a_plugin_could_not_read_counts(policy: str, hook: str) -> None:
    """A payload that a plugin could not read, and was let pass, has not been looked at either."""
    actions: dict[str, Any] = {hook: unsupported}
    assert not await clean(probe(knobs={"on_unsupported": policy}, **actions))


@pytest.mark.parametrize(
    "above",
    [
        {"request": finds},
        {"response": finds},
        {"request": fails},
        {"response": lambda view: Block("no")},
        {"response": lambda view: Respond(Answer(["something else"]))},
    ],
)
async def test_what_others_would_do_does_not_count(above: dict[str, Any]) -> None:
    """A plugin in shadow changes nothing, and neither does it change what is kept."""
    assert await clean(probe(knobs={"mode": "shadow"}, **above))


async def test_what_a_masking_rule_finds_in_a_reply_counts_in_shadow_too() -> None:
    """It is somebody's, whether anything is done about it or not."""

    def quietly(view: Any) -> None:
        view._modes = {"rule": "shadow"}
        finds(view)

    assert not await clean(masker=step(Finding("m", [], response=quietly)))


@pytest.mark.parametrize(
    "reply",
    [
        EngineError("down"),
        EngineError("late", timeout=True),
        Native(429, b'{"error":{"message":"slow down"}}'),
        Native(400, b'{"error":{"message":"no such model"}}'),
        b"not json",
    ],
)
async def test_an_engine_that_did_not_answer(reply: Any) -> None:
    """A failure, a refusal or an unreadable reply of the engine is nothing to keep."""
    assert not await clean(reply=reply)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [chunk("a"), EngineError("broke")],
        [chunk("a"), b"{"],
        [chunk("a"), b'{"error":{"message":"overloaded"}}'],
        [*STREAM, chunk("late")],
    ],
)
async def test_a_stream_that_broke(events: list[Any]) -> None:
    """A stream that ended with an error, however much of it the client has, is nothing to keep."""
    assert not await clean(reply=events, stream=True)


class Stops(StreamFilter):
    """Ends a stream, or fails, at a word."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def feed(self, text: str) -> str | Block:
        if self.error is not None:
            raise self.error
        return Block("no")


class Filters(Plugin[NoConfig]):
    """Has a filter that ends streams, fails, or finds something."""

    manifest: ClassVar[Manifest] = Manifest(name="filters", version="1", sees="raw", mutates=True)

    def __init__(self, make: Callable[[Any], StreamFilter | None]) -> None:
        super().__init__(NoConfig())
        self.make = make

    def stream(self, exchange: Any, channel: Channel) -> StreamFilter | None:
        return self.make(exchange)


def found(view: Any) -> None:
    finds(view)


@pytest.mark.parametrize(
    ("make", "knobs", "expected"),
    [
        (lambda view: None, {}, True),
        (lambda view: Stops(None), {}, False),
        (lambda view: Stops(RuntimeError("no")), {}, False),
        (lambda view: Stops(RuntimeError("no")), {"on_error": "open"}, False),
        (lambda view: Stops(None), {"mode": "shadow"}, True),
        (found, {}, False),
        (found, {"mode": "shadow"}, True),
    ],
)
async def test_filters_of_a_stream_count(make: Any, knobs: dict[str, Any], expected: bool) -> None:
    """What stream filters above stop, fail at or find makes a streamed reply one that is not kept."""
    assert await clean(step(Filters(make), **knobs), stream=True) is expected


async def test_more_findings_than_are_recorded() -> None:
    """Where findings were dropped nobody knows what they were, and so whose."""

    def many(view: Any) -> None:
        for _ in range(FINDINGS_MAX + 1):
            finds(view)

    class Many(Masker):
        async def on_request(self, exchange: Any) -> Any:
            many(exchange)
            return await super().on_request(exchange)

    assert not await clean(masker=step(Many("m", [])))


async def test_an_answer_right_before_the_engine_is_not_the_engine_s() -> None:
    """What another plugin said as the request was about to leave depends on more than the request."""

    class Sends(Probe):
        async def on_send(self, exchange: Any) -> Respond:
            return Respond(Answer(["not now"]))

    assert not await clean(step(Sends("s", [])))


@pytest.mark.parametrize("outcome", ["client_disconnect", "engine_timeout", "ledger_unavailable", "plugin_fault"])
async def test_an_exchange_that_ended_otherwise(outcome: str) -> None:
    """Where the client has left, or anything else than a reply came of it, nothing is kept, be the reply whole or not."""
    keeper = Keeper()
    done = await exchange([step(Tokens()), step(keeper)], saying(completion("fine")), request(VALUE))
    state = done.exchange
    seen = [View(state, "keeper", Keeper.manifest).clean]
    state.outcome = outcome
    seen.append(View(state, "keeper", Keeper.manifest).clean)
    state.outcome, state.reply = "ok", None
    seen.append(View(state, "keeper", Keeper.manifest).clean)
    assert seen == [True, False, False]
