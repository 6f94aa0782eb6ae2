"""The kit for plugin authors, as they would use it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.testing.guard import Guard

from yumen import (
    Decision,
    Delta,
    Engine,
    EngineError,
    EngineManifest,
    EngineRef,
    EngineRequest,
    Events,
    Exchange,
    Host,
    Manifest,
    NoConfig,
    Plugin,
    Respond,
)
from yumen.errors import PolicyError
from yumen.exchange import Answer
from yumen.testing import Harness, Pause, ToolArguments, Used, app, chat, complete, embed, infer
from yumen.testing.engine import RelayingEngine


class Leaky(Plugin[NoConfig]):
    """Says in every place what it saw, though it promised not to."""

    manifest: ClassVar[Manifest] = Manifest(name="leaky", version="1.0.0", sees="raw")
    places: ClassVar[set[str]] = set()

    async def start(self, host: Host) -> None:
        self.host = host

    async def on_request(self, exchange: Exchange) -> None:
        text = next(one for one in exchange.texts if one.kind == "message")
        places = self.places
        if "log" in places:
            self.host.log.warning("saw", text=text.value)
        if "logging" in places:
            logging.getLogger("leaky").warning("saw %s", text.value)
        if "metrics" in places:
            self.host.metrics.count("seen", word=text.value)
        if "store" in places:
            await self.host.store.set("last", text.value.encode(), 60)
        if "file" in places:
            (self.host.data_dir / "notes.txt").write_text(text.value)


class Greeter(Plugin[NoConfig]):
    manifest: ClassVar[Manifest] = Manifest(name="greeter", version="1.0.0")

    async def on_request(self, exchange: Exchange) -> Decision | None:
        return Respond(Answer(["你好"]))


@pytest.mark.parametrize("text", ["about 猎鹰计划", "Falcon of 猎鹰计划"])
async def test_one_plugin_blocks(text: str) -> None:
    """A plugin that nobody installed runs under a real policy, and what it did can be asserted."""
    async with Harness.of(Guard, {"refuse": ["猎鹰"]}) as harness:
        outcome = await harness.ask(chat(text))
    outcome.assert_blocked(by="guard.word")
    outcome.assert_found("guard.word")
    outcome.assert_engine_not_asked()
    assert outcome.record is not None
    assert outcome.record.outcome == "policy_blocked"
    assert harness.metrics.total("asked", route="chat") == 1


async def test_every_dialect_can_be_asked() -> None:
    """A call of each dialect reaches the engine with its texts, and comes back."""
    calls = [chat("问 a"), complete("问 a"), embed("问 a", "b"), infer(x=["问 a"]), app("faq", {"q": "问 a"})]
    async with Harness.of(Guard) as harness:
        for call in calls:
            outcome = await harness.ask(call)
            assert outcome.status == 200, outcome.told()
            outcome.assert_engine_got("问 a")
        assert [one.dialect for one in harness.engine.requests] == ["openai", "openai", "openai", "kserve", "json"]


async def test_a_stream_is_the_same_at_every_split() -> None:
    """Wherever the engine's answer is cut, the client reads the same."""
    async with Harness.of(Guard) as harness:
        outcomes = await harness.at_every_split(chat("x", stream=True), "甲 and 甲")
    assert len(outcomes) == len("甲 and 甲")
    for outcome in outcomes:
        outcome.assert_answered("乙 and 乙")


async def test_an_engine_fails_as_it_is_told() -> None:
    """Faults before, within and beside an answer are what a client would see of them."""
    async with Harness.of(Guard) as harness:
        harness.engine.fails(EngineError("away"))
        (await harness.ask(chat("x"))).assert_failed("engine_unavailable")
        harness.engine.says("some", EngineError("away"))
        outcome = await harness.ask(chat("x", stream=True))
        assert (outcome.text, outcome.code) == ("some", "engine_unavailable")
        harness.engine.says(ToolArguments(('{"a":', "1}")))
        assert (await harness.ask(chat("x"))).text == '{"a":1}'
        harness.engine.says("slow", Pause(0.001), "ly")
        (await harness.ask(chat("x", stream=True))).assert_answered("slowly")
        assert harness.engine.streams_begun == harness.engine.streams_ended == 2


async def test_a_client_that_leaves_is_seen_to_have_left() -> None:
    """The exchange ends as such, and the engine's stream is closed."""
    async with Harness.of(Guard) as harness:
        harness.engine.says("one", "two", Pause())
        outcome = await harness.ask(chat("x", stream=True).leaving(2))
    assert outcome.record is not None
    assert outcome.record.outcome == "client_disconnect"
    assert harness.engine.streams_ended == 1


async def test_who_asks_and_how_can_be_said() -> None:
    """Tenant, session and headers arrive."""
    seen: list[Any] = []

    class Asker(Plugin[NoConfig]):
        manifest: ClassVar[Manifest] = Manifest(name="asker", version="1")

        async def on_request(self, exchange: Exchange) -> None:
            seen.append((exchange.principal.tenant, exchange.session != "", dict(exchange.cache_control)))

    async with Harness.of(Asker) as harness:
        await harness.ask(chat("x").by("acme").of(session="s1").saying(cache_control="no-store"))
    assert seen == [("acme", True, {"no-store": ""})]


