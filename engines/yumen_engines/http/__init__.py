"""An engine that asks any application which takes JSON and answers with JSON."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from yumen import Engine, EngineError, EngineManifest, EngineRequest, Host, Native
from yumen_engines.http.config import HttpConfig
from yumen_engines.openai.client import CLOSE_GRACE_S, VERSION, Upstream, read_reply
from yumen_engines.openai.config import root
from yumen_engines.openai.headers import passed_on

__all__ = ["Http", "HttpConfig"]


class Http(Engine[HttpConfig]):
    """Sends the payload as it is to `<base_url>/<what stands behind the app's name>`, and hands the reply back.

    The application gets this engine's own credential and nothing of the caller's headers.
    """

    manifest: ClassVar[EngineManifest] = EngineManifest(name="http", version=VERSION, dialects=("json",))

    async def load(self, host: Host) -> None:
        """Open the connection pools. Error: `CannotStart` for a URL, key or proxy that cannot be used."""
        self._host = host
        base = root(self.config.base_url, versioned=False)
        self._upstream = Upstream(self.config.upstream(), host.monotonic, base)

    async def generate(self, request: EngineRequest) -> Native:
        """Ask the application. Errors: `EngineError`, whose message holds neither payload nor credential."""
        deadline = min(self._host.monotonic() + self.config.total_timeout_ms / 1000, request.deadline)
        sent, response = await self._upstream.send(
            below(request.path), request.body, streamed=False, deadline=deadline
        )  # fmt: skip
        body = await read_reply(sent, response, self.config.reply_bytes_max)
        return Native(response.status, body, passed_on(response))

    async def health(self) -> str:
        """What the last attempts to connect met, when all of them failed of late; else empty."""
        return self._upstream.health()

    async def close(self) -> None:
        """Close the pools."""
        await self._upstream.close()
        await asyncio.sleep(CLOSE_GRACE_S)


def below(path: str) -> str:
    """What stands behind the app's name, its first segment.

    Error: `EngineError` where a segment would lead out of `base_url`: the dialect lets none pass, but a plugin may have
    edited the path.
    """
    rest = path.partition("/")[2]
    if any(segment.lower().replace("%2e", ".") in (".", "..") for segment in rest.replace("\\", "/").split("/")):
        raise EngineError("the path leads out of `base_url`")
    return rest
