"""One exchange through one chain, in process, with real plugins and engines: what the core's own tests are made of."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar

from yumen import Engine, EngineManifest, EngineRequest, Events, Hmac, Manifest, Native, NoConfig, Plugin, Principal
from yumen.chain import Chain, Run
from yumen.dialects.openai import OpenAI
from yumen.exchange import Answer
from yumen.forms import ExchangeState
from yumen.policy.bundle import Instance, Limits, Route
from yumen.step import Step
from yumen.streaming import StreamRun
from yumen.target import Target

CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def chunk(text: str | None = None, finish: str | None = None, choice: int = 0, **delta: Any) -> bytes:
    """One event of an OpenAI stream."""
    body = {**({} if text is None else {"content": text}), **delta}
    return json.dumps(
        {**CHUNK, "choices": [{"index": choice, "delta": body, "finish_reason": finish}]}, ensure_ascii=False
    ).encode()


def completion(*texts: str) -> bytes:
    """A plain OpenAI reply with one choice per text."""
    choices = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    reply = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}
    return json.dumps({**reply, "usage": usage}, ensure_ascii=False).encode()


class ScriptedEngine(Engine[NoConfig]):
    """Answers with what the test wrote down; remembers what it was given."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="scripted", version="1", dialects=("openai",))

    def __init__(self, reply: Any, before: Callable[[], Any] | None = None) -> None:
        super().__init__(NoConfig())
        self.reply = reply
        self.before = before
        self.requests: list[EngineRequest] = []
        self.closed = False

    async def generate(self, request: EngineRequest) -> Answer | Native | Events:
        self.requests.append(request)
        if self.before is not None:
            await self.before()
        if isinstance(self.reply, Exception):
            raise self.reply
        if isinstance(self.reply, list):
            return self._events(self.reply)
        if isinstance(self.reply, bytes):
            return Native(200, self.reply)
        answer: Answer | Native = self.reply
        return answer

    async def _events(self, events: list[Any]) -> AsyncIterator[Any]:
        try:
            for event in events:
                if isinstance(event, Exception):
                    raise event
                if callable(event):
                    await event()
                else:
                    yield event
        finally:
            self.closed = True

    @property
    def seen(self) -> str:
        """The body that the engine was given last."""
        return self.requests[-1].body.decode()


class Ledger(Plugin[NoConfig]):
    """Writes down what a plugin that may only see the masked form is shown."""

    manifest: ClassVar[Manifest] = Manifest(name="ledger", version="1", sees="masked", stores="masked")

    def __init__(self) -> None:
        super().__init__(NoConfig())
        self.records: list[dict[str, Any]] = []
        self.before: list[list[str]] = []

    async def on_request(self, exchange: Any) -> None:
        self.before.append([text.value for text in exchange.texts])

    async def on_complete(self, exchange: Any) -> None:
        reply = exchange.reply
        self.records.append(
            {
                "outcome": exchange.outcome,
                "request": [text.value for text in exchange.texts],
                "reply": [text.value for text in reply.texts] if reply else None,
                "findings": list(exchange.findings),
                "trace": list(exchange.trace),
                "usage": reply.usage if reply else None,
            }
        )


def step(plugin: Plugin[Any], **knobs: Any) -> Step:
    """A plugin on the route, with the core's knobs; unless a test is about it, no slow machine makes a hook late."""
    name = knobs.pop("name", plugin.manifest.name)
    knobs.setdefault("timeout_ms", 30_000)
    return Step(Instance(name=name, plugin_class=type(plugin), config=NoConfig(), **knobs), plugin)


class Outcome:
    """What came of one exchange."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.frames: list[bytes] = []
        self.exchange: Any = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error code of a plain reply, or of the last event of a stream."""
        body = self.json if self.body else json.loads(self.frames[-1].removeprefix(b"data: "))
        code: str = body["error"]["code"]
        return code

    @property
    def content(self) -> str:
        """The content of the first choice."""
        content: str = self.json["choices"][0]["message"]["content"]
        return content

    @property
    def events(self) -> list[Any]:
        """The decoded events of a stream, without its end."""
        lines = b"".join(self.frames).decode().split("\n\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    def channel(self, choice: int = 0, name: str = "content") -> str:
        """The concatenation of one channel of a stream."""
        return "".join(
            one["delta"].get(name) or ""
            for event in self.events
            for one in event.get("choices", ())
            if one["index"] == choice
        )


def request(text: str = "hello", **more: Any) -> bytes:
    """A chat request."""
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
    return json.dumps(body, ensure_ascii=False).encode()


async def exchange(
    steps: list[Step],
    engine: Engine[Any],
    body: bytes | None = None,
    *,
    egress: str = "local",
    accept_raw: str = "",
    limits: Limits | None = None,
    timeout_ms: int = 2000,
    fallback: Target | None = None,
    on_frame: Callable[[bytes], Any] | None = None,
) -> Outcome:
    """Run one exchange to its end, as the data plane does; `fallback` is the engine that is asked where the first fails."""
    limits = limits or Limits()
    chained = tuple(one.instance for one in steps)
    route = Route(
        id="chat", paths=("*",), engine="llm", chain=chained, accept_raw=accept_raw, timeout_ms=timeout_ms,
        fallback=fallback.name if fallback else "",
    )  # fmt: skip
    chain = Chain(route, steps, engine, egress, limits, {fallback.name: fallback} if fallback else None)
    dialect = OpenAI()
    payload = dialect.decode("/v1/chat/completions", body or request(), depth_max=64, texts_max=1000)
    state = ExchangeState("0" * 32, time.time(), Principal("tenant", "app", "key"), payload)
    state.route, state.engine, state.digest_mac, state.accept_raw = "chat", "llm", Hmac(b"key"), accept_raw
    run = Run(chain, state, dialect, time.perf_counter())
    outcome = Outcome()
    outcome.exchange = state
    if not payload.streamed:
        outcome.body = await run.plain()
        outcome.status = state.reply.status if state.reply else 0
        return outcome
    begun = await run.begin()
    if begun is None or isinstance(begun, Native):
        outcome.body = await run.finish_plain(begun)
        outcome.status = state.reply.status if state.reply else 0
        return outcome

    async def send(frames: bytes) -> None:
        outcome.frames.append(frames)
        if on_frame is not None:
            await on_frame(frames)

    streaming = StreamRun(run, begun, send)
    outcome.status = 200
    await streaming.pump()
    return outcome