@pytest.mark.parametrize("place", ["log", "logging", "metrics", "store", "file"])
async def test_whatever_a_plugin_leaves_is_found(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A raw value in any place that outlives the exchange is named with its place."""
    monkeypatch.setattr(Leaky, "places", {place})
    async with Harness.of(Leaky) as harness:
        await harness.ask(chat("我的电话 13812345678"))
        with pytest.raises(AssertionError, match=place):
            harness.assert_no_trace_of("13812345678")
        assert "13812345678" not in str(harness.records)


async def test_a_plugin_that_leaves_nothing_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check does not cry wolf."""
    monkeypatch.setattr(Leaky, "places", set())
    async with Harness.of(Leaky) as harness:
        await harness.ask(chat("我的电话 13812345678"))
        harness.assert_no_trace_of("13812345678", "我的电话")


async def test_a_chain_of_plugins_runs_in_its_order() -> None:
    """The first that answers keeps those below from being asked."""
    async with Harness.of_chain(Used(Greeter), Used(Guard, {"refuse": ["x"]})) as harness:
        outcome = await harness.ask(chat("x"))
    outcome.assert_responded("你好")
    assert [one.plugin for one in outcome.trace if one.plugin == "guard"] == []


async def test_a_wrong_configuration_is_refused_as_on_disk() -> None:
    """What a policy file could not say, a harness does not take either."""
    with pytest.raises(PolicyError, match="refuze"):
        Harness.of(Guard, {"refuze": []})
    with pytest.raises(PolicyError, match=r"flow\.raw-egress"):
        Harness.of_chain(Used(Guard), egress="remote")


class Counting(Engine[NoConfig]):
    """Counts to three in a stream, and the streams that are open."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="counting", version="1.0.0")

    async def load(self, host: Host) -> None:
        self.open = 0
        self.state = "loaded"

    async def generate(self, request: EngineRequest) -> Answer | Events:
        return self._count() if request.streamed else Answer([request.messages[-1].text])

    async def _count(self) -> AsyncIterator[Delta]:
        self.open += 1
        try:
            for word in ("一", "two", "三"):
                yield Delta(word)
            yield Delta(finish_reason="stop")
        finally:
            self.open -= 1

    async def health(self) -> str:
        return "" if self.state == "loaded" else self.state

    async def close(self) -> None:
        self.state = "closed"


async def test_an_engine_of_ones_own_can_be_asked() -> None:
    """It is loaded, asked behind plugins and closed as in service, and its streams are seen to end when a client leaves."""
    async with Harness.of_engine(Counting, {}, Used(Guard, {"refuse": ["猎鹰"]})) as harness:
        (await harness.ask(chat("问 a"))).assert_answered("问 a")
        (await harness.ask(chat("猎鹰"))).assert_engine_not_asked()
        streamed = await harness.ask(chat("x", stream=True))
        streamed.assert_answered("一two三")
        streamed.assert_engine_got("x")
        await harness.ask(chat("x", stream=True).leaving(2))
        assert (harness.engine.streams_begun, harness.engine.streams_ended) == (2, 2)
        assert isinstance(harness.engine, RelayingEngine)
        real = harness.engine.real
        assert isinstance(real, Counting)
        assert (real.open, await harness.engine.health()) == (0, "")
    assert real.state == "closed"
    async with harness.again() as again:
        assert isinstance(again.engine, RelayingEngine)
        assert again.engine.real is not real


async def test_a_wrong_configuration_of_an_engine_is_refused() -> None:
    """What `gateway.yaml` could not say of it, a harness does not take either."""
    with pytest.raises(PolicyError, match="speeed"):
        Harness.of_engine(Counting, {"speeed": 1})


async def test_in_shadow_nothing_is_applied() -> None:
    """The core's knobs are there, and what would have happened can be asserted."""
    async with Harness.of(Guard, {"refuse": ["x"]}, mode="shadow") as harness:
        outcome = await harness.ask(chat("x"))
    outcome.assert_answered("x")
    outcome.assert_found_nothing()
    outcome.assert_would_have("guard.word")


async def test_a_whole_bundle_can_be_asked(tmp_path: Path) -> None:
    """A bundle on disk runs with a scripted engine, and nothing raw stays of it."""
    async with Harness.policies("starter") as harness:
        outcome = await harness.ask(chat("我的电话是13812345678"))
        outcome.assert_client_got("13812345678")
        outcome.assert_engine_did_not_get("13812345678")
        harness.assert_no_trace_of("13812345678")


async def test_a_failed_assertion_tells_the_exchange() -> None:
    """Who reads it knows what the client got, what the engine got, and which plugin did what."""
    async with Harness.of(Guard, {"refuse": ["猎鹰"]}) as harness:
        outcome = await harness.ask(chat("猎鹰"))
    with pytest.raises(AssertionError) as told:
        outcome.assert_answered()
    for word in ("policy_blocked", "engine was not asked", "guard.on_request: block, guard.word"):
        assert word in str(told.value)


async def test_a_harness_begins_anew() -> None:
    """A policy is loaded once for many starts, and nothing of one is in the next."""
    first = Harness.of(Guard, {"refuse": ["x"]})
    async with first:
        await first.ask(chat("x"))
        assert first.metrics.total("asked") == 1
    async with first.again() as second:
        assert second.metrics.total("asked") == 0
        (await second.ask(chat("x"))).assert_blocked(by="guard.word")


async def test_engines_that_a_plugin_names_are_there() -> None:
    """A plugin that asks for an engine starts, and is given one that has no answer."""

    class Naming(Plugin[NoConfig]):
        manifest: ClassVar[Manifest] = Manifest(name="naming", version="1")

        def engines(self) -> list[EngineRef]:
            return [EngineRef("likeness")]

        async def start(self, host: Host) -> None:
            self.engine = host.engine("likeness")

        async def on_request(self, exchange: Exchange) -> None: ...

    with pytest.raises(PolicyError, match="likeness"):
        Harness.of(Naming)
    async with Harness.of_chain(Used(Naming), engines=["likeness"]) as harness:
        (await harness.ask(chat("x"))).assert_answered("x")
        assert harness.plugin().engine is harness.models["likeness"]
