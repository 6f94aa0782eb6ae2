"""How these tests run an application, load the engine and ask it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from yumen import EngineRequest
from yumen.testing import RunningClock, UnitHost
from yumen_engines.http import Http, HttpConfig

KEY = "sk-the-engines-own-credential"
BODY = '{"amount":1.10,"seed":12345678901234567890,"note":"<CN_MOBILE_0123456789> 你好"}'.encode()


class Application:
    """Answers what the test says, and remembers what it was asked. `count` answers are the scripted one, others 200."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.status, self.body, self.headers, self.count = 200, b'{"ok":true}', dict[str, str](), 1_000
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        self.bodies.append(await request.read())
        if len(self.asked) > self.count:
            return web.Response(body=b"{}", content_type="application/json")
        return web.Response(status=self.status, body=self.body, headers=self.headers)


@contextlib.asynccontextmanager
async def loaded(base_url: str, **config: Any) -> AsyncIterator[Http]:
    """A loaded engine, closed in the end."""
    engine = Http(HttpConfig(base_url=base_url, **{"api_key": KEY, "retry_backoff_ms": 5, **config}))
    await engine.load(UnitHost("crm", clock=RunningClock()))
    try:
        yield engine
    finally:
        await engine.close()


def asked(path: str = "crm/tickets", body: bytes = BODY) -> EngineRequest:
    """A request as the chain hands it over."""
    return EngineRequest(
        exchange_id="0" * 32, dialect="json", path=path, model="", streamed=False, body=body, messages=[],
        deadline=math.inf,
    )  # fmt: skip
