"""One exchange through one chain of plugins that a test has made, in process: what the core's own tests are made of.

It is `yumen.testing` with a look inside: steps, states, and the frames of a stream one by one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, ClassVar

from yumen import Engine, Hmac, Manifest, Native, NoConfig, Plugin, Principal, testing
from yumen.chain import Chain, Run
from yumen.dialects.openai import OpenAI
from yumen.forms import ExchangeState
from yumen.policy.bundle import Instance, Limits, Route
from yumen.step import Step
from yumen.streaming import StreamRun
from yumen.target import Target
from yumen.testing import Piece

PATH = "/v1/chat/completions"


def saying(*pieces: Piece) -> testing.ScriptedEngine:
    """An engine that speaks the caller's dialect itself, and says this."""
    return testing.ScriptedEngine(dialects=("openai",)).says(*pieces)


def given_to(engine: testing.ScriptedEngine) -> str:
    """The body that an engine was given last."""
    return engine.asked.body.decode()


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


class Panic(BaseException):
    """What no handler of `Exception` sees."""


def step(plugin: Plugin[Any], **knobs: Any) -> Step:
    """A plugin on the route, with the core's knobs; unless a test is about it, no slow machine makes a hook late."""
    name = knobs.pop("name", plugin.manifest.name)
    knobs.setdefault("timeout_ms", 30_000)
    return Step(Instance(name=name, plugin_class=type(plugin), config=NoConfig(), **knobs), plugin)


class Outcome(testing.Outcome):
    """What came of one exchange, with the frames of its stream."""

    exchange: Any
    frames: list[bytes]

    @property
    def json(self) -> Any:
        """The body of a plain reply."""
        return json.loads(self.body)

    @property
    def content(self) -> str:
        """The content of the first choice."""
        return self.reply.contents[0]

    @property
    def events(self) -> list[Any]:
        """The decoded events of a stream, without its end."""
        return [json.loads(line[6:]) for line in self.body.decode().split("\n\n") if line.startswith("data: {")]

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
    return testing.chat(text, **{"model": "m", **more}).body


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
    payload = dialect.decode(PATH, body or request(), depth_max=64, texts_max=1000)
    state = ExchangeState("0" * 32, time.time(), Principal("tenant", "app", "key"), payload)
    state.route, state.engine, state.digest_mac, state.accept_raw = "chat", "llm", Hmac(b"key"), accept_raw
    run = Run(chain, state, dialect, time.perf_counter())
    before = len(engine.requests) if isinstance(engine, testing.ScriptedEngine) else 0
    frames: list[bytes] = []

    def outcome(reply: bytes, content_type: str) -> Outcome:
        asked = engine.requests[before:] if isinstance(engine, testing.ScriptedEngine) else []
        status = state.reply.status if state.reply else 0
        made = Outcome(PATH, status, {"content-type": content_type}, reply, state, asked[-1] if asked else None)
        made.frames = frames
        return made

    begun = await run.begin()
    if not payload.streamed or begun is None or isinstance(begun, Native):
        return outcome(await run.finish_plain(begun), "application/json")

    async def send(sent: bytes) -> None:
        frames.append(sent)
        if on_frame is not None:
            await on_frame(sent)

    await StreamRun(run, begun, send).pump()
    return outcome(b"".join(frames), "text/event-stream")
