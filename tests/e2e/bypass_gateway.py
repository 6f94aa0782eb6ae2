"""The gateway of the no-bypass test: the data plane with a real ledger, an engine that repeats and a cache."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import unquote

import msgspec
import structlog.testing
from tests import ledgers
from tests.e2e.bypass_places import MADE_UP, VALUES, Wire, dump

from yumen import (
    Answer,
    Engine,
    EngineManifest,
    EngineRequest,
    Events,
    Exchange,
    Manifest,
    Native,
    NoConfig,
    Plugin,
    Respond,
)
from yumen.forms import ExchangeState
from yumen.policy.bundle import Bundle, Instance
from yumen.policy.load import load_bundle
from yumen.policy.testing.harness import Caller, Harness

T = TypeVar("T")
TOKEN = re.compile(r"<[A-Z_]+_[0-9a-z]{10}>")
ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")
SAID = "记下了 noted: "
GATEWAY = """version: 1
engines:
  far: {adapter: openai, egress: remote, base_url: "http://127.0.0.1:9/v1"}
limits: {keepalive_ms: 60000}
routes:
  - id: all
    match: {paths: ["/v1/*", "/v2/*", "/apps/*"]}
    engine: far
    chain: [audit, anonymize]
"""
DETECT = "[cn.mobile, cn.id_card, cn.name, en.name, email, bank_card, secret.openai]"
POLICY = f"version: 1\nplugin: anonymize\nconfig: {{detect: {DETECT}, replies: {{default: %s}}}}\n"


class Repeating(Engine[NoConfig]):
    """Answers with whatever the test makes of the pseudonyms that it was given."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="r", version="1", dialects=("openai", "kserve", "json"))

    def __init__(self) -> None:
        super().__init__(NoConfig())
        self.answer: Callable[[EngineRequest, list[str]], Any] = lambda _, __: b"{}"
        self.given: list[EngineRequest] = []

    async def generate(self, request: EngineRequest) -> Answer | Native | Events:
        self.given.append(request)
        reply = self.answer(request, list(dict.fromkeys(TOKEN.findall(seen_by_engine(request)))))
        return self._events(reply) if isinstance(reply, list) else reply

    async def _events(self, events: list[dict[str, Any]]) -> AsyncIterator[bytes]:
        for event in events:
            yield dump(event).encode()


class Cache(Plugin[NoConfig]):
    """Keeps the masked form of replies by the masked form of requests, and answers with it the next time."""

    manifest: ClassVar[Manifest] = Manifest(name="cache", version="1", sees="masked", stores="masked")
    on = False

    def __init__(self, config: NoConfig) -> None:
        super().__init__(config)
        self.kept: dict[tuple[str, ...], str] = {}

    def _key(self, exchange: Exchange) -> tuple[str, ...]:
        return exchange.path, *(text.value for text in exchange.texts)

    async def on_request(self, exchange: Exchange) -> Respond | None:
        known = self.kept.get(self._key(exchange)) if self.on else None
        return None if known is None else Respond(Answer([known]))

    async def on_complete(self, exchange: Exchange) -> None:
        if self.on and exchange.reply is not None:
            wanted = [text.value for text in exchange.reply.texts if SAID in text.value]
            self.kept[self._key(exchange)] = wanted[0]


class Outcome:
    """What the caller got, and what came to lie elsewhere."""

    def __init__(self, caller: Caller, exchange: ExchangeState, stored: str) -> None:
        self.status = caller.status
        self.body = b"".join(caller.parts)
        self.exchange = exchange
        self.stored = stored
        self.streamed = b"event-stream" in dict(caller.headers).get(b"content-type", b"")

    @property
    def events(self) -> list[Any]:
        lines = self.body.decode().split("\n\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    @property
    def found_in_reply(self) -> set[str]:
        return {one.rule for one in self.exchange.findings if one.direction == "reply"}


class Gateway(Harness):
    """A bundle at work, with an engine that repeats and a cache below the chain."""

    async def __aenter__(self) -> Gateway:
        await super().__aenter__()
        self.engine = Repeating()
        chain = self.chain("all")
        chain.target, chain.dialects = chain.target._replace(engine=self.engine), Repeating.manifest.dialects
        cache = chain.steps[-1].plugin
        assert isinstance(cache, Cache)
        self.cache = cache
        self._tail = ledgers.Tail(self.data_dir)
        return self

    async def post(self, wire: Wire) -> Outcome:
        """One exchange, over ASGI."""
        headers = [(b"content-length", str(len(wire.body)).encode())]
        if wire.json_bytes:
            headers.append((b"inference-header-content-length", str(wire.json_bytes).encode()))
        scope = {"type": "http", "method": "POST", "raw_path": wire.path.encode(), "client": ("127.0.0.1", 0),
                 "headers": headers}  # fmt: skip
        caller = Caller(wire.body)
        with structlog.testing.capture_logs() as logged:
            await self._plane(scope, caller.receive, caller.send)
        (exchange,) = self._plane.opened.values()
        self._plane.opened.clear()
        return Outcome(caller, exchange, self._written() + dump(logged))

    def _written(self) -> str:
        """What the ledger has got since the last time."""
        return dump(self._tail.records())


def bundle(folder: Path, replies: str) -> Bundle:
    """The policy, with the cache put below it."""
    folder.mkdir()
    files = {
        "gateway": GATEWAY,
        "audit": "version: 1\nplugin: audit\nconfig: {journal_bytes: 65536}\n",
        "anonymize": POLICY % replies,
    }
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content)
    loaded = load_bundle(str(folder), {})
    cache = Instance(name="cache", plugin_class=Cache, config=NoConfig())
    routes = tuple(msgspec.structs.replace(one, chain=(*one.chain, cache)) for one in loaded.routes)
    return msgspec.structs.replace(loaded, routes=routes, instances={**loaded.instances, "cache": cache}, _found={})


class Running:
    """A gateway in a loop of its own."""

    def __init__(self, gateway: Gateway, runner: asyncio.Runner) -> None:
        self.gateway = gateway
        self.engine = gateway.engine
        self._runner = runner

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    def post(self, wire: Wire) -> Outcome:
        self.engine.given.clear()
        return self.run(self.gateway.post(wire))


def spellings(text: str) -> str:
    """A text as it stands, with its JSON escapes undone, and percent-decoded."""
    plain = ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
    return "\n".join((text, plain, unquote(plain)))


def seen_by_engine(request: EngineRequest) -> str:
    return "\n".join((unquote(request.path), request.model, request.body.decode("utf-8", "replace")))


def leaks(text: str, values: tuple[str, ...] = (*VALUES, *MADE_UP)) -> list[str]:
    every = spellings(text)
    return [value for value in values if value in every]
