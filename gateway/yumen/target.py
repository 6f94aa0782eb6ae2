"""Where exchanges of a route can go."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from yumen.engine import Engine


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
        """The version of its adapter, and of the model behind it where that has one of its own."""
        revision = self.engine.revision()
        return f"{self.engine.manifest.version}+{revision}" if revision else self.engine.manifest.version
