"""An engine that asks any server which speaks the Open Inference Protocol over HTTP: Triton, KServe, MLServer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import ClassVar

from pyreqwest.response import Response

from yumen import Engine, EngineError, EngineManifest, EngineRequest, Host, Models, Native, Placement, RequestRefused
from yumen_engines.kserve import wire
from yumen_engines.kserve.catalogue import Catalogue
from yumen_engines.kserve.config import KServeConfig
from yumen_engines.openai.client import CLOSE_GRACE_S, VERSION, Upstream, read_reply
from yumen_engines.openai.config import origin
from yumen_engines.openai.failures import refusal
from yumen_engines.openai.headers import headers_of, passed_on

__all__ = ["KServe", "KServeConfig"]

PATH = re.compile(r"(?:versions/([0-9]{1,18})/)?infer")
NOT_FOUND = "There is no such model or version here."
RATE_LIMITED = b'{"error":"The engine behind this gateway is rate limited; try again later.","code":"rate_limited"}'
# How long starting waits for the server's name, which is only worth showing.
RUNTIME_WAIT_S = 1.0


class KServe(Engine[KServeConfig]):
    """Sends the payload as it is to `<base_url>/v2/models/<model>/infer`, and hands the reply back byte for byte.

    The server gets this engine's own credential and nothing of the caller's headers. A reply is handed back only once its
    tensors are known to be whole and, of a model that takes batches, as many as were asked about.
    """

    manifest: ClassVar[EngineManifest] = EngineManifest(name="kserve", version=VERSION, dialects=("kserve",))

    async def load(self, host: Host) -> None:
        """Open the connection pool. Error: `CannotStart` for a URL, key or proxy that cannot be used.

        The server need not be there.
        """
        self._monotonic = host.monotonic
        self._live = host.live
        self._upstream = Upstream(self.config.upstream(), host.monotonic, self.config.base, streams=False)
        self._catalogue = Catalogue(self.config, self._upstream, host.monotonic)
        self._runtime: asyncio.Task[str] | None = None
        if host.live:
            self._runtime = asyncio.create_task(self._catalogue.runtime())
            await asyncio.wait({self._runtime}, timeout=RUNTIME_WAIT_S)

    async def generate(self, request: EngineRequest) -> Native:
        """Ask the server. Errors: `EngineError`, whose message holds neither payload nor credential."""
        named = PATH.fullmatch(request.path)
        if named is None:
            raise RequestRefused("There is nothing at this path.", code="not_found")
        model, version = request.model, named[1] or ""
        asked = wire.read(request.body, request.json_bytes)
        deadline = min(self._monotonic() + self.config.total_timeout_ms / 1000, request.deadline)
        try:
            path = f"{self._catalogue.path(model, version)}/infer"
            batched = await self._catalogue.batched(model, version, deadline)
        except LookupError:
            raise RequestRefused(NOT_FOUND, param="model", code="not_found") from None
        rows = asked.rows() if batched else None
        headers = {}
        if request.json_bytes:
            headers = {"content-type": "application/octet-stream", wire.JSON_LENGTH_HEADER: str(request.json_bytes)}
        sent, response = await self._upstream.send(path, request.body, headers=headers, deadline=deadline)
        body = await read_reply(sent, response, self.config.reply_bytes_max)
        if response.status >= 400:
            return _refused(response, body)
        if response.status != 200:
            raise refusal(response.status)
        json_bytes = wire.json_length(headers_of(response, wire.JSON_LENGTH_HEADER), len(body))
        try:
            wire.check(asked, rows, body, json_bytes)
        except EngineError:
            self._catalogue.forget(model, version)
            raise
        return Native(200, body, json_bytes=json_bytes if json_bytes < len(body) else 0)

    def models(self) -> Models:
        """The server's models."""
        return self._catalogue

    def placements(self) -> Sequence[Placement]:
        """The server itself: where it runs what is its own business."""
        runtime = self._runtime
        named = runtime.result() if runtime is not None and runtime.done() and not runtime.cancelled() else ""
        where = origin(self.config.base_url)
        return [Placement(model=self.config.model, version=self.config.version, device=where, runtime=named)]

    async def health(self) -> str:
        """What the last attempts to connect met, when all of them failed of late; else what the server says of itself."""
        return self._upstream.health() or (await self._catalogue.health() if self._live else "")

    async def close(self) -> None:
        """Close the pool."""
        await self._upstream.close()
        await self._catalogue.close()
        if self._runtime is not None:
            self._runtime.cancel()
            await asyncio.wait({self._runtime})
        await asyncio.sleep(CLOSE_GRACE_S)


def _refused(response: Response, body: bytes) -> Native:
    """An error reply that the client may have. Error: `EngineError` for one that is not of the protocol."""
    if not wire.is_refusal(body):
        if response.status != 429:
            raise refusal(response.status)
        # The status and its delay are worth passing on even where a proxy on the way has put a web page around them.
        body = RATE_LIMITED
    return Native(response.status, body, passed_on(response))
