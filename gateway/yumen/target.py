"""Where exchanges of a route can go."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from yumen.engine import Engine, EngineError
from yumen.telemetry import error_name


class Target(NamedTuple):
    """An engine that exchanges can go to; its `egress`, `local` or `remote`; and a digest of how it is configured."""

    name: str
    engine: Engine[Any]
    egress: str
    identity: bytes = b""

    @classmethod
    def of(cls, name: str, engine: Engine[Any], egress: str) -> Target:
        """With the digest: of the adapter, and of its configuration with what the environment says of it."""
        config = msgspec.json.encode(engine.config, enc_hook=str, order="deterministic")
        written = msgspec.msgpack.encode((engine.manifest.name, egress, config))
        return cls(name, engine, egress, hashlib.sha256(written).digest())

    @property
    def dialects(self) -> tuple[str, ...]:
        """The dialects that it speaks itself."""
        return self.engine.manifest.dialects

    @property
    def version(self) -> str:
        """The version of its adapter, and of the model behind it where that has one of its own.

        Error: `EngineError` where the engine fails to say; what answers is part of what replies are kept under.
        """
        try:
            revision = self.engine.revision()
            return f"{self.adapter_version}+{revision}" if revision else self.adapter_version
        except BaseException as error:  # an engine is somebody else's code
            raise EngineError(f"it cannot say what answers: {error_name(error)}") from None

    @property
    def known_version(self) -> str:
        """The same, or empty where the engine fails to say."""
        try:
            return self.version
        except EngineError:
            return ""

    @property
    def adapter_version(self) -> str:
        """The version of its adapter alone."""
        return self.engine.manifest.version
