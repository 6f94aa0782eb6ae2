"""The yardstick: an ASGI proxy that does nothing but forward, with aiohttp. Needs UPSTREAM in the environment."""

from __future__ import annotations

import os
from typing import Any

import aiohttp

UPSTREAM = os.environ.get("UPSTREAM", "http://127.0.0.1:9001")
sessions: list[aiohttp.ClientSession] = []


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Forward one POST."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    headers = {"content-type": "application/json"}
    async with sessions[0].post(UPSTREAM + scope["path"], data=b"".join(parts), headers=headers) as reply:
        kind = reply.headers.get("content-type", "application/json")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind.encode())]})
        if kind.startswith("text/event-stream"):
            async for data in reply.content.iter_any():
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        else:
            await send({"type": "http.response.body", "body": await reply.read()})


async def lifespan(receive: Any, send: Any) -> None:
    """Open and close the pool."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            sessions.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        else:
            await sessions[0].close()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
