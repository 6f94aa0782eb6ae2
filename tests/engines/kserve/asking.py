"""How these tests load the engine and ask it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator
from typing import Any

from tests.engines.kserve.hostile import dump

from yumen import EngineRequest
from yumen.testing import RunningClock, UnitHost
from yumen_engines.kserve import KServe, KServeConfig

KEY = "sk-the-engines-own-credential"
BOTH = "Where is my order? 我的订单在哪里？🙂"


@contextlib.asynccontextmanager
async def loaded(base_url: str, *, live: bool = False, **config: Any) -> AsyncIterator[KServe]:
    """A loaded engine, closed in the end; not `live`, it asks nothing of its own accord."""
    engine = KServe(KServeConfig(base_url=base_url, **{"api_key": KEY, "retry_backoff_ms": 5, **config}))
    await engine.load(UnitHost("triton", clock=RunningClock(), live=live))
    try:
        yield engine
    finally:
        await engine.close()


def tensor(rows: int = 2, **other: Any) -> dict[str, Any]:
    """An input of so many rows, with what is otherwise about it."""
    return {"name": "x", "datatype": "FP32", "shape": [rows, 2], "data": [1.5] * (2 * rows), **other}


def asked(
    *inputs: dict[str, Any],
    tail: bytes = b"",
    path: str = "infer",
    model: str = "m",
    deadline: float = math.inf,
    **more: Any,
) -> EngineRequest:
    """A request as the chain hands it over; two rows where no inputs are given."""
    head = dump({"inputs": inputs or [tensor()], **more})
    return EngineRequest(
        exchange_id="0" * 32, dialect="kserve", path=path, model=model, streamed=False, body=head + tail, messages=[],
        deadline=deadline, json_bytes=len(head) if tail else 0,
    )  # fmt: skip
