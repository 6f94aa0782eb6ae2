"""Plugins that break a rule of the checks in streams, or with rules that do not enforce."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tests.testing.conformance.bad_base import Bad, manifest

from yumen import Block, Channel, Decision, Exchange, Manifest, Rule, StreamFilter


class Hasty(StreamFilter):
    def feed(self, text: str) -> str:
        return text.replace("猎鹰", "某鸟")


class Cutting(Bad):
    manifest: ClassVar[Manifest] = manifest(mutates=True)

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        return Hasty()

    async def on_response(self, exchange: Exchange) -> None:
        for text in exchange.reply.texts if exchange.reply is not None else ():
            at = text.value.find("猎鹰")
            if at >= 0:
                text.replace(at, at + 2, "某鸟")


class Keeper(StreamFilter):
    def __init__(self) -> None:
        self.held = ""

    def feed(self, text: str) -> str:
        self.held += text
        return ""

    def finish(self) -> str:
        return self.held


class Holding(Bad):
    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        return Keeper()


class Half(StreamFilter):
    """Shortens a word, and keeps half of whatever comes in longer pieces."""

    hold_max = 6

    def __init__(self) -> None:
        self.held = ""

    def feed(self, text: str) -> str:
        whole = (self.held + text).replace("Falcon", "Kite")
        keep = next((size for size in range(5, 0, -1) if whole.endswith("Falcon"[:size])), 0)
        keep = len(whole) // 2 if len(text) > 1 else keep
        self.held = whole[len(whole) - keep :]
        return whole[: len(whole) - keep]

    def finish(self) -> str:
        return self.held


class Hoarding(Bad):
    manifest: ClassVar[Manifest] = manifest(mutates=True)

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        return Half()


class Birds(StreamFilter):
    """Writes another bird for a falcon, in the end: as `enforces` says, unless the plugin does not ask it."""

    hold_max = 2000

    def __init__(self, exchange: Exchange, rule: str, *, enforces: bool) -> None:
        self.exchange = exchange
        self.rule = rule
        self.enforces = enforces
        self.held = ""

    def feed(self, text: str) -> str | Block:
        self.held += text
        return ""

    def finish(self) -> str:
        for _ in range(self.held.count("猎鹰")):
            self.exchange.find(self.rule, category="test")
        return self.held.replace("猎鹰", "某鸟") if self.enforces else self.held


class Untried(Bad):
    """Edits streams under a rule in whatever mode that is."""

    manifest: ClassVar[Manifest] = manifest(mutates=True)
    asks: ClassVar[str | None] = None

    def rules(self) -> Sequence[Rule]:
        return [Rule("bird", "Falcons in replies."), Rule("other", "Nothing.")]

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        enforces = self.asks is None or exchange.mode(self.asks) == "enforce"
        return Birds(exchange, "bird", enforces=enforces)

    async def on_response(self, exchange: Exchange) -> None:
        for text in exchange.reply.texts if exchange.reply is not None else ():
            at = text.value.find("猎鹰") if text.kind == "message" else -1
            if at >= 0:
                exchange.find("bird", category="test")
                text.replace(at, at + 2, "某鸟", rule="bird")


class Crossed(Untried):
    """Asks for the mode of another rule."""

    asks: ClassVar[str | None] = "other"


class Again(StreamFilter):
    """Looks at all that has come so far with every piece, and waits for nothing."""

    def __init__(self, plugin: Repeating, exchange: Exchange) -> None:
        self.plugin = plugin
        self.exchange = exchange
        self.said = ""

    def feed(self, text: str) -> str | Block:
        self.said += text
        return self.plugin.judged(self.exchange, self.said) or text


class Repeating(Bad):
    """Blocks, and so nobody sees that it would find one place again and again; in shadow everybody does."""

    def rules(self) -> Sequence[Rule]:
        return [Rule("bird", "Falcons in replies.")]

    def judged(self, exchange: Exchange, text: str) -> Block | None:
        if "猎鹰" not in text:
            return None
        exchange.find("bird", category="test")
        return exchange.block("bird")

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        return Again(self, exchange)

    async def on_response(self, exchange: Exchange) -> Decision | None:
        assert exchange.reply is not None
        every = (self.judged(exchange, text.value) for text in exchange.reply.texts if text.kind == "message")
        return next(filter(None, every), None)


class Recounting(Repeating):
    """Only notes, so that it is seen at once."""

    def judged(self, exchange: Exchange, text: str) -> Block | None:
        super().judged(exchange, text)
        return None


class Unasked(Bad):
    """Edits requests, and does not say by which rule."""

    manifest: ClassVar[Manifest] = manifest(mutates=True)

    def rules(self) -> Sequence[Rule]:
        return [Rule("bird", "Falcons in requests.")]

    async def on_request(self, exchange: Exchange) -> None:
        for text in exchange.texts:
            at = text.value.find("猎鹰")
            if at >= 0:
                text.replace(at, at + 2, "某鸟")
