"""The plugin, started, on exchanges through the real core and a real store, with a clock that the test moves."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from tests.kit import Outcome, ScriptedEngine, chunk, completion, exchange, request, step
from tests.plugins.host import UnitHost

from yumen import Mode, Principal
from yumen.dialects.openai import OpenAI
from yumen.forms import ExchangeState
from yumen.policy.bundle import RulePolicy
from yumen.policy.testing.clock import FakeClock
from yumen.store.memory import MemoryStore
from yumen.view import View
from yumen_plugins.anomaly import Anomaly
from yumen_plugins.anomaly.config import AnomalyConfig


class Running:
    """`ask` sends one request; `clock` moves time."""

    def __init__(self, modes: dict[str, Mode] | None = None, store: Any = None, **config: Any) -> None:
        self.clock = FakeClock()
        self.config = msgspec.convert(config, AnomalyConfig)
        self.plugin = Anomaly(self.config)
        assert not [lint.what for lint in self.plugin.lint()]
        host = UnitHost()
        host.store = store or MemoryStore(self.clock.monotonic)
        host.now, host.monotonic = self.clock.now, self.clock.monotonic  # type: ignore[method-assign]  # time as tests want it
        self.host = host
        policies = {
            one.id: RulePolicy(id=one.id, mode=(modes or {}).get(one.id, one.mode)) for one in self.plugin.rules()
        }
        self.step = step(self.plugin, rules=policies)

    async def __aenter__(self) -> Running:
        await self.plugin.start(self.host)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.plugin.stop()

    def viewed(self, text: str) -> View:
        """An exchange as the plugin sees it, on its way down."""
        payload = OpenAI().decode("/v1/chat/completions", request(text), depth_max=64, texts_max=1000)
        state = ExchangeState("0" * 32, self.clock.now(), Principal("tenant", "app", "key"), payload)
        return View(state, "anomaly", self.plugin.manifest)

    async def ask(self, text: str = "hello", *, after: float = 0.0, reply: Any = None, **body: Any) -> Outcome:
        """One exchange, so many seconds after the last; a list of texts is a streamed reply."""
        self.clock.move(after)
        answer: Any = completion("fine") if reply is None else reply
        if isinstance(answer, str):
            answer = completion(answer)
        if isinstance(answer, list):
            answer = [chunk(piece) if isinstance(piece, str) else piece for piece in answer] + [chunk("", "stop")]
            body["stream"] = True
        engine = ScriptedEngine(answer)
        return await exchange([self.step], engine, request(text, **body))


def fired(outcome: Outcome) -> list[str]:
    """The rules on record, those in shadow with a star."""
    return [one.rule + "*" * one.shadow for one in outcome.exchange.findings]


def delivered(outcome: Outcome) -> str:
    """Everything that reached the caller."""
    return b"".join(outcome.frames).decode() if outcome.frames else json.dumps(outcome.json, ensure_ascii=False)
