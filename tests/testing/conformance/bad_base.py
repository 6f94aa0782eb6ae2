"""What the plugins that break a rule of the checks have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from yumen import Decision, Exchange, Host, Manifest, NoConfig, Plugin


def manifest(**more: Any) -> Manifest:
    return Manifest(name="bad", version="1", **{"sees": "raw", **more})


class Bad(Plugin[NoConfig]):
    """What the bad ones have in common: a host, and the texts of a request."""

    manifest: ClassVar[Manifest] = manifest()

    async def start(self, host: Host) -> None:
        self.host = host

    async def on_request(self, exchange: Exchange) -> Decision | None:
        return None
