"""Plugins that note which of their hooks ran and do what the test says, and the engine below them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from tests.kit import saying

from yumen import Manifest, NoConfig, Plugin
from yumen.testing import ScriptedEngine, completion


class Probe(Plugin[NoConfig]):
    """A plugin that notes its hooks and does what the test says."""

    manifest: ClassVar[Manifest] = Manifest(name="probe", version="1", sees="raw", mutates=True)

    def __init__(self, name: str, calls: list[str], **hooks: Callable[..., Any]) -> None:
        super().__init__(NoConfig())
        self.name = name
        self.calls = calls
        self.hooks = hooks

    async def _run(self, hook: str, exchange: Any) -> Any:
        self.calls.append(f"{self.name}.{hook}")
        action = self.hooks.get(hook)
        outcome = action(exchange) if action else None
        return await outcome if asyncio.iscoroutine(outcome) else outcome

    async def on_request(self, exchange: Any) -> Any:
        return await self._run("request", exchange)

    async def on_response(self, exchange: Any) -> Any:
        return await self._run("response", exchange)

    async def on_complete(self, exchange: Any) -> None:
        await self._run("complete", exchange)


class Masker(Probe):
    """Masks the word SECRET, and 秘密."""

    manifest: ClassVar[Manifest] = Manifest(name="masker", version="1", sees="raw", mutates=True, masks=True)

    async def on_request(self, exchange: Any) -> Any:
        for text in exchange.texts:
            each(text.value, {"SECRET": "<S_1>", "秘密": "<S_2>"}, text.mask)
        return await super().on_request(exchange)

    async def on_response(self, exchange: Any) -> Any:
        for text in exchange.reply.texts:
            each(text.value, {"<S_1>": "SECRET", "<S_2>": "秘密"}, text.replace)
            each(text.value, {"SECRET": "<S_1>", "秘密": "<S_2>"}, text.mask)
        return await super().on_response(exchange)


def each(value: str, words: dict[str, str], edit: Callable[[int, int, str], None]) -> None:
    """Edit every occurrence of some words."""
    for word, new in words.items():
        start = value.find(word)
        while start >= 0:
            edit(start, start + len(word), new)
            start = value.find(word, start + len(word))


def engine(*texts: str) -> ScriptedEngine:
    return saying(completion(*(texts or ("fine",))))
