"""A yardstick: an ASGI application that decodes the request as JSON and answers without an upstream.

`app` is a bare function, `litestar_app` the same in a handler of Litestar.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Litestar, Request, Response, post

REPLY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Thank you, we have noted it and call you back tomorrow morning."},'
    b'"finish_reason":"stop"}],"usage":{"prompt_tokens":40,"completion_tokens":12,"total_tokens":52}}'
)
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(REPLY)).encode())]
decode = msgspec.json.Decoder().decode


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Decode and answer."""
    if scope["type"] == "lifespan":
        for _ in range(2):
            message = await receive()
            await send({"type": message["type"] + ".complete"})
        return
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    if scope["method"] == "POST":
        decode(b"".join(parts))
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": REPLY})


@post("/v1/chat/completions", status_code=200)
async def answer(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Decode and answer."""
    decode(await request.body())
    return Response(REPLY, media_type="application/json")


litestar_app = Litestar([answer], openapi_config=None)
