"""An engine that answers what a test case says, and remembers what it was given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar, NamedTuple

from yumen.dataplane import dialect_of
from yumen.dialects import Payload
from yumen.dialects.document import encode_json
from yumen.engine import Delta, Engine, EngineError, EngineManifest, EngineRequest, Events, Native
from yumen.exchange import Answer, Usage
from yumen.plugin import NoConfig
from yumen.policy.cases import Reply
from yumen.policy.testing.words import decode, last_words

USAGE = Usage(input_tokens=12, output_tokens=7)
CREATED = 1_767_225_600
ROOTS = {"openai": "/v1/", "json": "/apps/", "kserve": "/v2/models/model/"}


class Said(NamedTuple):
    """An answer in the pieces in which a stream brings it: of its text, and of the arguments of its tool call."""

    content: list[str]
    arguments: list[str]

    def cut(self, place: int) -> Said:
        """The same in two pieces."""
        content, arguments = "".join(self.content), "".join(self.arguments)
        if place <= len(content):
            return Said([content[:place], content[place:]], self.arguments)
        place -= len(content)
        return Said(self.content, [arguments[:place], arguments[place:]])


class Script:
    """What the engines of a harness answer next. `cut` is the place at which a streamed answer comes in two.

    `given` is what they were asked, by exchange; `length` how many code points the last answer had.
    """

    def __init__(self) -> None:
        self.reply = Reply()
        self.cut: int | None = None
        self.given: dict[str, EngineRequest] = {}
        self.length = 0
        self.arrived = asyncio.Event()
        self._gate: asyncio.Event | None = None

    def reset(self) -> None:
        """Forget what was said and given."""
        self.release()
        self.reply, self.cut = Reply(), None
        self.given.clear()

    def hold(self) -> None:
        """Answer nobody until `release`."""
        self._gate = asyncio.Event()

    def release(self) -> None:
        """Answer everybody who waits."""
        if self._gate is not None:
            self._gate.set()
        self._gate = None

    async def take(self, request: EngineRequest) -> None:
        """Note a request, and wait until it may be answered."""
        self.given[request.exchange_id] = request
        self.arrived.set()
        if self._gate is not None:
            await self._gate.wait()

    def say(self, payload: Payload) -> Said:
        """The answer to a request. Without one in the case the last message is repeated."""
        reply = self.reply
        if reply.deltas is not None:
            content = reply.deltas
        elif reply.text is not None:
            content = [reply.text]
        else:
            content = [] if reply.tool_arguments is not None else last_words(payload)
        arguments = [] if reply.tool_arguments is None else [reply.tool_arguments]
        self.length = sum(map(len, content)) + sum(map(len, arguments))
        said = Said(content, arguments)
        return said if self.cut is None else said.cut(self.cut)


class ScriptedEngine(Engine[NoConfig]):
    """Stands where an engine of the bundle does, and takes the dialects which that one takes: see `scripted`."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="scripted", version="1")

    def __init__(self, script: Script) -> None:
        super().__init__(NoConfig())
        self._script = script

    async def generate(self, request: EngineRequest) -> Answer | Native | Events:
        script = self._script
        await script.take(request)
        error = script.reply.error
        path = ROOTS[request.dialect] + request.path
        payload = decode(path, request.body)
        said = script.say(payload)
        if error is not None and not (request.streamed and script.reply != Reply(error=error)):
            raise failure(error)
        native = request.dialect in self.manifest.dialects
        if request.streamed:
            return _events(said, payload, request.exchange_id, native, error)
        if said.arguments:
            return Native(200, encode_json(tool_reply(said, payload, request.exchange_id)))
        if native and payload.path == "embeddings":
            return Native(200, encode_json(vectors(payload)))
        texts = said.content if request.dialect == "json" else ["".join(said.content)]
        answer = Answer(texts, usage=USAGE)
        if not native:
            return answer
        return Native(200, dialect_of(path).encode_answer(answer, payload, request.exchange_id, CREATED))


def scripted(script: Script, dialects: tuple[str, ...]) -> Engine[Any]:
    """An engine that answers by a script and takes these dialects."""
    manifest = EngineManifest(name="scripted", version="1", dialects=dialects)
    made: Engine[Any] = type("ScriptedEngine", (ScriptedEngine,), {"manifest": manifest})(script)
    return made


def failure(error: str) -> EngineError:
    """How an engine says that it is unavailable, or was too late; nobody waits for it."""
    return EngineError(f"the case says: {error}", timeout=error == "timeout")


async def _events(
    said: Said, payload: Payload, exchange_id: str, native: bool, error: str | None
) -> AsyncIterator[Delta | bytes]:
    """The answer as a stream: events of the dialect from an engine that speaks it, neutral deltas from any other."""
    dialect = dialect_of(ROOTS[payload.dialect])
    reason = "tool_calls" if said.arguments else "stop"
    steps: list[Delta | bytes] = [Delta(text) for text in said.content]
    steps += [encode_json(tool_event(index, text, payload, exchange_id)) for index, text in enumerate(said.arguments)]
    steps += [] if error else [Delta(finish_reason=reason), Delta(usage=USAGE)]
    for step in steps:
        if native and isinstance(step, Delta):
            for data in dialect.encode_delta(step, payload, exchange_id, CREATED):
                yield data
        else:
            yield step
    if error is not None:
        raise failure(error)


def _envelope(kind: str, payload: Payload, exchange_id: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{exchange_id}", "object": kind, "created": CREATED, "model": payload.model}


def _call(arguments: str) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": "call", "arguments": arguments}}


def _usage() -> dict[str, int]:
    total = USAGE.input_tokens + USAGE.output_tokens
    return {"prompt_tokens": USAGE.input_tokens, "completion_tokens": USAGE.output_tokens, "total_tokens": total}


def tool_reply(said: Said, payload: Payload, exchange_id: str) -> dict[str, Any]:
    """A plain reply of the `openai` dialect with a tool call."""
    content = "".join(said.content) or None
    message = {"role": "assistant", "content": content, "tool_calls": [_call("".join(said.arguments))]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return {**_envelope("chat.completion", payload, exchange_id), "choices": [choice], "usage": _usage()}


def tool_event(index: int, arguments: str, payload: Payload, exchange_id: str) -> dict[str, Any]:
    """One event of a tool call: the first names the call, all of them add to its arguments."""
    call = _call(arguments) if index == 0 else {"function": {"arguments": arguments}}
    choice = {"index": 0, "delta": {"tool_calls": [{"index": 0, **call}]}, "finish_reason": None}
    return {**_envelope("chat.completion.chunk", payload, exchange_id), "choices": [choice]}


def vectors(payload: Payload) -> dict[str, Any]:
    """Embeddings of a request's inputs, all of them alike."""
    inputs = sum(text.kind == "message" for text in payload.texts)
    data = [{"object": "embedding", "index": index, "embedding": [0.0, 1.0]} for index in range(inputs)]
    return {"object": "list", "model": payload.model, "data": data, "usage": _usage()}
