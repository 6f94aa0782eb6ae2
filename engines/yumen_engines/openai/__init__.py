"""An engine that asks any server which speaks the OpenAI HTTP API."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import msgspec
from pyreqwest.response import Response

from yumen import Engine, EngineError, EngineManifest, EngineRequest, Host, Native
from yumen_engines.openai.client import CLOSE_GRACE_S, VERSION, Upstream, read_reply
from yumen_engines.openai.config import OpenAIConfig
from yumen_engines.openai.failures import refusal
from yumen_engines.openai.headers import header, passed_on
from yumen_engines.openai.stream import EventStream

__all__ = ["OpenAI", "OpenAIConfig"]

EVENT_STREAM = "text/event-stream"
RATE_LIMITED = (
    b'{"error":{"message":"The engine behind this gateway is rate limited; try again later.",'
    b'"type":"rate_limit_error","code":"rate_limited","param":null}}'
)
# What stands in it is for the dialect to read.
decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class OpenAI(Engine[OpenAIConfig]):
    """Sends the payload as it is to `<base_url>/<path>` and hands the reply back byte for byte.

    The upstream gets this engine's own credential and nothing of the caller's headers.
    """

    manifest: ClassVar[EngineManifest] = EngineManifest(name="openai", version=VERSION, dialects=("openai",))

    async def load(self, host: Host) -> None:
        """Open the connection pools. Error: `CannotStart` for a URL, key or proxy that cannot be used."""
        self._host = host
        self._streams: set[EventStream] = set()
        self._upstream = Upstream(self.config, host.monotonic)

    async def generate(self, request: EngineRequest) -> Native | EventStream:
        """Ask the upstream. A streamed request gets a stream where the upstream streams, else the whole reply.

        Errors: `EngineError`, whose message holds neither payload nor credential.
        """
        payload = self._body(request.body)
        deadline = self._host.monotonic() + self.config.total_timeout_ms / 1000
        if not request.streamed:
            deadline = min(deadline, request.deadline)
        sent, response = await self._upstream.send(request.path, payload, streamed=request.streamed, deadline=deadline)
        if request.streamed and response.status == 200 and _media_type(response) == EVENT_STREAM:
            stream = EventStream(sent, response, self.config, self._streams.discard)
            self._streams.add(stream)
            return stream
        body = await read_reply(sent, response, self.config.reply_bytes_max)
        return _native(response, body)

    async def health(self) -> str:
        """What the last attempts to connect met, when all of them failed of late; else empty."""
        return self._upstream.health()

    async def close(self) -> None:
        """Close every stream and the pools."""
        for stream in list(self._streams):
            await stream.aclose()
        await self._upstream.close()
        await asyncio.sleep(CLOSE_GRACE_S)

    def _body(self, body: bytes) -> bytes:
        """The payload under the configured model's name; every other byte of its members stays as it was."""
        if not self.config.model:
            return body
        try:
            members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise EngineError("the payload is not a JSON object, so its model cannot be named") from None
        members["model"] = msgspec.Raw(msgspec.json.encode(self.config.model))
        return msgspec.json.encode(members)


def _native(response: Response, body: bytes) -> Native:
    """A reply that the client may have. Error: `EngineError` for one that is no JSON object."""
    headers = {"content-type": header(response, "content-type") or "application/json", **passed_on(response)}
    if not _is_object(body):
        if response.status < 400:
            # Whoever answers so, and quickly, must not look like the best of several.
            raise EngineError("the upstream's reply is no JSON object")
        if response.status != 429:
            raise refusal(response.status)
        # The status and its delay are worth passing on even where a proxy on the way has put a web page around them.
        headers["content-type"] = "application/json"
        body = RATE_LIMITED
    return Native(response.status, body, headers)


def _is_object(body: bytes) -> bool:
    try:
        decode_object(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return True


def _media_type(response: Response) -> str:
    return header(response, "content-type").partition(";")[0].strip().lower()
