"""Whatever a plugin or engine raises, `SystemExit` too, is its own fault: the exchange ends, and the process goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.core.askers import Asker, chain
from tests.core.probes import Probe, engine
from tests.core.streams import VALUE, TokenFilter, Tokens, contents, stream_request
from tests.core.test_parts import instance
from tests.kit import Ledger, Panic, exchange, request, saying, step

from yumen import (
    Channel,
    EngineError,
    EngineRef,
    Erasure,
    Host,
    Lint,
    Manifest,
    NoConfig,
    Operation,
    Plugin,
    Rule,
    Secret,
    Settings,
    StreamFilter,
)
from yumen import step as step_module
from yumen.deadline import Deadline
from yumen.errors import CannotStart
from yumen.foreign import pass_on
from yumen.parts import Parts
from yumen.policy.bundle import Bundle
from yumen.policy.load import check_bundle
from yumen.registry import given
from yumen.runtime import Runtime
from yumen.target import Target
from yumen.testing import ScriptedEngine, chunk, completion

RAISED = [
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    Panic("秘密 SECRET"),
    BaseExceptionGroup("SECRET", [Panic()]),
]
WAYS = [pytest.param(one, id=type(one).__name__) for one in RAISED]


def now(error: BaseException) -> Callable[[Any], Any]:
    """Raise at once."""

    def action(_: Any) -> None:
        raise error

    return action


def later(error: BaseException) -> Callable[[Any], Awaitable[None]]:
    """Raise when it has waited."""

    async def action(_: Any) -> None:
        await asyncio.sleep(0)
        raise error

    return action


@pytest.mark.parametrize("error", WAYS)
@pytest.mark.parametrize("way", [now, later])
@pytest.mark.parametrize("hook", ["request", "response", "complete"])
async def test_hooks(error: BaseException, way: Callable[..., Any], hook: str) -> None:
    """A hook that raises it ends its exchange as a fault does, with every hook that was due, and open it goes on."""
    calls: list[str] = []
    steps = [step(Probe(name, calls, **({hook: way(error)} if name == "b" else {})), name=name) for name in "ab"]
    outcome = await exchange(steps, engine())
    assert outcome.code == "plugin_fault"
    assert calls[-2:] == ["b.complete", "a.complete"]
    assert "SECRET" not in f"{outcome.body!r}{outcome.exchange.trace}"
    fault = next(one for one in outcome.exchange.trace if one.decision == "fault")
    assert (fault.plugin, fault.hook) == ("b", f"on_{hook}")
    opened = await exchange([step(Probe("b", [], **{hook: way(error)}), on_error="open")], engine())
    assert opened.content == "fine"


async def test_a_hook_that_is_closed_from_outside_is_closed() -> None:
    """Closing the exchange's own coroutine reaches the hook and comes out again; it is no fault of the plugin."""
    seen: list[str] = []

    async def waits(_: Any) -> None:
        try:
            await asyncio.sleep(3600)
        except GeneratorExit:
            seen.append("closed")
            raise

    running = exchange([step(Probe("a", [], request=waits))], engine())
    # Driven by hand to the place where the hook waits, as far as an event loop would.
    task = asyncio.current_task()
    assert task is not None
    running.send(None)
    running.close()
    assert seen == ["closed"]
    assert not task.cancelling()


class Filtering(Plugin[NoConfig]):
    """Its filter, or the making of it, raises what the test says."""

    manifest: ClassVar[Manifest] = Manifest(name="filtering", version="1", sees="raw", mutates=True)

    def __init__(self, error: BaseException, at: str) -> None:
        super().__init__(NoConfig())
        self.error = error
        self.at = at

    def stream(self, exchange: Any, channel: Channel) -> StreamFilter:
        if self.at == "stream":
            raise self.error
        outer = self

        class Raising(StreamFilter):
            def feed(self, text: str) -> str:
                if outer.at == "feed":
                    raise outer.error
                return text

            def finish(self) -> str:
                if outer.at == "finish":
                    raise outer.error
                return ""

        return Raising()

    def whole(self, exchange: Any) -> bool:
        if self.at == "whole":
            raise self.error
        return False

    async def on_response(self, exchange: Any) -> None:
        return None


