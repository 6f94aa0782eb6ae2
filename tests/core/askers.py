"""A plugin that stands before the engine and does what the test says, and what goes with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar

from tests.core.probes import Masker, Probe, engine
from tests.kit import Outcome, saying, step

from yumen import Answer, Ask, Delta, EngineRequest, Events, Manifest, Native, NoConfig, Plugin
from yumen.step import Step
from yumen.testing import ScriptedEngine, chunk

Given = Answer | Native | Events
STREAM = [chunk("fi"), chunk("ne"), chunk(finish="stop")]
SECRET = "my SECRET 秘密"


class Asker(Plugin[NoConfig]):
    """Stands before the engine and does what the test says."""

    manifest: ClassVar[Manifest] = Manifest(name="asker", version="1", sees="masked", stores="masked")

    def __init__(self, action: Callable[[Any, Ask], Any] | None = None, calls: list[str] | None = None) -> None:
        super().__init__(NoConfig())
        self.action = action
        self.calls = calls if calls is not None else []
        self.views: list[Any] = []

    async def on_ask(self, exchange: Any, ask: Ask) -> Given:
        self.calls.append("asker.ask")
        self.views.append(exchange)
        given: Given = await (self.action(exchange, ask) if self.action else ask())
        return given

    async def on_complete(self, exchange: Any) -> None:
        self.calls.append("asker.complete")


class RawAsker(Asker):
    """The same, of a plugin that sees raw text."""

    manifest: ClassVar[Manifest] = Manifest(name="asker", version="1", sees="raw", mutates=True)


class Sender(Probe):
    """A probe with the hook right before an engine is asked."""

    async def on_send(self, exchange: Any) -> Any:
        return await self._run("send", exchange)


class Closing:
    """A stream of one event that knows whether it was closed, or could not be."""

    def __init__(self, error: Exception | None = None) -> None:
        self.closed = False
        self.error = error

    def __aiter__(self) -> Closing:
        return self

    async def __anext__(self) -> Delta | bytes:
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True
        if self.error is not None:
            raise self.error


def chain(asker: Asker, *above: Step, **knobs: Any) -> list[Step]:
    """A chain with a masking plugin, and the plugin at its end."""
    return [*above, step(Masker("m", [])), step(asker, **knobs)]


def hooks(outcome: Outcome) -> list[tuple[str, str, bool]]:
    """What is on record of the hook."""
    return [(one.hook, one.decision, one.shadow) for one in outcome.exchange.trace if one.hook == "on_ask"]


class Streaming(ScriptedEngine):
    """An engine whose stream is the test's own."""

    def __init__(self, stream: Closing) -> None:
        super().__init__(dialects=("openai",))
        self.stream = stream

    async def generate(self, request: EngineRequest) -> Events:
        self.requests.append(request)
        return self.stream


def model(stream: bool) -> ScriptedEngine:
    return saying(*STREAM) if stream else engine()


def said(outcome: Outcome) -> str:
    return outcome.channel() if outcome.frames else outcome.content


async def in_place(view: Any, ask: Ask) -> Given:
    return Answer(["来自缓存"])


async def streamed_in_place(view: Any, ask: Ask) -> Given:
    async def events() -> AsyncIterator[Delta | bytes]:
        for event in (chunk("来自"), chunk("缓存"), chunk(finish="stop")):
            yield event

    return events()


async def fault(view: Any, ask: Ask) -> Given:
    raise RuntimeError("我的手机 13812345678")


async def asked_and_failed(view: Any, ask: Ask) -> Given:
    await ask()
    raise RuntimeError("我的手机 13812345678")


async def swallows(view: Any, ask: Ask) -> Given:
    try:
        return await ask()
    except Exception:
        return Answer(["all the same"])
