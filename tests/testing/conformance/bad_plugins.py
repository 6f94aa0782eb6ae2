"""For every check a plugin that breaks its rule, and little else."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
from tests.testing.conformance.bad_base import Bad, manifest
from tests.testing.conformance.bad_streams import (
    Crossed,
    Cutting,
    Hoarding,
    Holding,
    Recounting,
    Repeating,
    Unasked,
    Untried,
)

from yumen import Decision, Exchange, Host, Manifest, NoConfig, Plugin, Respond, Rule
from yumen.exchange import Answer
from yumen.operators import AdminCall, Erasure, Operation

SPILLED = f"yumen-conformance-{os.getpid()}"


def said(exchange: Exchange) -> str:
    return " ".join(text.value for text in exchange.texts)


def spill(text: str) -> None:
    Path(tempfile.gettempdir(), SPILLED).write_text(text)


class NoHook(Plugin[NoConfig]):
    manifest: ClassVar[Manifest] = manifest()


class BareConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    words: list[str] = []


class Bare(Plugin[BareConfig]):
    manifest: ClassVar[Manifest] = manifest()

    async def on_request(self, exchange: Exchange) -> None: ...


class InnerConfig(msgspec.Struct, frozen=True):
    word: Annotated[str, msgspec.Meta(description="A word.")] = ""


class LooseConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inner: Annotated[InnerConfig, msgspec.Meta(description="More.")] = InnerConfig()


class Loose(Plugin[LooseConfig]):
    manifest: ClassVar[Manifest] = manifest()

    async def on_request(self, exchange: Exchange) -> None: ...


class RateConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: Annotated[int, msgspec.Meta(description="How many a second.")] = 1


class Rate(Plugin[RateConfig]):
    manifest: ClassVar[Manifest] = manifest()

    def __init__(self, config: RateConfig) -> None:
        super().__init__(config)
        self.every_s = 1 / config.rate

    async def on_request(self, exchange: Exchange) -> None: ...


class NeedyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    word: Annotated[str, msgspec.Meta(description="A word.")]


class Needy(Plugin[NeedyConfig]):
    manifest: ClassVar[Manifest] = manifest()

    async def on_request(self, exchange: Exchange) -> None: ...


class Twice(Bad):
    def rules(self) -> Sequence[Rule]:
        return [Rule("one", "of two"), Rule("one", "of two")]


class Unnamed(Bad):
    def rules(self) -> Sequence[Rule]:
        return [Rule("listed", "What it says it finds.")]

    async def on_request(self, exchange: Exchange) -> None:
        exchange.find("unlisted", category="test")


class Careless(Bad):
    async def on_request(self, exchange: Exchange) -> None:
        assert all(text.value[0] for text in exchange.texts if text.kind == "message")


class Lottery(Bad):
    manifest: ClassVar[Manifest] = manifest(mutates=True)

    async def on_request(self, exchange: Exchange) -> None:
        for text in exchange.texts:
            if text.kind == "message":
                text.replace(0, 0, secrets.token_hex(4))


class Peeking(Bad):
    manifest: ClassVar[Manifest] = manifest(sees="masked")

    async def on_request(self, exchange: Exchange) -> None:
        state: Any = exchange
        self.peeked = [text.raw for text in state._exchange.texts]


class Editing(Bad):
    async def on_request(self, exchange: Exchange) -> None:
        exchange.texts[-1].replace(0, 0, "!")


class Tampering(Bad):
    """Edits by a way that nobody can refuse."""

    async def on_response(self, exchange: Exchange) -> None:
        state: Any = exchange
        for text in state._exchange.reply.texts:
            if text.kind == "message":
                text.raw = text.raw + "!"
                text.edited = True


class Storing(Bad):
    async def on_request(self, exchange: Exchange) -> None:
        await self.host.store.set("last", said(exchange).encode(), 60)


class Filing(Bad):
    async def on_request(self, exchange: Exchange) -> None:
        (self.host.data_dir / "last").write_text(said(exchange))


class Scattering(Bad):
    async def on_request(self, exchange: Exchange) -> None:
        with tempfile.NamedTemporaryFile(dir=tempfile.gettempdir()) as file:
            file.write(b"nothing of anybody")


class Spilling(Bad):
    async def on_request(self, exchange: Exchange) -> None:
        spill(said(exchange))


class Logging(Bad):
    async def on_request(self, exchange: Exchange) -> None:
        self.host.log.info("asked", text=said(exchange))


class Finding(Bad):
    async def on_request(self, exchange: Exchange) -> None:
        exchange.find(f"word.{said(exchange)}", category="test")


class Calling(Bad):
    async def on_request(self, exchange: Exchange) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.connect(("127.0.0.1", 9))


class Heading(Bad):
    """Sets a header past the core, which sets none in shadow."""

    async def on_request(self, exchange: Exchange) -> None:
        state: Any = exchange
        state._exchange.headers["x-told"] = "1"


class Sharing(Bad):
    told: ClassVar[list[str]] = []

    async def on_request(self, exchange: Exchange) -> None:
        self.told.append(said(exchange))


class Common(Bad):
    """A cache for everybody."""

    async def start(self, host: Host) -> None:
        self.known: dict[str, str] = {}

    async def on_request(self, exchange: Exchange) -> Decision | None:
        known = self.known.get(said(exchange))
        return None if known is None else Respond(Answer([known]))

    async def on_response(self, exchange: Exchange) -> None:
        if exchange.reply is not None and exchange.reply.texts:
            self.known[said(exchange)] = exchange.reply.texts[-1].value


class Showing(Bad):
    manifest: ClassVar[Manifest] = manifest(admin="bad")
    last = ""

    async def on_request(self, exchange: Exchange) -> None:
        self.last = said(exchange)

    async def inspect(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        return {"last": self.last}


class Obliging(Bad):
    manifest: ClassVar[Manifest] = manifest(admin="bad")

    async def operate(self, call: AdminCall) -> Mapping[str, Any]:
        await call.record(action=call.action)
        return {}


class Recording(Bad):
    manifest: ClassVar[Manifest] = manifest(admin="bad")

    async def operate(self, call: AdminCall) -> Mapping[str, Any]:
        await call.record(action=call.action)
        raise ValueError("there is no such action")


class Choosy(Bad):
    async def on_operation(self, operation: Operation) -> None:
        {"policy_reloaded": 1}[operation.kind]


class Unforgetting(Bad):
    async def on_erase(self, erasure: Erasure) -> int:
        return 1


class Watching(Bad):
    """Has a task beside every exchange, and ends it where `ends` says so."""

    async def on_request(self, exchange: Exchange) -> None:
        exchange.state["task"] = asyncio.create_task(asyncio.sleep(3600))

    def ends(self, exchange: Exchange) -> bool:
        return True

    async def on_complete(self, exchange: Exchange) -> None:
        if self.ends(exchange):
            exchange.state["task"].cancel()


class Unfailing(Watching):
    def ends(self, exchange: Exchange) -> bool:
        return not exchange.outcome.startswith("engine")


class Unleft(Watching):
    def ends(self, exchange: Exchange) -> bool:
        return exchange.outcome != "client_disconnect"


class Uncancelled(Bad):
    async def on_request(self, exchange: Exchange) -> None:
        opened = os.open(os.devnull, os.O_RDONLY)
        await asyncio.sleep(0)
        os.close(opened)


class Unstored(Bad):
    async def on_request(self, exchange: Exchange) -> None:
        opened = os.open(os.devnull, os.O_RDONLY)
        await self.host.store.get("any")
        os.close(opened)


class HalfStarted(Bad):
    opened = -1
    started = False

    async def start(self, host: Host) -> None:
        self.opened = os.open(os.devnull, os.O_RDONLY)
        (host.data_dir / "notes").mkdir(exist_ok=True)
        self.started = True

    async def stop(self) -> None:
        if self.started:
            os.close(self.opened)


class Remembering(Bad):
    every: ClassVar[list[Any]] = []

    async def start(self, host: Host) -> None:
        self.every.append(self)


class Unclosed(Bad):
    async def start(self, host: Host) -> None:
        os.open(os.devnull, os.O_RDONLY)


class Growing(Bad):
    every: ClassVar[list[bytes]] = []

    async def start(self, host: Host) -> None:
        self.every.append(bytes(10_000))


# By check those that break it.
BAD: dict[str, tuple[type[Plugin[Any]], ...]] = {
    "manifest.form": (NoHook,),
    "schema.description": (Bare,),
    "schema.strict": (Loose,),
    "schema.wrong": (Rate,),
    "schema.default": (Needy,),
    "rules.form": (Twice,),
    "rules.named": (Unnamed,),
    "rules.modes": (Untried, Crossed, Repeating, Unasked),
    "hooks.sound": (Careless,),
    "hooks.repeatable": (Lottery,),
    "manifest.sees": (Peeking,),
    "manifest.mutates": (Editing, Tampering),
    "manifest.stores": (Storing, Filing, Spilling),
    "manifest.files": (Scattering,),
    "text.out": (Logging, Finding),
    "host.live": (Calling,),
    "shadow.applies": (Heading,),
    "state.instances": (Sharing,),
    "state.tenants": (Common,),
    "admin.inspect": (Showing,),
    "admin.operate": (Obliging, Recording),
    "operation.taken": (Choosy,),
    "erase.counts": (Unforgetting,),
    "stream.splits": (Cutting, Recounting),
    "stream.hold": (Holding, Hoarding),
    "fault.engine": (Unfailing,),
    "fault.leave": (Unleft,),
    "fault.cancel": (Uncancelled,),
    "fault.store": (Unstored,),
    "start.again": (HalfStarted,),
    "leak.start_stop": (Remembering, Unclosed, Growing),
}
