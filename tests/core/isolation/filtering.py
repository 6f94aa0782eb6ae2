"""A plugin whose stream filters do what the request says, for a process of its own."""

from __future__ import annotations

import os
import time
from typing import ClassVar

from yumen import (
    Block,
    Channel,
    Decision,
    Exchange,
    Manifest,
    NoConfig,
    Plugin,
    Rule,
    StreamFilter,
    Unsupported,
)

WORDS = {"secret": "******", "秘密": "某事"}
LONGEST = max(map(len, WORDS))


class Words(StreamFilter):
    """Replaces words, and holds back what may be the beginning of one."""

    hold_max = LONGEST - 1

    def __init__(self, plugin: Filtering, exchange: Exchange, channel: Channel) -> None:
        self._plugin = plugin
        self._exchange = exchange
        self._asked = exchange.texts[-1].value
        self._channel = channel
        self._held = ""

    def feed(self, text: str) -> str | Block:
        self._plugin.fed += 1
        wrong = self._wrong(text)
        if wrong is not None:
            return wrong
        self._held += text
        for word in ("forbidden", "禁止"):
            if word in self._held and (block := self._exchange.block("words.stop")) is not None:
                return block
        for word, new in WORDS.items():
            if word in self._held:
                self._exchange.find("words.word", category="words", end=len(word))
                self._held = self._held.replace(word, new)
        longest = min(len(self._held), self.hold_max)
        keep = next((size for size in range(longest, 0, -1) if self._begins(self._held[-size:])), 0)
        keep = len(self._held) if "greedy" in self._asked else keep
        out, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return out

    def _wrong(self, text: str) -> str | Block | None:
        """What a good filter does not do; where the piece is the first of its kind, or says so."""
        if "now" not in text:
            return None
        if "raise" in self._asked:
            raise LookupError("秘密 in a message")
        if "options" in self._asked:
            return f"{dict(self._exchange.options)} {self._exchange.clean}"
        if "unsupported" in self._asked:
            raise Unsupported("there")
        if "nonsense" in self._asked:
            return 42  # type: ignore[return-value]
        if "edit" in self._asked:
            self._exchange.texts[0].replace(0, 1, "x")
        if "crash" in self._asked:
            os._exit(7)
        if "busy" in self._asked:
            time.sleep(60)
        return None

    def _begins(self, tail: str) -> bool:
        return any(word.startswith(tail) for word in WORDS)

    def finish(self) -> str | Block:
        out, self._held = self._held, ""
        return out


class Filtering(Plugin[NoConfig]):
    """See above. It has a response hook as well, which sees whole what the request wants so."""

    manifest: ClassVar[Manifest] = Manifest(name="guest", version="1", sees="raw", mutates=True)

    def __init__(self, config: NoConfig) -> None:
        super().__init__(config)
        self.fed = 0

    def rules(self) -> list[Rule]:
        return [Rule("words.word"), Rule("words.stop")]

    async def on_request(self, exchange: Exchange) -> Decision | None:
        exchange.state["asked"] = exchange.texts[-1].value
        return None

    def whole(self, exchange: Exchange) -> bool:
        asked = str(exchange.state["asked"])
        if "say nothing" in asked:
            raise LookupError("秘密")
        return "whole" in asked

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter | None:
        asked = str(exchange.state["asked"])
        if "no opening" in asked:
            raise LookupError("秘密")
        if "nobody" in asked or (channel.name == "reasoning" and "no reasoning" in asked):
            return None
        return Words(self, exchange, channel)

    async def on_response(self, exchange: Exchange) -> Decision | None:
        assert exchange.reply is not None
        for text in exchange.reply.texts:
            start = text.value.find("secret")
            if start >= 0:
                text.replace(start, start + 6, "WHOLE!")
        return None

    async def on_complete(self, exchange: Exchange) -> None:
        assert exchange.reply is not None
        exchange.find("words.word", category="seen", end=sum(len(text.value) for text in exchange.reply.texts))


class Onlooker(Plugin[NoConfig]):
    """May not edit: its filter holds text back until it knows that it may pass."""

    manifest: ClassVar[Manifest] = Manifest(name="guest", version="1", sees="raw")

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter | None:
        return Words(Filtering(NoConfig()), exchange, channel)
