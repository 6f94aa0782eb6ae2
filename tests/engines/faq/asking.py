"""How these tests load the engine and ask it: the shipped model, through the core where the wire format matters."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import AsyncIterator
from typing import Any

from tests.kit import Outcome, exchange

from yumen import Answer, Delta, EngineRequest, Message
from yumen.testing import RunningClock, UnitHost
from yumen_engines.faq import Faq, FaqConfig


def host() -> UnitHost:
    return UnitHost("assistant", clock=RunningClock())


@contextlib.asynccontextmanager
async def loaded(**config: Any) -> AsyncIterator[Faq]:
    """A loaded engine, closed in the end."""
    engine = Faq(FaqConfig(**config))
    await engine.load(host())
    try:
        yield engine
    finally:
        await engine.close()


def asked(*messages: tuple[str, str], streamed: bool = False) -> EngineRequest:
    """A conversation of roles and texts, as the chain hands it over."""
    return EngineRequest(
        exchange_id="0" * 32, dialect="openai", path="chat/completions", model="assistant", streamed=streamed,
        body=b"", messages=[Message(role, text) for role, text in messages], deadline=math.inf,
    )  # fmt: skip


async def plain(engine: Faq, *messages: tuple[str, str]) -> Answer:
    answer = await engine.generate(asked(*messages))
    assert isinstance(answer, Answer)
    return answer


async def says(engine: Faq, question: str) -> str:
    """The plain answer to one question."""
    (text,) = (await plain(engine, ("user", question))).texts
    return text


async def deltas(engine: Faq, question: str) -> list[Delta]:
    """The streamed answer to one question."""
    events = await engine.generate(asked(("user", question), streamed=True))
    assert isinstance(events, AsyncIterator)
    out = []
    async for event in events:
        assert isinstance(event, Delta)
        out.append(event)
    return out


async def through_the_core(engine: Faq, messages: list[dict[str, Any]], **more: Any) -> Outcome:
    """One exchange without plugins, from the client's bytes to the reply's."""
    body = {"model": "assistant", "messages": messages, **more}
    return await exchange([], engine, json.dumps(body, ensure_ascii=False).encode())
