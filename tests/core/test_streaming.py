"""Streams: filters per choice and channel, the end of a stream, nobody bypassed by asking for a stream."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.streams import TOKEN, VALUE, Tokens, contents, sent, stream_request
from tests.kit import Ledger, exchange, given_to, saying, step

from yumen import Answer, Block, Delta, Engine, EngineManifest, Events, Manifest, NoConfig, Plugin, Respond, Usage
from yumen.policy.bundle import Limits
from yumen.testing import Piece, chunk


class Whole(Plugin[NoConfig]):
    """A plugin that looks at replies and has no filter."""

    manifest: ClassVar[Manifest] = Manifest(name="whole", version="1", sees="raw", mutates=True)

    def __init__(self, block: str = "") -> None:
        super().__init__(NoConfig())
        self.block = block
        self.seen: list[tuple[str, str]] = []

    async def on_response(self, exchange: Any) -> Any:
        for text in exchange.reply.texts:
            self.seen.append((text.path, text.value))
            if self.block and self.block in text.value:
                return Block(reason="whole")
            start = text.value.find("old")
            if start >= 0:
                text.replace(start, start + 3, "new")
        return None


cuts = st.lists(st.integers(0, 60), max_size=12)


@settings(max_examples=150, deadline=None)
@given(cuts, st.integers(0, 3))
def test_any_cutting_gives_the_whole_and_no_token_is_ever_half_out(places: list[int], repeats: int) -> None:
    """However the stream is cut, the client gets the restored whole, and never a piece of a token."""
    whole = f"你好 {TOKEN}，{TOKEN}{TOKEN} <S_ and <S_12> " * (repeats + 1)
    edges = sorted({0, len(whole), *(place % len(whole) for place in places)})
    pieces = [whole[a:b] for a, b in itertools.pairwise(edges)]
    ledger = Ledger()
    asked = saying(*contents(pieces))
    outcome = asyncio.run(exchange([step(ledger), step(Tokens())], asked, stream_request(), egress="remote"))
    assert outcome.channel() == whole.replace(TOKEN, VALUE)
    for frames in outcome.frames:
        assert "<S_1" not in frames.decode().replace("<S_12", "")
    assert ledger.records[0]["reply"] == [whole]
    assert VALUE not in given_to(asked)


async def test_the_ledger_hears_before_the_last_frame_leaves() -> None:
    """Completion hooks are awaited before the end of the stream is sent."""
    order: list[str] = []

    class Late(Ledger):
        async def on_complete(self, exchange: Any) -> None:
            await asyncio.sleep(0.01)
            order.append("recorded")

    async def note(frames: bytes) -> None:
        order.append("done" if b"[DONE]" in frames else "frame")

    await exchange([step(Late())], saying(*contents(["a"])), stream_request(), on_frame=note)
    assert order == ["frame", "frame", "recorded", "done"]


async def test_choices_and_channels_have_filters_of_their_own() -> None:
    """Tokens of two choices, of reasoning and of tool arguments are cut apart and interleaved, and all restored."""

    def tool(text: str, index: int = 0) -> bytes:
        return chunk(tool_calls=[{"index": index, "function": {"arguments": text}}])

    events = [
        chunk("a <S", choice=0),
        chunk("b <S_", choice=1),
        chunk(reasoning_content="think <"),
        tool('{"x": "<S_'),
        tool('{"y": "<', index=1),
        chunk("_1> a", choice=0),
        chunk(reasoning_content="S_1>"),
        tool('1>"}'),
        chunk("1>", finish="stop", choice=1),
        tool('S_1>"}', index=1),
        chunk(finish="tool_calls", choice=0),
    ]
    outcome = await exchange([step(Tokens())], saying(*events), stream_request(n=2))
    assert outcome.channel(0) == f"a {VALUE} a"
    assert outcome.channel(1) == f"b {VALUE}"
    assert outcome.channel(0, "reasoning_content") == f"think {VALUE}"
    calls = [
        call for event in outcome.events for one in event["choices"] for call in one["delta"].get("tool_calls", ())
    ]
    arguments = {index: "".join(c["function"]["arguments"] for c in calls if c["index"] == index) for index in (0, 1)}
    assert arguments == {0: f'{{"x": "{VALUE}"}}', 1: f'{{"y": "{VALUE}"}}'}


async def test_held_text_is_released_before_its_choice_ends() -> None:
    """What a filter held is sent before the event that says that the choice is finished."""
    outcome = await exchange([step(Tokens())], saying(*contents(["tail <S_"])), stream_request())
    finished = [event["choices"][0]["finish_reason"] for event in outcome.events]
    assert finished == [None, None, "stop"]
    assert outcome.channel() == "tail <S_"


async def test_fields_that_nobody_declared_pass_and_are_filtered() -> None:
    """Ids, fingerprints, usage and unknown fields of an event reach the client, texts in them restored."""
    event = json.loads(chunk("x"))
    event |= {"system_fingerprint": "fp", "provider": {"note": f"for {TOKEN}"}, "usage": None}
    usage = {"id": "u", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}
    events = [json.dumps(event).encode(), chunk(finish="stop"), json.dumps(usage).encode()]
    ledger = Ledger()
    asked = saying(*events)
    outcome = await exchange(
        [step(ledger), step(Tokens())], asked, stream_request(stream_options={"include_usage": True})
    )
    assert outcome.events[0]["provider"] == {"note": f"for {VALUE}"}
    assert outcome.events[0]["system_fingerprint"] == "fp"
    assert outcome.events[-1]["usage"] == {"prompt_tokens": 9, "completion_tokens": 4}
    assert ledger.records[0]["usage"] == Usage(9, 4)


@pytest.mark.parametrize(
    "script",
    [
        [chunk("a"), RuntimeError(VALUE)],
        [chunk("a"), b"not json"],
        [chunk("a"), b"[]"],
        [chunk("a"), b'{"error":{"message":"overloaded"}}'],
        [chunk("a", finish="stop"), chunk("after the end")],
        [chunk("a", choice=-1)],
        [],
    ],
)
async def test_a_stream_that_breaks_ends_with_an_error_event(script: list[Any]) -> None:
    """Whatever the engine does in mid-stream, the client gets an error event with a code, and no words of the error."""
    outcome = await exchange([step(Ledger())], saying(*script), stream_request())
    assert outcome.code == "engine_unavailable"
    assert VALUE not in sent(outcome)


async def test_keep_alives_while_held() -> None:
    """While everything is held or the engine is silent, comments keep the connection alive."""
    script: list[Piece] = [chunk("<S_"), lambda: asyncio.sleep(0.2), chunk("1>"), chunk(finish="stop")]
    outcome = await exchange([step(Tokens())], saying(*script), stream_request(), limits=Limits(keepalive_ms=40))
    assert b": keep-alive\n\n" in outcome.frames
    assert outcome.channel() == VALUE


async def test_a_stream_has_an_end() -> None:
    """The longest time of a stream is a written limit."""
    script: list[Piece] = [chunk("a"), lambda: asyncio.sleep(30)]
    outcome = await exchange([], saying(*script), stream_request(), limits=Limits(stream_ms=50))
    assert outcome.code == "engine_timeout"


async def test_a_plugin_without_a_filter_gets_the_whole_reply() -> None:
    """Asking for a stream is no way around a plugin that looks at replies: it decides before anything leaves."""
    pieces = ["an o", "ld ", TOKEN[:2], TOKEN[2:]]
    whole = Whole()
    outcome = await exchange([step(whole)], saying(*contents(pieces)), stream_request())
    assert outcome.channel() == f"an new {TOKEN}"
    assert ("choices[0].message.content", f"an old {TOKEN}") in whole.seen
    blocked = await exchange([step(Whole(block="old"))], saying(*contents(pieces)), stream_request())
    assert blocked.code == "policy_blocked"
    assert "an o" not in sent(blocked)


async def test_a_whole_reply_takes_tool_arguments_apart() -> None:
    """Held back whole, tool arguments are texts of the JSON they are, and edits keep them valid."""
    events = [
        chunk(tool_calls=[{"index": 0, "id": "t", "function": {"name": "f", "arguments": ""}}]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": '{"note": "an o'}}]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": 'ld \\"one\\""}'}}]),
        chunk(finish="tool_calls"),
    ]
    outcome = await exchange([step(Whole())], saying(*events), stream_request())
    calls = [
        call for event in outcome.events for one in event["choices"] for call in one["delta"].get("tool_calls", ())
    ]
    assert json.loads("".join(call["function"]["arguments"] for call in calls)) == {"note": 'an new "one"'}


async def test_a_plugin_may_answer_a_streamed_request() -> None:
    """A plugin's answer to a request for a stream is a stream, through the filters of the plugins above it."""

    class Answers(Plugin[NoConfig]):
        manifest: ClassVar[Manifest] = Manifest(name="answers", version="1")

        async def on_request(self, exchange: Any) -> Respond:
            return Respond(Answer([f"cached {TOKEN}"], usage=Usage(1, 2)))

    ledger = Ledger()
    steps = [step(ledger), step(Tokens()), step(Answers(NoConfig()))]
    outcome = await exchange(steps, saying(), stream_request(n=2))
    assert [outcome.channel(0), outcome.channel(1)] == [f"cached {VALUE}"] * 2
    assert sent(outcome).endswith("data: [DONE]\n\n")
    assert VALUE not in str(ledger.records)


async def test_neutral_deltas_become_events() -> None:
    """An engine that yields deltas streams to OpenAI clients, reasoning and usage included."""

    class Neutral(Engine[NoConfig]):
        manifest: ClassVar[EngineManifest] = EngineManifest(name="neutral", version="1")

        async def generate(self, request: Any) -> Events:
            async def events() -> AsyncIterator[Delta | bytes]:
                yield Delta("hm", channel="reasoning")
                yield Delta("你")
                yield Delta("好", finish_reason="stop", usage=Usage(1, 2))

            return events()

    outcome = await exchange([], Neutral(NoConfig()), stream_request(stream_options={"include_usage": True}))
    assert (outcome.channel(), outcome.channel(name="reasoning_content")) == ("你好", "hm")
    assert outcome.events[-1]["usage"]["total_tokens"] == 3
