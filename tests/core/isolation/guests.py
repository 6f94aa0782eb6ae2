"""Plugins for processes of their own: each does one thing, when the text says so."""

from __future__ import annotations

import asyncio
import mmap
import os
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from yumen import (
    AdminCall,
    Answer,
    Block,
    Decision,
    Entry,
    Erasure,
    Exchange,
    Host,
    Manifest,
    NoConfig,
    Operation,
    Plugin,
    Put,
    Respond,
    Rule,
    Scope,
    Series,
    Unsupported,
)

# How many hooks wait for one another.
MEETING = 100


class Guest(Plugin[NoConfig]):
    """Looks for words in the request and does what they say, in English and Chinese."""

    manifest: ClassVar[Manifest] = Manifest(name="guest", version="1", sees="raw", mutates=True, admin="guest")

    def rules(self) -> list[Rule]:
        return [Rule("house.word"), Rule("house.stop")]

    async def start(self, host: Host) -> None:
        self.host = host
        self.operations: list[str] = []
        self.meeting, self.all_here = 0, asyncio.Event()

    async def on_request(self, exchange: Exchange) -> Decision | None:
        exchange.state["began"] = exchange.id
        for text in exchange.texts:
            decision = await self.act(text.value, exchange)
            if decision is not None:
                return decision
            for word, new in (("heron", "bird"), ("苍鹭", "某鸟")):
                start = text.value.find(word)
                if start >= 0:
                    text.replace(start, start + len(word), new, rule="house.word")
                    exchange.find("house.word", category="words", text=text, start=start, end=start + len(word))
        return None

    async def act(self, value: str, exchange: Exchange) -> Decision | None:
        if "stop" in value or "停" in value:
            return exchange.block("house.stop")
        if "answer" in value:
            return Respond(Answer(["here it is 在这里"]))
        if "header" in value:
            exchange.set_header("x-guest", "was-here")
            exchange.set_cache("bypass", rule="house.word")
        if "odd metric" in value:
            self.host.metrics.count("odd metric")
            self.host.metrics.count("odd", float("nan"))
        if "raise" in value:
            raise LookupError("what the text said: 秘密")
        if "exit" in value:
            raise SystemExit(3)
        if "media" in value:
            raise Unsupported("media at messages[0]")
        if "crash" in value:
            os._exit(7)
        if "bomb" in value:
            self.kept = bytearray(8 << 30)
        if "share" in value:
            # Enough to be noticed, and nothing that `RLIMIT_DATA` counts.
            shared = mmap.mmap(-1, 640 << 20)
            for page in range(0, len(shared), mmap.PAGESIZE):
                shared[page] = 1
            await asyncio.sleep(3600)
        if "own task" in value:
            self.task = asyncio.create_task(self.leave())
            await asyncio.sleep(3600)
        if "many" in value:
            for place in range(1500):
                exchange.find("house.word", category="words", text=exchange.texts[0], start=0, end=place)
        if "surrogate" in value:
            exchange.texts[0].replace(0, 1, "\ud800", rule="house.word")
        if "no finding" in value:
            exchange.find("house.word", category="", end=1)
        if "busy" in value:
            while True:
                pass
        if "slow" in value:
            await asyncio.sleep(3600)
        if "sleep" in value:
            await asyncio.sleep(0.05)
        if "meet" in value:
            self.meeting += 1
            if self.meeting == MEETING:
                self.all_here.set()
            await self.all_here.wait()
        if "fork" in value:
            for _ in range(100):
                if os.fork() == 0:
                    time.sleep(60)  # noqa: ASYNC251  # a child that stays
                    os._exit(0)
        if "decision" in value:
            return 42  # type: ignore[return-value]
        if "code" in value:
            return Block("house.stop", code="no_such_code")  # type: ignore[arg-type]
        if "range" in value:
            exchange.texts[0].replace(0, 10_000, "")
        if "facts" in value:
            try:
                canonical = len(exchange.canonical())
            except PermissionError:  # nothing has masked
                canonical = -1
            self.facts = {
                "options": dict(exchange.options), "clean": exchange.clean, "mode": exchange.mode("house.word"),
                "canonical": canonical, "secret": self.host.secret("guest", "a").hex(),
                "subject": self.host.subject_id("t", "某人"), "session": self.host.session_id("t", "a", "s"),
            }  # fmt: skip
        return None

    async def leave(self) -> None:
        raise SystemExit(3)

    async def on_response(self, exchange: Exchange) -> Decision | None:
        assert exchange.state["began"] == exchange.id
        assert exchange.reply is not None
        for text in exchange.reply.texts:
            if "secret" in text.value:
                text.replace(text.value.index("secret"), text.value.index("secret") + 6, "******")
            if "forbidden" in text.value or "禁止" in text.value:
                return Block("house.stop")
        return None

    async def on_complete(self, exchange: Exchange) -> None:
        self.host.metrics.count("completed", outcome=exchange.outcome)
        self.host.log.info("guest_completed", exchange=exchange.id, outcome=exchange.outcome)

    async def on_operation(self, operation: Operation) -> None:
        self.operations.append(operation.kind)

    async def on_erase(self, erasure: Erasure) -> int:
        return len(erasure.subject)

    async def ready(self) -> str:
        return "not in the mood" if "tired" in self.operations else ""

    async def inspect(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        return {"query": dict(query), "pid": os.getpid(), "facts": getattr(self, "facts", None), "ops": self.operations,
                "env": sorted(os.environ), "erased": await self.host.erase(Erasure("t", "s"))}  # fmt: skip

    async def operate(self, call: AdminCall) -> Mapping[str, Any]:
        if call.action != "record":
            raise ValueError("only `record` can be done here")
        await call.record(what="it")
        return {"by": call.actor, "reveal": call.may("reveal")}


class Keeping(Plugin[NoConfig]):
    """Uses every operation of the store, and shows what came of it."""

    manifest: ClassVar[Manifest] = Manifest(name="keeping", version="1", admin="keeping")

    async def start(self, host: Host) -> None:
        self.store = host.store
        self.counters = host.store.counters("c", [Scope("key", (Series("n", windows_s=(60,)),))])

    async def on_request(self, exchange: Exchange) -> None:
        await self.store.set("seen", exchange.id.encode(), 60)

    async def inspect(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        store = self.store
        await store.set("a", b"1234", 60)
        first = await store.take("b", b"x", 60), await store.take("b", b"y", 60)
        await store.together([Put("c", b"z", 60)])
        await store.append("l", b"1", 60, 2)
        counted = await self.counters.count([Entry(0, "who", (1,))])
        wrong = ""
        try:
            await store.append("a", b"1", 60, 2)
        except ValueError:
            wrong = "ValueError"
        return {
            "get": (await store.get("a") or b"").decode(), "take": first, "keys": sorted([k async for k in store.keys("")]),
            "add": await store.add("n", 2, 60), "items": [i.decode() for i in await store.items("l")],
            "peek": [p.decode() for p in await store.peek(["a"], 2)], "count": counted, "wrong": wrong,
            "wait": await self.counters.wait_s(0, "who", 0, 1), "none": await store.get("nothing"),
        }  # fmt: skip


class Masked(Plugin[NoConfig]):
    """May only see the masked form, and answers with what it was given."""

    manifest: ClassVar[Manifest] = Manifest(name="masked", version="1", sees="masked")

    async def on_request(self, exchange: Exchange) -> Decision | None:
        return Respond(Answer([exchange.texts[-1].value]))


class Refusing(Plugin[NoConfig]):
    """Does not start."""

    manifest: ClassVar[Manifest] = Manifest(name="refusing", version="1")

    async def start(self, host: Host) -> None:
        from yumen import CannotStart

        raise CannotStart("there is no light; switch it on")

    async def on_request(self, exchange: Exchange) -> None: ...
