"""Loading the onnx engine and asking it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.engines.onnx.tiny import model

from yumen.testing import RunningClock, UnitHost
from yumen_engines.onnx import Onnx, OnnxConfig


@asynccontextmanager
async def loaded(folder: Path | None = None, **config: Any) -> AsyncIterator[Onnx]:
    """A loaded engine, of the small model where no other is named."""
    engine = Onnx(OnnxConfig(model=str(folder or model()), **config))
    try:
        await engine.load(UnitHost(clock=RunningClock()))
        yield engine
    finally:
        await engine.close()


async def found(engine: Onnx, *texts: str) -> list[list[tuple[str, str]]]:
    """What stands in the spans of each text, with their labels."""
    entities: Sequence[Any] = (await engine.infer({"texts": list(texts)}))["entities"]
    return [
        [(text[start:end], label) for start, end, label, _ in one] for text, one in zip(texts, entities, strict=True)
    ]
