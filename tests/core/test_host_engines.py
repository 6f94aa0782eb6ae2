"""Engines that plugins ask for: loaded with the bundle, given to whoever asked, and replaced together with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from yumen import (
    Answer,
    Block,
    CannotStart,
    Engine,
    EngineError,
    EngineManifest,
    EngineRef,
    EngineRequest,
    Exchange,
    Host,
    Manifest,
    NoConfig,
    Plugin,
    Principal,
    Secret,
    Settings,
)
from yumen.parts import Parts
from yumen.policy.bundle import Bundle, EngineSpec, Instance, Route
from yumen.policy.replay.stage import Stage
from yumen.policy.testing.harness import Harness
from yumen.runtime import Runtime

ALICE = Principal("acme", "shop", "key1")


class ModelConfig(msgspec.Struct, frozen=True):
    word: str = "secret"


class Model(Engine[ModelConfig]):
    """Says of texts whether its word stands in them; `log` is what was done, in order."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="model", version="1")
    log: ClassVar[list[str]] = []

    async def load(self, host: Host) -> None:
        self.log.append(f"load {self.config.word}")

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"found": [self.config.word in text for text in batch["texts"]]}

    async def health(self) -> str:
        return f"{self.config.word} is ill"

    async def close(self) -> None:
        self.log.append(f"close {self.config.word}")


class Talker(Engine[NoConfig]):
    """Serves the route."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="talker", version="1")

    async def generate(self, request: EngineRequest) -> Answer:
        return Answer(["hello"])


class Asking(Plugin[NoConfig]):
    """Blocks what the model finds."""

    manifest: ClassVar[Manifest] = Manifest(name="asking", version="1", sees="raw")

    def engines(self) -> Sequence[EngineRef]:
        return (EngineRef("model"),)

    async def start(self, host: Host) -> None:
        self.engine = host.engine("model")
        with pytest.raises(KeyError):
            host.engine("talker")
        Model.log.append("start")

    async def on_request(self, exchange: Exchange) -> Block | None:
        answer = await self.engine.infer({"texts": [text.value for text in exchange.texts]})
        return Block(reason="asking.found") if any(answer["found"]) else None

    async def stop(self) -> None:
        Model.log.append("stop")


@pytest.fixture(autouse=True)
def clean() -> None:
    """Nothing has been done yet."""
    Model.log.clear()


def bundle(word: str = "secret", egress: Any = "local", **instance: Any) -> Bundle:
    """A bundle whose plugin asks for an engine that no route names."""
    specs = {
        "talker": EngineSpec(name="talker", adapter="talker", engine_class=Talker, config=NoConfig(), egress="local"),
        "model": EngineSpec(name="model", adapter="model", engine_class=Model, config=ModelConfig(word), egress=egress),
    }
    one = Instance(name="asking", plugin_class=Asking, config=NoConfig(), engines=("model",), **instance)
    route = Route(id="chat", paths=("/v1/*",), engine="talker", chain=(one,))
    used = {name: specs[name] for name in route.engines}
    return Bundle(name="b", path="b", hash="0" * 64, routes=(route,), engines=used, instances={"asking": one})


def parts(**more: Any) -> Parts:
    return Parts(Settings(data_dir=Path("/nonexistent")), Secret(bytes(32)), **more)


async def test_what_a_plugin_asks_for_is_loaded_before_it_and_closed_behind_it() -> None:
    """The plugin finds its engine loaded, and nothing it did not ask for; readiness counts the engine too."""
    runtime = Runtime(bundle(), parts())
    await runtime.start()
    assert Model.log == ["load secret", "start"]
    assert await runtime.ready() == {"engine model": "secret is ill"}
    await runtime.stop()
    assert Model.log == ["load secret", "start", "stop", "close secret"]


async def test_what_is_off_asks_for_nothing() -> None:
    """An instance that does not run loads no model."""
    off = bundle(mode="off")
    assert set(off.engines) == {"talker"}
    runtime = Runtime(off, parts())
    await runtime.start()
    assert Model.log == []
    await runtime.stop()


async def test_another_engine_restarts_the_plugin_and_the_same_one_does_not() -> None:
    """A plugin never goes on with an engine that its policy has replaced."""
    shared = parts()
    first = Runtime(bundle(), shared)
    await first.start()
    same = Runtime(bundle(timeout_ms=7), shared)
    await same.start()
    assert Model.log == ["load secret", "start"]
    await first.stop()
    assert Model.log == ["load secret", "start"]
    other = Runtime(bundle("other"), shared)
    await other.start()
    assert Model.log == ["load secret", "start", "load other", "start"]
    await same.stop()
    assert Model.log[4:] == ["stop", "close secret"]
    await other.stop()
    assert Model.log[6:] == ["stop", "close other"]


async def test_an_engine_that_does_not_load_leaves_nothing_behind() -> None:
    """The plugin is not started without what it asked for."""

    class Broken(Model):
        async def load(self, host: Host) -> None:
            raise CannotStart("there is no file")

    whole = bundle()
    spec = msgspec.structs.replace(whole.engines["model"], engine_class=Broken)
    whole = msgspec.structs.replace(whole, engines={**whole.engines, "model": spec})
    with pytest.raises(CannotStart, match="engine model: there is no file"):
        await Runtime(whole, parts()).start()
    assert Model.log == ["close secret"]


async def test_policy_tests_run_the_model_that_decides() -> None:
    """In test cases routes are answered by the script, and what a plugin asks for is the real engine."""
    async with Harness(bundle()) as harness:
        body = b'{"model": "m", "messages": [{"role": "user", "content": "%s"}]}'
        kept = await harness.send("/v1/chat/completions", body % b"a secret", ALICE)
        passed = await harness.send("/v1/chat/completions", body % b"a word", ALICE)
    assert (kept.code, passed.code) == ("policy_blocked", "")
    assert Model.log == ["load secret", "start", "stop", "close secret"]


async def test_policy_tests_ask_no_remote_engine() -> None:
    """Cases send nothing anywhere: there a remote engine fails, and the plugin's `on_error` decides."""
    async with Harness(bundle(egress="remote")) as harness:
        body = b'{"model": "m", "messages": [{"role": "user", "content": "a word"}]}'
        assert (await harness.send("/v1/chat/completions", body, ALICE)).code == "plugin_fault"
    assert Model.log == ["start", "stop"]


async def test_replays_load_it_once(tmp_path: Path) -> None:
    """Each process on record gets its plugins anew, and all of them the engine that was loaded first."""
    stage = Stage(bundle(), Secret(bytes(32)), tmp_path)
    await stage.start()
    await stage.renew()
    assert Model.log == ["load secret", "start", "stop", "start"]
    await stage.stop()
    assert Model.log[4:] == ["stop", "close secret"]


async def test_replays_ask_no_remote_engine(tmp_path: Path) -> None:
    """A replay sends nothing anywhere."""
    stage = Stage(bundle(egress="remote"), Secret(bytes(32)), tmp_path)
    await stage.start()
    with pytest.raises(EngineError):
        await stage.engines["model"].infer({"texts": ["a word"]})
    await stage.stop()
    assert Model.log == ["start", "stop"]
