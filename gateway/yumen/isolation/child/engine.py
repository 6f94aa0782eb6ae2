"""An engine as a plugin has it in its process: it is the gateway's, and asked there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from yumen.engine import Engine, EngineError, EngineManifest, EngineRequest, Native
from yumen.exchange import Answer
from yumen.isolation.engines import decode, encode
from yumen.plugin import NoConfig

if TYPE_CHECKING:
    from yumen.isolation.child.host import Calls, Wants


class IsolatedEngine(Engine[NoConfig]):
    """See `yumen.Engine`. What the other one is configured with stays in the gateway, and so does its catalogue."""

    def __init__(self, name: str, calls: Calls, want: Wants) -> None:
        """Error: KeyError where the plugin has not asked for it."""
        super().__init__(NoConfig())
        found = want("engine", -1, [name])
        # Of this one alone: one class stands for all of them.
        self.manifest = msgspec.convert(found, EngineManifest)  # type: ignore[misc]
        self._name = name
        self._calls = calls
        self._want = want

    async def generate(self, request: EngineRequest) -> Answer | Native:
        """A whole reply. Errors: `EngineError`, for a stream as well."""
        if request.streamed:
            raise EngineError("streams of an engine do not reach a plugin in a process of its own")
        answered = await self._calls("generate", self._name, request)
        kind: Any = Native if answered["native"] else Answer
        reply: Answer | Native = msgspec.convert(answered["reply"], kind)
        return reply

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Errors: `EngineError`; TypeError for a batch that does not reach another process."""
        answered: Mapping[str, Any] = decode(await self._calls("infer", self._name, encode(dict(batch))))
        return answered

    def revision(self) -> str:
        return str(self._want("revision", -1, [self._name]))

    async def health(self) -> str:
        return str(await self._calls("health", self._name))