@pytest.mark.parametrize("error", WAYS)
@pytest.mark.parametrize("at", ["stream", "feed", "finish", "whole"])
async def test_streams(error: BaseException, at: str) -> None:
    """A filter that raises it ends the stream with an error event, and the record is made; one that cannot say waits."""
    ledger = Ledger()
    events = saying(chunk("fi"), chunk("ne"), chunk(finish="stop"))
    outcome = await exchange([step(ledger), step(Filtering(error, at))], events, request(stream=True))
    if at == "whole":
        assert outcome.channel() == "fine"
    else:
        assert outcome.code == "plugin_fault"
    assert len(ledger.records) == 1
    assert events.streams_ended == 1


@pytest.mark.parametrize("error", WAYS)
async def test_who_stands_before_the_engine(error: BaseException) -> None:
    """A plugin that raises it where it would ask is a fault, and the engine hears nothing."""
    asked = engine()
    outcome = await exchange(chain(Asker(lambda *_: now(error)(None))), asked)
    assert (outcome.code, asked.requests) == ("plugin_fault", [])


class Unmasking(Tokens):
    """A masking plugin whose filter cannot say the masked form, in the way that the test says."""

    def __init__(self, masked: Callable[[], Any]) -> None:
        super().__init__()
        self._said = masked

    def stream(self, exchange: Any, channel: Channel) -> StreamFilter:
        outer = self

        class Failing(TokenFilter):
            def masked(self) -> str:
                said: str = outer._said()
                return said

        return Failing()


NOT_TEXT = pytest.param(None, id="no text")


@pytest.mark.parametrize("error", [*WAYS, NOT_TEXT])
async def test_the_masked_form(error: BaseException | None) -> None:
    """A filter that fails to say the masked form is a fault of its plugin: `on_error` decides, no store gets raw text."""
    ledger = Ledger()

    def masked() -> Any:
        if error is not None:
            raise error

    plugin = Unmasking(masked)
    outcome = await exchange([step(ledger), step(plugin)], saying(*contents(["<S_", "1>"])), stream_request())
    assert outcome.code == "plugin_fault"
    opened = await exchange(
        [step(ledger), step(plugin, on_error="open")], saying(*contents(["<S_", "1>"])), stream_request()
    )
    assert "error" not in opened.events[-1]
    for record in ledger.records:
        faults = {(one.plugin, one.hook) for one in record["trace"] if one.decision == "fault"}
        assert faults == {("tokens", "stream")}
        assert VALUE not in f"{record['reply']}"


class Unsure(ScriptedEngine):
    """Raises what the test says when it is asked what answers."""

    error: BaseException = ValueError(VALUE)

    def revision(self) -> str:
        raise self.error


@pytest.mark.parametrize("error", [*WAYS, pytest.param(ValueError(VALUE), id="ValueError")])
@pytest.mark.parametrize("stream", [False, True])
async def test_what_answers(error: BaseException, stream: bool) -> None:
    """An engine that cannot say what answers is not asked: the exchange ends as one whose engine failed, on record."""
    ledger, unsure = Ledger(), Unsure()
    unsure.error = error
    outcome = await exchange([step(ledger)], unsure, request(stream=stream))
    assert (outcome.code, unsure.requests) == ("engine_unavailable", [])
    assert [one["outcome"] for one in ledger.records] == ["engine_unavailable"]


async def test_what_answers_instead() -> None:
    """Where an engine cannot say what answers, the route's other one does; where neither can, the exchange is recorded."""
    spare = Target.of("spare", saying(completion("spare")), "local")
    outcome = await exchange([step(Ledger())], Unsure(), fallback=spare)
    assert (outcome.content, outcome.exchange.engine, outcome.exchange.fell_back) == ("spare", "spare", True)
    ledger = Ledger()
    neither = await exchange([step(ledger)], Unsure(), fallback=Target.of("spare", Unsure(), "local"))
    assert neither.code == "engine_unavailable"
    failed = await exchange([step(ledger)], saying(EngineError("down")), fallback=Target.of("spare", Unsure(), "local"))
    assert failed.code == "engine_unavailable"
    assert [one["outcome"] for one in ledger.records] == ["engine_unavailable"] * 2


