"""An engine that counts, exchanges that ask it, and what must hold of both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from yumen import Answer, Delta, EngineError, Events, Kept, Native
from yumen.dialects.openai import OpenAI
from yumen.kept import given_again, kept_of
from yumen.testing import CapturedMetrics, chunk, completion
from yumen_plugins.cache.flights import Flights, Flown, Remote, Whole
from yumen_plugins.cache.flights.flight import Flight

SPACE = "tenant:北"
KEY = b"k" * 24
TEXT = "你好，这里是 the answer, in pieces。"
USAGE = b'{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}'  # noqa: E501
EVENTS: list[bytes] = [*(chunk(one) for one in TEXT), chunk(finish="stop"), USAGE]
PLAIN = Native(200, completion(TEXT), {"x-of": "the leader"})
DIALECT = OpenAI()
# Longer than any test takes; a test that waits for it has failed.
LONG_S = 30.0

# In a stream: what comes next comes once the engine may go.
GO = object()

Plan = Callable[["Engine"], Awaitable[Answer | Native | Events]]


class Engine:
    """Does what the plan of the call says, the last one again and again; knows what is open."""

    def __init__(self, *plans: Plan) -> None:
        self.plans = list(plans)
        self.calls = 0
        self.failures = 0
        self.running = 0
        self.open = 0
        self.pulled = 0
        self.go = asyncio.Event()

    async def generate(self) -> Answer | Native | Events:
        plan = self.plans[min(self.calls, len(self.plans) - 1)]
        self.calls += 1
        self.running += 1
        try:
            return await plan(self)
        finally:
            self.running -= 1

    async def events(self, items: list[Any]) -> AsyncIterator[Any]:
        """The items; raises those that are errors."""
        self.open += 1
        try:
            for item in items:
                if isinstance(item, Exception):
                    self.failures += 1
                    raise item
                if item is GO:
                    await self.go.wait()
                else:
                    self.pulled += 1
                    yield item
        finally:
            self.open -= 1


def gives(reply: Answer | Native = PLAIN) -> Plan:
    """Answers once it may go."""

    async def plan(engine: Engine) -> Answer | Native:
        await engine.go.wait()
        return reply

    return plan


def streams(*items: Any) -> Plan:
    """Streams at once, as far as there is no `GO`."""

    async def plan(engine: Engine) -> Events:
        return engine.events(list(items) or list(EVENTS))

    return plan


def fails(error: Exception | None = None) -> Plan:
    """Fails once it may go."""

    async def plan(engine: Engine) -> Answer:
        await engine.go.wait()
        engine.failures += 1
        raise error or EngineError("no")

    return plan


class Ask:
    """See `yumen.Ask`."""

    def __init__(self, engine: Engine, left_s: float) -> None:
        self._engine = engine
        self._until = time.monotonic() + left_s
        self.asked = False

    @property
    def left_s(self) -> float:
        return max(0.0, self._until - time.monotonic())

    async def __call__(self) -> Answer | Native | Events:
        assert not self.asked, "an engine is asked once"
        self.asked = True
        return await self._engine.generate()


class One:
    """One exchange with what the core has for it."""

    def __init__(
        self, engine: Engine, *, streamed: bool = False, wants_usage: bool = True, left_s: float = LONG_S
    ) -> None:
        self.streamed = streamed
        self.wants_usage = wants_usage or not streamed
        self.engine_version = "1"
        self.ask = Ask(engine, left_s)
        self.flown: Flown | None = None
        self.items: list[Delta | bytes] = []
        self.reply: Answer | Native | None = None
        # What it waits for before each item, as a slow client has the gateway wait.
        self.before: Callable[[], Awaitable[Any]] | None = None

    def keep(self, given: Whole) -> Kept | None:
        return kept_of(DIALECT, given)

    def give_again(self, kept: Kept) -> Answer | Native | Events | None:
        return given_again(kept, streamed=self.streamed, usage=self.streamed and self.wants_usage)

    async def run(self, flights: Flights, key: bytes = KEY) -> One:
        """To the end, as the core goes through it: what it is given is closed whatever happens."""
        self.flown = await flights.fly(SPACE, key, self.ask, self)
        try:
            await self.read(self.flown.given)
        finally:
            self.flown.recording.landed()
        return self

    async def read(self, given: Answer | Native | Events) -> None:
        if isinstance(given, Answer | Native):
            self.reply = given
            return
        try:
            async for item in given:
                if self.before is not None:
                    await self.before()
                self.items.append(item)
        finally:
            await given.aclose()  # type: ignore[attr-defined]

    @property
    def text(self) -> str:
        """What it was told."""
        if self.streamed and self.reply is None:
            events = [DIALECT.decode_event(item) for item in self.items if isinstance(item, bytes)]
            return "".join(piece.text for event in events for piece in event.pieces)
        if isinstance(self.reply, Answer):
            return "".join(self.reply.texts)
        assert self.reply is not None
        payload = DIALECT.decode_reply(self.reply.body, depth_max=64, texts_max=1000)
        return "".join(text.raw for text in payload.texts if text.kind == "message")


def many(engine: Engine, number: int, **more: Any) -> list[One]:
    """So many exchanges that ask the same."""
    return [One(engine, **more) for _ in range(number)]


async def begun(flights: Flights, *ones: One) -> list[asyncio.Task[One]]:
    """Their tasks, the first of which leads, once all have gone as far as they can."""
    tasks = [asyncio.create_task(one.run(flights)) for one in ones]
    await settled()
    return tasks


def made(
    *,
    followers_max: int = 10_000,
    wait_s: float = LONG_S,
    bytes_max: int = 1 << 20,
    remote: Remote | None = None,
    measured: CapturedMetrics | None = None,
) -> Flights:
    """Flights that count."""
    metrics = (measured or CapturedMetrics()).of("cache")
    return Flights(followers_max=followers_max, wait_s=wait_s, bytes_max=bytes_max, remote=remote, metrics=metrics)


async def settled(turns: int = 20) -> None:
    """Let everybody go on as far as he can without anything from outside."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds. Fails where it does not for long."""
    async with asyncio.timeout(LONG_S):
        while not condition():
            await asyncio.sleep(0.002)


async def nothing_left(flights: Flights, engine: Engine) -> None:
    """When everybody has gone, no task, no call and no iterator is left, and nothing can be joined."""
    await until(lambda: not flights._tasks)
    await until(lambda: len(asyncio.all_tasks()) == 1)
    assert (engine.running, engine.open) == (0, 0)
    assert not flights._flights


def waits() -> tuple[asyncio.Event, Callable[[], object]]:
    event = asyncio.Event()
    return event, event.wait


def the_flight(flights: Flights) -> Flight:
    """The one under way."""
    (flight,) = flights._tasks.values()
    return flight
