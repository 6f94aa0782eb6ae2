"""An upstream that takes 20 ms for a reply, and makes one at a time, as one worker of a model does."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from tests.bench.bare_decode import HEADERS, REPLY

TAKES_S = 0.02
AT_ONCE = asyncio.Semaphore(int(os.environ.get("AT_ONCE", "1")))


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Wait for the turn, take the time, answer."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            message = await receive()
            await send({"type": message["type"] + ".complete"})
        return
    while (await receive()).get("more_body"):
        pass
    async with AT_ONCE:
        await asyncio.sleep(TAKES_S)
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": REPLY})
