"""A real HTTP server that takes what sinks post, and misbehaves on demand."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from aiohttp import web


class Collector:
    """Runs in a thread of its own. `plan` says what happens to the next requests, then all are taken.

    A plan is a status; `hang` (no reply), `close` (the connection ends without a reply), or `lost` (the request is taken,
    and then the connection ends).
    """

    def __init__(self) -> None:
        self.plan: deque[int | str] = deque()
        self.always: int | str = 200
        self.taken: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.asked = 0
        self.retry_after = ""
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/take"

    @property
    def lines(self) -> list[bytes]:
        """All lines that were taken, in the order of their coming."""
        return [line for body in self.taken for line in body.split(b"\n")[:-1]]

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(20)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    async def _take(self, request: web.Request) -> web.Response:
        self.asked += 1
        body = await request.read()
        todo = self.plan.popleft() if self.plan else self.always
        if todo == "hang":
            await self._stopping.wait()
        if todo in (200, 202, 204, "lost"):
            self.taken.append(body)
            self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if isinstance(todo, str):
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        headers = {"retry-after": self.retry_after} if self.retry_after else {}
        return web.Response(status=todo, text="the text of a reply is nobody's matter 13812345678", headers=headers)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())

    async def _listen(self) -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/take", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
