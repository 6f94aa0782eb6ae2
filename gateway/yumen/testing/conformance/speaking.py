"""Every channel of a streamed reply: what a plugin does to the content, it does to the others as well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from yumen.dialects.document import encode_json
from yumen.engine import EngineRequest, Events, Native
from yumen.exchange import Answer
from yumen.testing.calls import chat
from yumen.testing.conformance.examples import REPLIES, TEXTS, Example
from yumen.testing.conformance.subject import BETWEEN_S, Subject
from yumen.testing.conformance.verdict import DoesNotApply, NotReached, check, demand
from yumen.testing.engine import ScriptedEngine
from yumen.testing.outcome import Outcome

ARGUMENTS = "the arguments of a tool"
# By name the member of a message in which a channel stands, and the number of its choice.
CHANNELS = {
    "reasoning": ("reasoning_content", 0),
    "refusal": ("refusal", 0),
    ARGUMENTS: ("tool_calls", 0),
    "a second choice": ("content", 1),
}


class ChannelEngine(ScriptedEngine):
    """Says one text in one channel, beside a word in the content."""

    channel = ARGUMENTS
    pieces: Sequence[str] = ()

    async def generate(self, request: EngineRequest) -> Answer | Native | Events:
        """See `Engine`."""
        self.requests.append(request)
        if request.streamed:
            return self._chunks()
        message, number = self._members("".join(self.pieces), 0), CHANNELS[self.channel][1]
        choices = [{"index": 0, "message": {"role": "assistant", "content": "so", **({} if number else message)}}]
        if number:
            choices.append({"index": number, "message": {"role": "assistant", **message}})
        finished = [{**one, "finish_reason": "stop"} for one in choices]
        return Native(200, encode_json({**_envelope("chat.completion"), "choices": finished}))

    async def _chunks(self) -> AsyncIterator[bytes]:
        number = CHANNELS[self.channel][1]
        yield _chunk(0, {"role": "assistant", "content": "so"})
        for at, piece in enumerate(self.pieces):
            yield _chunk(number, self._members(piece, at))
        for index in range(number + 1):
            yield _chunk(index, {}, "stop")

    def _members(self, text: str, at: int) -> dict[str, Any]:
        """Those of a message, or of its piece of this number."""
        name = CHANNELS[self.channel][0]
        if name != "tool_calls":
            return {name: text}
        opening = {"id": "call_1", "type": "function"} if at == 0 else {}
        function = {"arguments": text, **({"name": "look"} if at == 0 else {})}
        return {name: [{"index": 0, **opening, "function": function}]}


def _envelope(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "test"}


def _chunk(number: int, delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": number, "delta": delta, "finish_reason": reason}
    return encode_json({**_envelope("chat.completion.chunk"), "choices": [choice]})


@check(
    "stream.channels",
    "A streamed reply reads as the plain one does in every channel: reasoning, refusal, tools' arguments, other choices.",
    "Return a filter from `stream` for every channel whose texts `on_response` looks at, a new one for each.",
)
async def stream_channels(subject: Subject) -> None:
    if not subject.overrides("stream"):
        raise DoesNotApply("it has no stream filter")
    acted = False
    for example in subject.examples:
        # Its parts are made from the engine when it starts.
        started = subject.harness(example)
        started.engine = ChannelEngine()
        async with started as harness:
            for channel in CHANNELS:
                for text in _texts(example, channel):
                    plain = await _say(harness, channel, (text,), stream=False)
                    acted = acted or bool(plain.code) or said(plain, channel) != text
                    half = len(text) // 2
                    for pieces in ((text,), (text[:half], text[half:]), tuple(text)):
                        streamed = await _say(harness, channel, pieces, stream=True)
                        demand(
                            _same(streamed, plain, channel),
                            f"{channel} of a stream is not that of the same reply plain",
                        )
    if not acted:
        raise NotReached("no reply made its filter change anything; examples with `replies` would")


def _texts(example: Example, channel: str) -> list[str]:
    every = [*(example.replies or REPLIES), TEXTS[1]]
    return [msgspec.json.encode({"q": one}).decode() for one in every] if channel == ARGUMENTS else every


async def _say(harness: Any, channel: str, pieces: Sequence[str], *, stream: bool) -> Outcome:
    harness.clock.move(BETWEEN_S)
    harness.engine.channel, harness.engine.pieces = channel, pieces
    outcome: Outcome = await harness.ask(chat("?", stream=stream, n=CHANNELS[channel][1] + 1))
    return outcome


def _same(streamed: Outcome, plain: Outcome, channel: str) -> bool:
    if plain.code or streamed.code:
        return streamed.code == plain.code
    return said(streamed, channel) == said(plain, channel)


def said(outcome: Outcome, channel: str) -> str:
    """What a client reads in a channel of a reply."""
    name, number = CHANNELS[channel]
    if not outcome.streamed:
        return _read(msgspec.json.decode(outcome.body), "message", name, number)
    events = [line[5:].strip() for line in outcome.body.split(b"\n") if line.startswith(b"data:")]
    return "".join(_read(msgspec.json.decode(one), "delta", name, number) for one in events if one != b"[DONE]")


def _read(event: Any, kind: str, name: str, number: int) -> str:
    found = [one[kind].get(name) for one in event.get("choices", ()) if one["index"] == number]
    texts = (
        [one["function"].get("arguments", "") for many in found for one in many or ()]
        if name == "tool_calls"
        else found
    )
    return "".join(one or "" for one in texts)
