"""A plugin that the tests of the kit look at."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from yumen import Block, Channel, Decision, Exchange, Host, Manifest, Plugin, StreamFilter


class GuardConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    refuse: list[str] = []


class Guard(Plugin[GuardConfig]):
    """Refuses words, and replaces the word 甲 by 乙 in replies."""

    manifest: ClassVar[Manifest] = Manifest(name="guard", version="1.0.0", sees="raw", mutates=True)

    async def start(self, host: Host) -> None:
        self.host = host

    async def on_request(self, exchange: Exchange) -> Decision | None:
        self.host.metrics.count("asked", route=exchange.route)
        for text in exchange.texts:
            for word in self.config.refuse:
                at = text.value.find(word)
                if at >= 0:
                    exchange.find("guard.word", category="words", text=text, start=at, end=at + len(word))
                    return exchange.block("guard.word")
        return None

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        return Renamed()

    async def on_response(self, exchange: Exchange) -> None:
        assert exchange.reply is not None
        for text in exchange.reply.texts:
            for at, char in enumerate(text.value):
                if char == "甲":
                    text.replace(at, at + 1, "乙")


class Renamed(StreamFilter):
    def feed(self, text: str) -> str | Block:
        return text.replace("甲", "乙")