class Hostile(Plugin[NoConfig]):
    """Raises what the test says in one of its methods."""

    manifest: ClassVar[Manifest] = Manifest(name="hostile", version="1")
    error: ClassVar[BaseException] = SystemExit(3)
    at: ClassVar[str] = ""

    def _maybe(self, at: str) -> None:
        if self.at == at:
            raise self.error

    def __init__(self, config: NoConfig) -> None:
        super().__init__(config)
        self._maybe("made")

    def rules(self) -> list[Rule]:
        self._maybe("rules")
        return []

    def lint(self) -> list[Lint]:
        self._maybe("lint")
        return []

    def engines(self) -> list[EngineRef]:
        self._maybe("engines")
        return []

    async def start(self, host: Host) -> None:
        self._maybe("start")

    async def stop(self) -> None:
        self._maybe("stop")

    async def ready(self) -> str:
        self._maybe("ready")
        return ""

    async def on_operation(self, operation: Operation) -> None:
        self._maybe("operation")

    async def on_erase(self, erasure: Erasure) -> int:
        self._maybe("erase")
        return 1


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, BaseException], None]:
    """Say where it raises, and what."""

    def say(at: str, error: BaseException) -> None:
        monkeypatch.setattr(Hostile, "at", at)
        monkeypatch.setattr(Hostile, "error", error)

    return say


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), Panic("no")])
@pytest.mark.parametrize("at", ["made", "rules", "lint", "engines"])
def test_compiling(hostile: Callable[..., None], tmp_path: Path, at: str, error: BaseException) -> None:
    """What it raises while a bundle is checked is a line about its file."""
    hostile(at, error)
    (tmp_path / "gateway.yaml").write_text(
        "version: 1\nengines:\n  a: {adapter: faq, egress: local}\nroutes:\n"
        "  - {id: chat, match: {paths: [/x]}, engine: a, chain: [hostile]}\n"
    )
    (tmp_path / "hostile.yaml").write_text("version: 1\nplugin: hostile\n")
    with given(Hostile):
        bundle, wrong = check_bundle(str(tmp_path), {})
    assert bundle is None
    assert [one.code for one in wrong if one.file.endswith("hostile.yaml")] == ["policy.config"]


def said(error: BaseException) -> str:
    """What a caller is told: a `GeneratorExit` would be taken for the closing of the caller's own coroutine."""
    return "RuntimeError" if isinstance(error, GeneratorExit) else type(error).__name__


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), Panic("no")])
async def test_starting_and_stopping(hostile: Callable[..., None], error: BaseException) -> None:
    """One that raises it when it starts cannot start; one that does when it stops is stopped."""
    parts = Parts(Settings(data_dir=Path("/nonexistent")), Secret(bytes(32)))
    hostile("start", error)
    with pytest.raises(CannotStart, match=f"plugin one failed to start: {said(error)}"):
        await parts.plugin(instance(Hostile))
    hostile("stop", error)
    await parts.give_back(await parts.plugin(instance(Hostile)))


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), Panic("no")])
async def test_what_operators_ask(hostile: Callable[..., None], error: BaseException) -> None:
    """One that raises it when it is asked how it is, to record or to forget has failed at that, and is asked again."""
    parts = Parts(Settings(data_dir=Path("/nonexistent")), Secret(bytes(32)))
    one = instance(Hostile)
    runtime = Runtime(Bundle(name="b", path="", hash="0" * 64, routes=(), engines={}, instances={"one": one}), parts)
    runtime._plugins["one"] = await parts.plugin(one)
    hostile("ready", error)
    assert await runtime.ready() == {"plugin one": f"asking failed with {said(error)}"}
    hostile("operation", error)
    assert not await runtime.note(Operation(kind="k", actor="a", at=0.0, details={}))
    hostile("erase", error)
    assert await runtime.erase(Erasure(tenant="t", subject="s")) == {"one": -1}
    hostile("", error)
    assert await runtime.erase(Erasure(tenant="t", subject="s")) == {"one": 1}
    await runtime.stop()


async def test_what_is_meant_for_us_passes() -> None:
    """A task that somebody else has cancelled stays cancelled; a plugin that cancels itself has failed."""
    pass_on(asyncio.CancelledError())
    with pytest.raises(GeneratorExit):
        pass_on(GeneratorExit())
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        pass_on(asyncio.CancelledError())
    task.uncancel()


@pytest.mark.parametrize("hook", ["request", "response", "complete"])
async def test_a_hook_that_eats_cancellations(hook: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left where it waits, and its exchange ends as a fault, so that no policy waits for it for ever."""
    monkeypatch.setattr(step_module, "Deadline", partial(Deadline, grace_s=0.01))
    eaten: list[str] = []

    async def eats(_: Any) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                eaten.append(hook)

    outcome = await exchange([step(Probe("b", [], **{hook: eats}), timeout_ms=10)], engine())
    assert (outcome.code, eaten) == ("plugin_fault", [hook])
    assert [one.reason for one in outcome.exchange.trace if one.decision == "fault"] == ["TimeoutError"]
