"""Plugins and an engine that stop the event loop: each does so until the watch has said it, or the test's patience ends."""

from __future__ import annotations

import asyncio
import re
import selectors
import threading
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import msgspec
import prometheus_client

from yumen import (
    Answer,
    Ask,
    Channel,
    Decision,
    Delta,
    EngineRequest,
    Exchange,
    Host,
    Manifest,
    NoConfig,
    Plugin,
    StreamFilter,
)
from yumen.testing import Harness, ScriptedEngine
from yumen.tracing.stack import Found
from yumen.tracing.watch import LoopWatch

SOON_S = 0.05
PATIENCE_S = 30.0
seen = threading.Event()


def block() -> None:
    """What no coroutine may do: wait without letting go of the loop."""
    assert seen.wait(PATIENCE_S), "nobody has noticed"


class Where(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hook: str


class Blocker(Plugin[Where]):
    """Blocks in the hook that its configuration names."""

    manifest: ClassVar[Manifest] = Manifest(name="blocker", version="1", sees="raw", admin="blocker")

    async def start(self, host: Host) -> None:
        self._at("start")

    def _at(self, hook: str) -> None:
        if self.config.hook == hook:
            block()

    async def on_request(self, exchange: Exchange) -> Decision | None:
        self._at("on_request")
        if self.config.hook == "resumed":
            await asyncio.sleep(0)
            block()
        if self.config.hook == "slow":
            await asyncio.sleep(6 * SOON_S)
        if self.config.hook == "selectors":
            until = time.monotonic() + PATIENCE_S
            with selectors.DefaultSelector() as selector:
                while not seen.is_set() and time.monotonic() < until:
                    selector.select(SOON_S)
        if self.config.hook == "regex":
            # Holds the interpreter too, so that the watch can look only when it is over.
            until = time.monotonic() + PATIENCE_S
            while not seen.is_set() and time.monotonic() < until:
                assert re.match("(a+)+$", "a" * 22 + "b") is None
        return None

    async def on_send(self, exchange: Exchange) -> Decision | None:
        self._at("on_send")
        return None

    async def on_ask(self, exchange: Exchange, ask: Ask) -> Any:
        self._at("on_ask")
        return await ask()

    def whole(self, exchange: Exchange) -> bool:
        self._at("whole")
        return False

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        self._at("stream")
        return Slow(self.config.hook)

    async def on_response(self, exchange: Exchange) -> Decision | None:
        self._at("on_response")
        return None

    async def on_complete(self, exchange: Exchange) -> None:
        self._at("on_complete")

    async def on_operation(self, operation: Any) -> None:
        self._at("on_operation")

    async def on_erase(self, erasure: Any) -> int:
        self._at("on_erase")
        return 0

    async def inspect(self, query: Mapping[str, str]) -> Any:
        self._at("admin")
        return {}

    async def ready(self) -> str:
        self._at("ready")
        return ""

    async def stop(self) -> None:
        self._at("stop")


class Slow(StreamFilter):
    def __init__(self, hook: str) -> None:
        self.hook = hook

    def feed(self, text: str) -> str:
        if self.hook == "feed":
            block()
        return text

    def finish(self) -> str:
        if self.hook == "finish":
            block()
        return ""


class Tasked(Plugin[NoConfig]):
    """Blocks in a task of its own, whom nobody called."""

    manifest: ClassVar[Manifest] = Manifest(name="tasked", version="1", sees="raw")

    async def start(self, host: Host) -> None:
        self.task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        block()


class BlockingEngine(ScriptedEngine):
    """Blocks when asked, or in its stream."""

    async def generate(self, request: EngineRequest) -> Any:
        if request.streamed:
            return self._slowly()
        block()
        return Answer(["好"])

    async def _slowly(self) -> AsyncIterator[Delta]:
        block()
        yield Delta("好")
        yield Delta(finish_reason="stop")


class Told(LoopWatch):
    """A watch that lets those go whom it has reported."""

    def _report(self, found: Found, late_s: float, now: float) -> None:
        super()._report(found, late_s, now)
        if found.at.startswith(__file__):
            seen.set()


class Watched:
    """A harness under a watch that needs a twentieth of a second."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.watch = Told(SOON_S, SOON_S)

    async def __aenter__(self) -> Harness:
        seen.clear()
        self.watch.start()
        try:
            return await self.harness.__aenter__()
        except BaseException:
            self.watch.stop()
            raise

    async def __aexit__(self, *raised: object) -> None:
        try:
            await self.harness.__aexit__(*raised)
        finally:
            self.watch.stop()


def blocked(harness: Harness, plugin: str) -> list[dict[str, Any]]:
    """What was logged of a plugin. A slow machine may have had others stand beside it, such as the start of a harness."""
    return [dict(event) for event in harness.log if event["event"] == "loop_blocked" and event["plugin"] == plugin]


def counted(plugin: str) -> float:
    """How often a plugin has been counted in this process."""
    return prometheus_client.REGISTRY.get_sample_value("yumen_loop_blocked_total", {"plugin": plugin}) or 0.0
