"""Asks a service whether a request may pass: POST `{"texts": [...]}`, and the answer is `{"flagged": true}` or false.

The flow check knows engines, and not whom a plugin calls: so this one sees the masked form and sends nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec
from pyreqwest.client import ClientBuilder

from yumen import Decision, Exchange, Host, Manifest, Plugin, Rule

FLAGGED, UNMASKED = "moderation.flagged", "moderation.unmasked"
REPLY_BYTES_MAX = 4096


class ModerationConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: Annotated[str, msgspec.Meta(pattern="^https?://", description="Where texts are posted to.")]
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60, description="Seconds for the whole answer.")] = 0.8


class Verdict(msgspec.Struct):
    flagged: bool


class Moderation(Plugin[ModerationConfig]):
    """Whatever goes wrong raises, and so `on_error` decides: by default nothing passes that was not looked at."""

    manifest: ClassVar[Manifest] = Manifest(name="moderation", version="1.0.0")

    def rules(self) -> Sequence[Rule]:
        return [Rule(FLAGGED, "refuses what the service flags"), Rule(UNMASKED, "refuses what is not masked")]

    async def start(self, host: Host) -> None:
        self._live = host.live
        client = ClientBuilder().runtime_multithreaded(False).follow_redirects(False).no_proxy()
        self._client = client.timeout(timedelta(seconds=self.config.timeout_s)).build()

    async def on_send(self, exchange: Exchange) -> Decision | None:
        if exchange.sent_form != "masked":  # the texts are digests then, of which nobody can tell anything
            return exchange.block(UNMASKED)
        if not self._live:  # in tests of policies and replays nobody outside is told anything
            return None
        body = msgspec.json.encode({"texts": [text.value for text in exchange.texts]})
        sent = self._client.post(self.config.url).header("content-type", "application/json").body_bytes(body)
        async with sent.streamed_read_buffer_limit(REPLY_BYTES_MAX).build_streamed() as response:
            if response.status != 200:
                raise ConnectionError(f"status {response.status}")
            read = await response.body_reader.read(REPLY_BYTES_MAX)
        return exchange.block(FLAGGED) if msgspec.json.decode(bytes(read or b""), type=Verdict).flagged else None

    async def stop(self) -> None:
        await self._client.close()
