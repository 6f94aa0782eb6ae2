"""How these tests load the engine with the tiny decoder and ask it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from tests.tiny_decoder import FOLDER

from yumen import Answer, Delta, EngineRequest
from yumen.testing import RunningClock, UnitHost
from yumen_engines.generate import Generate, GenerateConfig
from yumen_engines.generate.replies import Replies


def host() -> UnitHost:
    return UnitHost("writer", clock=RunningClock())


@contextlib.asynccontextmanager
async def loaded(folder: Path = FOLDER, **config: Any) -> AsyncIterator[Generate]:
    """A loaded engine, closed in the end."""
    engine = Generate(GenerateConfig(model=str(folder), **config))
    await engine.load(host())
    try:
        yield engine
    finally:
        await engine.close()


def asked(body: Any, *, path: str = "chat/completions", streamed: bool = False, tenant: str = "") -> EngineRequest:
    """A request as the chain hands it over."""
    return EngineRequest(
        exchange_id="0" * 32, dialect="openai", path=path, model="tiny", streamed=streamed, deadline=math.inf,
        body=json.dumps(body, ensure_ascii=False).encode(), messages=[], tenant=tenant,
    )  # fmt: skip


def chat(question: str, **more: Any) -> dict[str, Any]:
    """The body of a question."""
    return {"model": "tiny", "messages": [{"role": "user", "content": question}], **more}


async def whole(engine: Generate, body: Any, **how: Any) -> Answer:
    """The plain answer."""
    answer = await engine.generate(asked(body, **how))
    assert isinstance(answer, Answer)
    return answer


async def begun(engine: Generate, body: Any, **how: Any) -> Replies:
    """A stream that is to be written, and of which nothing need be there yet."""
    return await engine._replies(asked(body, streamed=True, **how))


async def deltas(engine: Generate, body: Any, **how: Any) -> list[Delta]:
    """The streamed answer."""
    replies = await engine.generate(asked(body, streamed=True, **how))
    assert isinstance(replies, Replies)
    return [delta async for delta in replies]


def pid(engine: Generate) -> int:
    """The id of the model's process; 0 where there is none."""
    assert engine._keeper is not None
    return engine._keeper.pid


def alive(number: int) -> bool:
    """Whether a process is there, as a zombie too."""
    return Path(f"/proc/{number}").exists()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so. Error: TimeoutError."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def says(engine: Generate, question: str, **more: Any) -> str:
    """The text of the plain answer."""
    return (await whole(engine, chat(question, **more))).texts[0]
