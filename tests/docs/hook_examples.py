"""The examples on the pages of docs/plugins/hooks: small plugins that have every hook among them.

Their source is shown as it stands; tests/docs/test_hook_examples.py holds them to what the pages say.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import msgspec

from yumen import (
    AdminCall,
    Answer,
    Ask,
    Channel,
    Decision,
    Delta,
    Engine,
    EngineManifest,
    EngineRef,
    EngineRequest,
    Erasure,
    Events,
    Exchange,
    Finding,
    Host,
    Lint,
    Manifest,
    MaskingFilter,
    Native,
    NoConfig,
    Operation,
    Plugin,
    Rule,
    StreamFilter,
)


class Teams(Plugin[NoConfig]):
    """Refuses requests of nobody's team."""

    manifest: ClassVar[Manifest] = Manifest(name="teams", version="1.0.0")

    def headers(self) -> Collection[str]:
        return ["x-team"]

    async def on_request(self, exchange: Exchange) -> Decision | None:
        return None if "x-team" in exchange.headers else exchange.block("teams.missing")


class WordsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    refuse: Annotated[list[str], msgspec.Meta(description="Words that no request may hold.")] = []


class Words(Plugin[WordsConfig]):
    """Refuses requests that hold a word."""

    manifest: ClassVar[Manifest] = Manifest(name="words", version="1.0.0", sees="raw")

    def rules(self) -> Sequence[Rule]:
        return [Rule("words.refused", "refuses requests that hold one of these words", ("refuse",))]

    def lint(self) -> Sequence[Lint]:
        return [
            Lint(("refuse", place), "an empty word stands in every text", "take it out", wrong=True)
            for place, word in enumerate(self.config.refuse)
            if not word
        ]

    async def on_request(self, exchange: Exchange) -> Decision | None:
        for text in exchange.texts:
            for word in self.config.refuse:
                start = text.value.find(word)
                if start >= 0:
                    exchange.find("words.refused", category="words", text=text, start=start, end=start + len(word))
                    return exchange.block("words.refused")  # None where policy has the rule in shadow or off
        return None

    def judge(self, exchange: Exchange, finding: Finding) -> Decision | None:
        return exchange.block(finding.rule)


class RerouteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    engine: Annotated[str, msgspec.Meta(description="The engine that long requests go to.")]


class Reroute(Plugin[RerouteConfig]):
    """Has another engine answer long requests. It sees lengths, and needs no raw text."""

    manifest: ClassVar[Manifest] = Manifest(name="reroute", version="1.0.0")

    def engines(self) -> Sequence[EngineRef]:
        return [EngineRef(self.config.engine, ("engine",), calls="route")]

    async def on_request(self, exchange: Exchange) -> None:
        if sum(text.raw_chars for text in exchange.texts) > 1000:
            exchange.send_to(self.config.engine, "reroute.long")


class Residency(Plugin[NoConfig]):
    """Lets nothing but masked text leave the house."""

    manifest: ClassVar[Manifest] = Manifest(name="residency", version="1.0.0")

    async def on_send(self, exchange: Exchange) -> Decision | None:
        if exchange.egress == "remote" and exchange.sent_form != "masked":
            return exchange.block("residency.raw")
        return None


class Ping(Plugin[NoConfig]):
    """Answers `ping` itself; everything else is the engine's."""

    manifest: ClassVar[Manifest] = Manifest(name="ping", version="1.0.0", sees="raw")

    async def on_ask(self, exchange: Exchange, ask: Ask) -> Answer | Native | Events:
        said = [text.value for text in exchange.texts if text.role == "user"]
        return Answer(["pong"]) if said == ["ping"] else await ask()


