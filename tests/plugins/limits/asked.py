"""An exchange as the plugin sees it, and a host whose clock the test holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yumen import Block, Decision, Mode, Principal, Secret, Settings
from yumen.errors import Code
from yumen.parts import InstanceHost, Parts
from yumen_plugins.limits import Limits, LimitsConfig

KEY = Principal("t", "a", "k1")
# A minute of the clock begins here.
MINUTE = 1_700_000_040.0


class HeldClock:
    """A clock that stands still unless the test moves it."""

    def __init__(self) -> None:
        self.time = MINUTE

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class HeldHost(InstanceHost):
    """A host whose time the test holds."""

    def __init__(self, workers: int = 1, disabled: frozenset[str] = frozenset()) -> None:
        self.clock = HeldClock()
        settings = Settings(data_dir=Path("/nonexistent"), workers=workers)
        super().__init__(Parts(settings, Secret(b"\x01" * 32), clock=self.clock), "limits", disabled)

    @property
    def time(self) -> float:
        return self.clock.time

    @time.setter
    def time(self, seconds: float) -> None:
        self.clock.time = seconds


@dataclass
class Piece:
    value: str
    kind: str = "message"


@dataclass
class Asked:
    """As much of an exchange as this plugin looks at; every rule enforces. What other modes do is tested in the core."""

    principal: Principal = KEY
    request_bytes: int = 100
    texts: list[Piece] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def set_header(self, name: str, value: str) -> None:
        self.headers[name] = value

    def mode(self, rule: str) -> Mode:
        return "enforce"

    def block(self, rule: str, code: Code = "policy_blocked", retry_after_s: float | None = None) -> Block:
        return Block(rule, code, retry_after_s)


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
