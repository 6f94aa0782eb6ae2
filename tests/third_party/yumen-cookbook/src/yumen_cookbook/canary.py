"""Blocks replies that give away a canary: a secret string that stands in a prompt and must never come back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from yumen import Block, Channel, Decision, Exchange, Manifest, Plugin, Rule, StreamFilter

Token = Annotated[str, Meta(min_length=8, max_length=200)]


class CanaryConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the policy file's `config:` may say."""

    tokens: Annotated[list[Token], Meta(min_length=1, max_length=1000, description='The canaries; `"${env:NAME}"`.')]


class Canary(Plugin[CanaryConfig]):
    """It edits nothing, and so needs not say `mutates` to hold a stream back and to end it."""

    manifest: ClassVar[Manifest] = Manifest(name="canary", version="1.0.0", sees="raw")

    def rules(self) -> Sequence[Rule]:
        return [Rule("canary.leaked", "ends replies that hold a canary", ("tokens",))]

    def leaked(self, exchange: Exchange, text: str, seen: int = 0) -> Block | None:
        leaked = sum(text[max(0, seen - len(token) + 1) :].count(token) for token in self.config.tokens)
        for _ in range(leaked):
            exchange.find("canary.leaked", category="canary")
        return exchange.block("canary.leaked") if leaked else None

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter | None:
        return Held(self, exchange)

    def whole(self, exchange: Exchange) -> bool:
        return bool(exchange.options.get("tools"))  # arguments of tools may be written with the escapes of JSON

    async def on_response(self, exchange: Exchange) -> Decision | None:
        texts = exchange.reply.texts if exchange.reply is not None else ()
        return next(filter(None, (self.leaked(exchange, text.value) for text in texts)), None)


class Held(StreamFilter):
    """Holds back as much as could be the beginning of a canary; one that ends within what was seen is recorded already."""

    def __init__(self, plugin: Canary, exchange: Exchange) -> None:
        self.hold_max = max(map(len, plugin.config.tokens)) - 1
        self._plugin, self._exchange, self._held = plugin, exchange, ""

    def feed(self, text: str) -> str | Block:
        seen, text = len(self._held), self._held + text
        go = max(0, len(text) - self.hold_max)
        self._held = text[go:]
        return self._plugin.leaked(self._exchange, text, seen) or text[:go]

    def finish(self) -> str:
        return self._held
