"""How these tests load the engine with the tiny decoder and ask it."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.tiny_decoder import FOLDER

from yumen import Answer, Delta, EngineRequest, Secret, Settings
from yumen.parts import InstanceHost, Parts
from yumen_engines.generate import Generate, GenerateConfig
from yumen_engines.generate.replies import Replies


def host() -> InstanceHost:
    parts = Parts(Settings(data_dir=Path("/nonexistent")), Secret(b"\x01" * 32))
    return InstanceHost(parts, "writer", frozenset())


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
    """A stream of which nothing has been read."""
    replies = await engine.generate(asked(body, streamed=True, **how))
    assert isinstance(replies, Replies)
    return replies


async def deltas(engine: Generate, body: Any, **how: Any) -> list[Delta]:
    """The streamed answer."""
    return [delta async for delta in await begun(engine, body, **how)]


async def says(engine: Generate, question: str, **more: Any) -> str:
    """The text of the plain answer."""
    return (await whole(engine, chat(question, **more))).texts[0]
