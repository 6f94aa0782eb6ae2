"""How these tests load the engine and ask it."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import AsyncIterator
from typing import Any

from yumen import EngineRequest, Native
from yumen.testing import RunningClock, UnitHost
from yumen_engines.openai import OpenAI, OpenAIConfig
from yumen_engines.openai.stream import EventStream

KEY = "sk-the-engines-own-credential"
BOTH = "Where is my order? 我的订单在哪里？🙂"


def host() -> UnitHost:
    return UnitHost("llm", clock=RunningClock())


@contextlib.asynccontextmanager
async def loaded(base_url: str, **config: Any) -> AsyncIterator[OpenAI]:
    """A loaded engine, closed in the end."""
    config = {"api_key": KEY, "retry_backoff_ms": 5, **config}
    engine = OpenAI(OpenAIConfig(base_url=base_url, **config))
    await engine.load(host())
    try:
        yield engine
    finally:
        await engine.close()


def asked(
    model: str, text: str = BOTH, *, deadline: float = math.inf, path: str = "chat/completions", **more: Any
) -> EngineRequest:
    """A request as the chain hands it over."""
    payload = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    body = json.dumps(payload, ensure_ascii=False).encode()
    return EngineRequest(
        exchange_id="0" * 32, dialect="openai", path=path, model=model, streamed=payload.get("stream") is True,
        body=body, messages=[], deadline=deadline,
    )  # fmt: skip


async def plain(engine: OpenAI, model: str, text: str = BOTH, **more: Any) -> Native:
    reply = await engine.generate(asked(model, text, **more))
    assert isinstance(reply, Native)
    return reply


async def stream(engine: OpenAI, model: str, text: str = BOTH, **more: Any) -> EventStream:
    reply = await engine.generate(asked(model, text, stream=True, **more))
    assert isinstance(reply, EventStream)
    return reply


def said(events: list[bytes], choice: int = 0, name: str = "content") -> str:
    """The concatenation of one channel of a stream's events."""
    return "".join(
        one["delta"].get(name) or ""
        for event in map(json.loads, events)
        for one in event.get("choices", ())
        if one["index"] == choice
    )
