"""Plugins that the tests of the test runner test with, installed as somebody else's would be."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from yumen import (
    Answer,
    Block,
    CannotStart,
    Channel,
    Decision,
    Exchange,
    Host,
    Manifest,
    NoConfig,
    Plugin,
    Respond,
    Rule,
    StreamFilter,
)

POINTS = ("words", "hide", "leaky", "memo", "faulty", "picky", "slow")


class WordsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words that are found, or end the exchange."""

    note: Annotated[tuple[str, ...], msgspec.Meta(description="Words that are found.")] = ()
    block: Annotated[tuple[str, ...], msgspec.Meta(description="Words that end the exchange.")] = ()


class Words(Plugin[WordsConfig]):
    """A rule for every word, in requests and in replies."""

    # A filter holds text back only where its plugin may edit what flows on.
    manifest: ClassVar[Manifest] = Manifest(name="guard_words", version="1", sees="raw", mutates=True)

    def rules(self) -> Sequence[Rule]:
        noted = [Rule(f"note.{word}", path=("note", index)) for index, word in enumerate(self.config.note)]
        return [*noted, *(Rule(f"block.{word}", path=("block", index)) for index, word in enumerate(self.config.block))]

    async def on_request(self, exchange: Exchange) -> Decision | None:
        said = "\n".join(text.value for text in exchange.texts)
        for word in self.config.note:
            if word in said:
                exchange.find(f"note.{word}", category="word")
        return self.verdict(exchange, said)

    def verdict(self, exchange: Exchange, said: str) -> Block | None:
        """The block of the first word that enforces."""
        blocks = (exchange.block(f"block.{word}") for word in self.config.block if word in said)
        return next((block for block in blocks if block is not None), None)

    async def on_response(self, exchange: Exchange) -> Decision | None:
        assert exchange.reply is not None
        return self.verdict(exchange, "\n".join(text.value for text in exchange.reply.texts))

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        return Watch(self, exchange)


class Watch(StreamFilter):
    """Holds what could be the beginning of a word."""

    def __init__(self, words: Words, exchange: Exchange) -> None:
        self._words = words
        self._exchange = exchange
        self.hold_max = max((len(word) - 1 for word in words.config.block), default=0)
        self._held = ""

    def feed(self, text: str) -> str | Block:
        said = self._held + text
        block = self._words.verdict(self._exchange, said)
        if block is not None:
            return block
        free = max(0, len(said) - self.hold_max)
        self._held = said[free:]
        return said[:free]

    def finish(self) -> str:
        held, self._held = self._held, ""
        return held


SECRET = "绝密SECRET"


class Hide(Plugin[NoConfig]):
    """Puts stars over one word in replies, wherever a stream is cut."""

    manifest: ClassVar[Manifest] = Manifest(name="guard_hide", version="1", sees="raw", mutates=True)

    async def on_response(self, exchange: Exchange) -> Decision | None:
        assert exchange.reply is not None
        for text in exchange.reply.texts:
            place = text.value.find(SECRET)
            if place >= 0:
                text.replace(place, place + len(SECRET), "*" * len(SECRET))
        return None

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        return Stars()


class Stars(StreamFilter):
    """Holds the beginnings of the word."""

    hold_max = len(SECRET) - 1

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        said = (self._held + text).replace(SECRET, "*" * len(SECRET))
        held = next((size for size in range(len(SECRET) - 1, 0, -1) if said.endswith(SECRET[:size])), 0)
        self._held = said[len(said) - held :] if held else ""
        return said[: len(said) - held]

    def finish(self) -> str:
        return self._held


class Leaky(Hide):
    """The same, by somebody who believed that words come whole."""

    manifest: ClassVar[Manifest] = Manifest(name="guard_leaky", version="1", sees="raw", mutates=True)

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        return Hasty()


class Hasty(StreamFilter):
    """Looks at every piece by itself."""

    def feed(self, text: str) -> str:
        return text.replace(SECRET, "*" * len(SECRET))


class Memo(Plugin[NoConfig]):
    """Answers the second time what was asked for before, within a minute, and says so."""

    manifest: ClassVar[Manifest] = Manifest(name="guard_memo", version="1", sees="masked", stores="masked")

    async def start(self, host: Host) -> None:
        self._host = host

    async def on_request(self, exchange: Exchange) -> Decision | None:
        known = await self._host.store.get("asked")
        exchange.set_header("x-cache", "miss" if known is None else "hit")
        exchange.set_header("x-time", f"{self._host.now():.3f} {self._host.monotonic():.3f}")
        await self._host.store.set("asked", b"1", 60)
        return None if known is None else Respond(Answer(["来自备忘 from the memo"]))


class Faulty(Plugin[NoConfig]):
    """Fails on a word, and would tell the world what it was looking at."""

    manifest: ClassVar[Manifest] = Manifest(name="guard_faulty", version="1", sees="raw")

    async def on_request(self, exchange: Exchange) -> Decision | None:
        for text in exchange.texts:
            if "fail" in text.value:
                raise ValueError(f"cannot take {text.value}")
        return None


class Picky(Words):
    """Will not start without its first rule."""

    manifest: ClassVar[Manifest] = Manifest(name="guard_picky", version="1", sees="raw")

    async def start(self, host: Host) -> None:
        if host.disabled:
            raise CannotStart("every rule is needed")


class Slow(Plugin[NoConfig]):
    """Takes 20 ms."""

    manifest: ClassVar[Manifest] = Manifest(name="guard_slow", version="1", sees="raw")

    async def on_request(self, exchange: Exchange) -> Decision | None:
        await asyncio.sleep(0.02)
        return None


def install(site: Path) -> None:
    """Write the distribution into `site`; its code is this module."""
    info = site / "guards-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guards\nVersion: 1.0\n")
    points = (f"guard_{name} = tests.policy.testing.guards:{name.title()}" for name in POINTS)
    (info / "entry_points.txt").write_text("\n".join(["[yumen.plugins]", *points]) + "\n")
