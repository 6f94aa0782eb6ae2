"""The engine of a harness as a model that a plugin asks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from yumen import Decision, EngineError, EngineRef, Exchange, Host, Manifest, NoConfig, Plugin
from yumen.testing import Harness, Pause, ScriptedEngine, Used, chat


class Judge(Plugin[NoConfig]):
    """Blocks what a model scores above a half."""

    manifest: ClassVar[Manifest] = Manifest(name="judge", version="1", sees="raw")

    def engines(self) -> list[EngineRef]:
        return [EngineRef("scorer")]

    async def start(self, host: Host) -> None:
        self.scorer = host.engine("scorer")

    async def on_request(self, exchange: Exchange) -> Decision | None:
        texts = [text.value for text in exchange.texts if text.kind == "message"]
        scores = (await self.scorer.infer({"texts": texts, "tenant": exchange.principal.tenant}))["scores"]
        return exchange.block("judge.high") if float(scores.max()) > 0.5 else None


def scored(batch: Mapping[str, Any]) -> Mapping[str, Any]:
    """The model of the tests."""
    return {"scores": np.array(["猎鹰" in text for text in batch["texts"]], np.float32)}


async def test_a_model_answers_as_it_is_told() -> None:
    """Arrays come as told or as they are made of what was asked, which the test sees; an error is raised."""
    async with Harness.of_chain(Used(Judge), engines=["scorer"]) as harness:
        harness.models["scorer"].infers({"scores": np.array([0.9], np.float32)})
        (await harness.ask(chat("hello"))).assert_blocked(by="judge.high")
        harness.models["scorer"].infers(scored)
        (await harness.ask(chat("你好").by("acme"))).assert_answered("你好")
        assert harness.models["scorer"].batches[-1] == {"texts": ["你好"], "tenant": "acme"}
        (await harness.ask(chat("猎鹰"))).assert_blocked(by="judge.high")
        harness.models["scorer"].infers(EngineError("away"))
        (await harness.ask(chat("你好"))).assert_failed("plugin_fault")
        assert len(harness.models["scorer"].batches) == 4
        assert len(harness.engine.requests) == 1


async def test_a_model_that_hangs_answers_when_it_is_released() -> None:
    """A test can see what happens meanwhile, and what the client that waited gets in the end."""
    async with Harness.of_chain(Used(Judge), engines=["scorer"]) as harness:
        harness.models["scorer"].infers(Pause(), scored)
        asking = asyncio.create_task(harness.ask(chat("猎鹰 falcon")))
        async with asyncio.timeout(30):
            while not harness.models["scorer"].batches:
                await asyncio.sleep(0)
        assert not asking.done()
        harness.models["scorer"].release()
        (await asking).assert_blocked(by="judge.high")


async def test_a_model_that_nobody_has_told_anything_fails() -> None:
    """No plugin takes for an answer what no test has said."""
    with pytest.raises(EngineError, match="infers"):
        await ScriptedEngine().infer({"texts": ["你好 hello"]})
    with pytest.raises(EngineError, match="infers"):
        await ScriptedEngine().infers(Pause(0.001)).infer({"texts": []})
