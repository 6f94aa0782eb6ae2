"""A plugin that keeps replies, and gives them again to whoever asks the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from yumen import (
    AdminCall,
    Answer,
    Ask,
    EngineRef,
    Erasure,
    Events,
    Exchange,
    Host,
    Lint,
    Manifest,
    Native,
    Operation,
    Plugin,
    Rule,
)
from yumen_plugins.cache.answering import COALESCE, RULES, SEMANTIC
from yumen_plugins.cache.config import CacheConfig
from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.lint import lints
from yumen_plugins.cache.works import Works

__all__ = ["Cache", "CacheConfig"]


class Cache(Plugin[CacheConfig]):
    """See docs/plugins/cache.md. It stands before the engine and sees masked text only."""

    manifest: ClassVar[Manifest] = Manifest(
        name="cache", version="1.0.0", sees="masked", stores="masked", admin="cache"
    )
    _works: Works

    def rules(self) -> Sequence[Rule]:
        """The ways in which it answers."""
        off = {COALESCE: self.config.coalesce is None, SEMANTIC: self.config.semantic is None}
        return [Rule(name, what) for name, what in RULES.items() if not off.get(name)]

    def lint(self) -> Sequence[Lint]:
        """What does not hold together."""
        return [*lints(self.config)]

    def engines(self) -> Sequence[EngineRef]:
        """The one that makes embeddings, where questions are compared."""
        semantic = self.config.semantic
        return [] if semantic is None else [EngineRef(semantic.engine, ("semantic", "engine"))]

    async def start(self, host: Host) -> None:
        """Errors: `CannotStart`; OSError where the folder in the data directory cannot be used."""
        self._host = host
        self._works = await Works.open(self.config, host)

    async def on_request(self, exchange: Exchange) -> None:
        # Whatever ends the exchange before the engine would be asked, or keeps this plugin from it, nothing was looked for.
        exchange.set_cache("bypass")

    async def on_ask(self, exchange: Exchange, ask: Ask) -> Answer | Native | Events:
        return await self._works.answering.answer(exchange, ask)

    async def on_complete(self, exchange: Exchange) -> None:
        await self._works.answering.keep(exchange, wait=not self._host.live)

    async def on_operation(self, operation: Operation) -> None:
        """Under another policy nothing that was kept before can be reached: let go of it."""
        if operation.kind in ("policy_loaded", "policy_reloaded"):
            self._works.tiers.memory.only([operation.details["new"][:12]])

    async def on_erase(self, erasure: Erasure) -> int:
        """Error: `StoreError` where something may be left in the shared store."""
        return await self._works.purge(Purge(erasure.tenant, erasure.subject))

    async def inspect(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        """How well it works."""
        return await self._works.operating.inspect(query)

    async def operate(self, call: AdminCall) -> Mapping[str, Any]:
        """Let go of what is kept."""
        return await self._works.operating.operate(call)

    async def stop(self) -> None:
        if hasattr(self, "_works"):
            await self._works.close()