class Dots(Plugin[NoConfig]):
    """Puts a dot in the place of every digit of a reply."""

    manifest: ClassVar[Manifest] = Manifest(name="dots", version="1.0.0", sees="raw", mutates=True)

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter | None:
        return DotsFilter()

    def whole(self, exchange: Exchange) -> bool:
        # Arguments of tools are JSON, where a digit can be written as an escape: only whole can they be read.
        return bool(exchange.options.get("tools"))

    async def on_response(self, exchange: Exchange) -> None:
        assert exchange.reply is not None
        for text in exchange.reply.texts:
            for found in re.finditer("[0-9]", text.value):
                text.replace(found.start(), found.end(), "•")


class DotsFilter(StreamFilter):
    """A digit is one code point, so nothing needs to be held back: `hold_max` stays 0 and `finish` has nothing."""

    def feed(self, text: str) -> str:
        return re.sub("[0-9]", "•", text)


class Numbers(Plugin[NoConfig]):
    """Masks digits: the engine and every store get `#`."""

    manifest: ClassVar[Manifest] = Manifest(name="numbers", version="1.0.0", sees="raw", masks=True)

    async def on_request(self, exchange: Exchange) -> None:
        for text in exchange.texts:
            for found in re.finditer("[0-9]", text.value):
                text.mask(found.start(), found.end(), "#")

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter | None:
        return NumbersFilter()

    async def on_response(self, exchange: Exchange) -> None:
        assert exchange.reply is not None
        for text in exchange.reply.texts:
            for found in re.finditer("[0-9]", text.value):
                text.mask(found.start(), found.end(), "#")


class NumbersFilter(MaskingFilter):
    """The client reads what the engine says; what is stored of it has no digits."""

    def __init__(self) -> None:
        self._ready = ""

    def feed(self, text: str) -> str:
        self._ready += re.sub("[0-9]", "#", text)
        return text

    def masked(self) -> str:
        ready, self._ready = self._ready, ""
        return ready


class Meter(Plugin[NoConfig]):
    """Counts how exchanges end. It sees no raw text, and keeps nothing but numbers."""

    manifest: ClassVar[Manifest] = Manifest(name="meter", version="1.0.0")

    async def start(self, host: Host) -> None:
        self._host = host
        host.log.info("meter_started")

    async def on_complete(self, exchange: Exchange) -> None:
        self._host.metrics.count("ended", outcome=exchange.outcome, route=exchange.route)

    async def stop(self) -> None:
        self._host.log.info("meter_stopped")


class Visits(Plugin[NoConfig]):
    """Counts the exchanges of each subject for a day, and forgets whom it must."""

    manifest: ClassVar[Manifest] = Manifest(name="visits", version="1.0.0", stores="masked", admin="visits")

    async def start(self, host: Host) -> None:
        self._store = host.store
        self._reloads = 0

    async def on_complete(self, exchange: Exchange) -> None:
        if exchange.subject:
            await self._store.add(f"{exchange.principal.tenant}/{exchange.subject}", 1, 86_400)

    async def on_operation(self, operation: Operation) -> None:
        self._reloads += operation.kind == "policy_reloaded"

    async def on_erase(self, erasure: Erasure) -> int:
        forgotten = [key async for key in self._store.keys(f"{erasure.tenant}/{erasure.subject}")]
        for key in forgotten:
            await self._store.delete(key)
        return len(forgotten)

    async def inspect(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        return {"subjects": len([key async for key in self._store.keys("")]), "reloads": self._reloads}

    async def operate(self, call: AdminCall) -> Mapping[str, Any]:
        if call.action != "reset":
            raise LookupError(call.action)
        await call.record()  # what cannot be recorded is not done
        self._reloads = 0
        return {"reloads": 0}

    async def ready(self) -> str:
        return "" if self._reloads < 1000 else "the policy is reloaded all the time"


class Parrot(Engine[NoConfig]):
    """Says the last message again."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="parrot", version="1.0.0")

    async def generate(self, request: EngineRequest) -> Answer | Native | Events:
        said = request.messages[-1].text
        return self._words(said) if request.streamed else Answer([said])

    async def _words(self, said: str) -> AsyncIterator[Delta | bytes]:
        for word in re.findall(r"\S+\s*|\s+", said):
            yield Delta(word)
        yield Delta(finish_reason="stop")
