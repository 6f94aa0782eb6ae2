"""An exchange as the plugin sees it, and a host whose clock the test holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yumen import Decision, Principal, Secret, Settings
from yumen.runtime import InstanceHost
from yumen.store.memory import MemoryStore
from yumen_plugins.limits import Limits, LimitsConfig

KEY = Principal("t", "a", "k1")
# A minute of the clock begins here.
MINUTE = 1_700_000_040.0


class HeldHost(InstanceHost):
    """A host whose time stands still unless the test moves it."""

    def __init__(self, workers: int = 1) -> None:
        self.time = MINUTE
        settings = Settings(data_dir=Path("/nonexistent"), workers=workers)
        super().__init__("limits", settings, Secret(b"\x01" * 32), MemoryStore(lambda: self.time))

    def now(self) -> float:
        return self.time


@dataclass
class Piece:
    value: str
    kind: str = "message"


@dataclass
class Asked:
    """As much of an exchange as this plugin looks at."""

    principal: Principal = KEY
    request_bytes: int = 100
    texts: list[Piece] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def set_header(self, name: str, value: str) -> None:
        self.headers[name] = value


async def started(host: HeldHost, **config: Any) -> Limits:
    """The plugin with every rule off but those that are given."""
    plugin = Limits(LimitsConfig(**{"requests_per_minute": 0, **config}))
    await plugin.start(host)
    return plugin


async def ask(plugin: Limits, asked: Any) -> Decision | None:
    """The request hook. `asked` is what the plugin looks at of an exchange."""
    return await plugin.on_request(asked)


async def end(plugin: Limits, asked: Any) -> None:
    """The completion hook."""
    await plugin.on_complete(asked)
