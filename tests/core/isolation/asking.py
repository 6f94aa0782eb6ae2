"""A plugin that asks an engine, and the engine that stays in the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import numpy as np

from yumen import (
    Answer,
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
    Message,
    Native,
    NoConfig,
    Plugin,
    RequestRefused,
)


class Model(Engine[NoConfig]):
    """Does what the first text says."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="model", version="7", dialects=("openai",))

    def __init__(self) -> None:
        super().__init__(NoConfig())
        self.begun = self.cancelled = 0

    async def generate(self, request: EngineRequest) -> Answer | Native | Events:
        said = request.messages[-1].text
        if said == "native":
            return Native(201, request.body, {"x": "y"})
        if said == "stream":
            return self._events()
        return Answer([f"{said} 好", "two"])

    async def _events(self) -> AsyncIterator[Delta | bytes]:
        yield Delta("never")

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        said = batch["texts"][0]
        if said == "refuse":
            raise RequestRefused("The model takes three words.", param="input", code="not_found")
        if said == "fail":
            raise EngineError("away", again=True, retry_after_s=2.5)
        if said == "objects":
            return {"a": np.array(["x"], object)}
        if said == "wait":
            self.begun += 1
            try:
                await asyncio.sleep(3600)
            finally:
                self.cancelled += 1
        return {"embeddings": batch["inputs"]["x"] * 2, "entities": [[(0, 2, "PER", np.float32(0.5))]], "on": True}

    def revision(self) -> str:
        return "abc"

    async def health(self) -> str:
        return "ill"


class Asker(Plugin[NoConfig]):
    """Asks it, and shows what came of it."""

    manifest: ClassVar[Manifest] = Manifest(name="guest", version="1", sees="raw", admin="guest")

    def engines(self) -> list[EngineRef]:
        return [EngineRef("model", calls="generate")]

    async def start(self, host: Host) -> None:
        self.host = host
        self.engine = host.engine("model")

    async def on_request(self, exchange: Exchange) -> None:
        await self.engine.infer({"texts": ["wait"]})

    async def inspect(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        engine = self.engine
        shown: dict[str, Any] = {
            "manifest": engine.manifest, "revision": engine.revision(), "health": await engine.health(),
            "config": repr(engine.config),
        }  # fmt: skip
        try:
            self.host.engine("other")
        except KeyError:
            shown["other"] = "KeyError"
        for said in ("hello", "native", "stream"):
            try:
                shown[said] = await engine.generate(request_saying(said))
            except EngineError as error:
                shown[said] = str(error)
        shown["arrays"] = arrays = []
        for dtype in ("float32", "float16", ">i4", "uint8", "bool", "int64"):
            x = np.ones((2, 3), dtype)
            given = await engine.infer({"texts": ["hi"], "inputs": {"x": x[:, ::2]}})
            arrays.append(
                [given["embeddings"].dtype.kind, given["embeddings"].tolist(), given["entities"], given["on"]]
            )
        for said in ("refuse", "fail", "objects"):
            try:
                await engine.infer({"texts": [said]})
            except RequestRefused as error:
                shown[said] = [str(error), error.param, error.code]
            except EngineError as error:
                shown[said] = [str(error), error.again, error.retry_after_s, error.well]
            except Exception as error:
                shown[said] = type(error).__name__
        try:
            await engine.infer({"texts": ["hi"], "inputs": {"x": object()}})
        except TypeError:
            shown["here"] = "TypeError"
        return shown


def request_saying(text: str) -> EngineRequest:
    """What the plugin asks."""
    return EngineRequest("0", "openai", "chat/completions", "m", False, b"{}", [Message("user", text)], 60.0)
