"""What attacks have in common: a live data plane in this process with real plugins, a real store and a counting engine."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from yumen import Engine, EngineError, EngineManifest, EngineRequest, Events, Native, NoConfig, Principal, Secret
from yumen.parts import Parts
from yumen.policy.load import load_bundle
from yumen.policy.testing.harness import SECRET as ROOT
from yumen.testing import Call, Harness, Outcome, RunningClock, chat, chunk, completion
from yumen.testing.engine import RelayingEngine
from yumen.testing.replies import CHUNK

CHAT = "/v1/chat/completions"
GATEWAY = """
version: 1
{store}
engines:
  llm: {{adapter: openai, egress: remote, base_url: "http://127.0.0.1:1"}}
  alike: {{adapter: onnx, egress: local, path: "/nonexistent"}}
routes:
  - id: chat
    match: {{paths: [/v1/chat/completions, /v1/completions]}}
    engine: llm
    timeout_ms: {timeout_ms}
    subject: {{header: x-subject}}
    chain: [anonymize, cache]
"""
# The vault is left out: what it does where the store is away is not what is attacked here.
ANONYMIZE = """
version: 1
plugin: anonymize
config:
  detect: [cn.mobile, email]
  vault: {scope: exchange}
"""
SECRET = Secret(ROOT)
# However slow a machine is. What waits for longer waits for ever.
LONG_S = 60.0
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


class Upstream(Engine[NoConfig]):
    """Answers with `say` of the last message, word by word; fails so often as `flaky` says, in every way there is."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="upstream", version="1", dialects=("openai",))

    def __init__(self, say: Callable[[str], str] = str, *, flaky: float = 0.0, seed: int = 1, pause_s: float = 0.0):
        super().__init__(NoConfig())
        self.say = say
        self.flaky = flaky
        self.pause_s = pause_s
        self.calls = 0
        self.running = 0
        self.bodies: list[bytes] = []
        self._random = random.Random(seed)
        self.gate: asyncio.Event | None = None

    async def generate(self, request: EngineRequest) -> Native | Events:
        self.calls += 1
        self.bodies.append(request.body)
        fails = self._random.random() < self.flaky
        self.running += 1
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.pause_s:
                await asyncio.sleep(self.pause_s)
            if fails and self._random.random() < 0.5:
                raise EngineError("flaky", timeout=self._random.random() < 0.5)
        finally:
            self.running -= 1
        body = json.loads(request.body)
        said = self.say(body["messages"][-1]["content"] if "messages" in body else body["prompt"])
        if request.streamed:
            return self._stream(said, breaks=fails)
        return (
            Native(503, b'{"error": {"message": "no", "code": "upstream"}}') if fails else Native(200, completion(said))
        )

    async def _stream(self, said: str, *, breaks: bool) -> AsyncIterator[bytes]:
        self.running += 1
        try:
            pieces = [said[at : at + 4] for at in range(0, len(said), 4)]
            for number, piece in enumerate(pieces):
                if breaks and number == len(pieces) // 2:
                    raise EngineError("broke off")
                yield chunk(piece)
                await asyncio.sleep(self.pause_s / 10)
            yield chunk(finish="stop")
            yield json.dumps({**CHUNK, "choices": [], "usage": USAGE}).encode()
        finally:
            self.running -= 1


class Live(Harness):
    """One process of a gateway, but for HTTP, in real time. Several on one `data` folder and store are workers of one."""

    def __init__(self, folder: Path, engine: Engine[Any], data: Path) -> None:
        super().__init__(load_bundle(str(folder)))
        self.clock = RunningClock()
        self.engine = RelayingEngine(engine)
        self._data = data

    def make_parts(self, secret: Secret) -> Parts:
        """On the folder that the test names."""
        self.data_dir = self._data
        self.settings = msgspec.structs.replace(self.settings, data_dir=self._data)
        return super().make_parts(secret)

    @property
    def works(self) -> Any:
        """What the cache is made of."""
        return self.plugin("cache")._works  # white box

    async def say(
        self, text: str = "How do I return a parcel? 怎么退货", *, tenant: str = "acme", subject: str = "",
        headers: dict[str, str] | None = None, leaves_after: int | None = None, path: str = CHAT, **more: Any,
    ) -> Outcome:  # fmt: skip
        """One request of a tenant; `more` are further members of its body."""
        asked = chat(text, **{"model": "m", **more})
        call = Call(
            path=path, body=asked.body, caller=Principal(tenant, "app", "key"), subject=subject, headers=headers or {},
            leaves_after=leaves_after,
        )  # fmt: skip
        async with asyncio.timeout(LONG_S):
            return await self.ask(call)


def cached(outcome: Outcome) -> str:
    """What the reply's header says of the cache."""
    return outcome.headers.get("x-cache", "")


def bundle(folder: Path, *, cache: str = "", redis: str = "", timeout_ms: int = 30_000, anonymize: str = "") -> Path:
    """A bundle with this `config:` of the cache."""
    folder.mkdir(parents=True, exist_ok=True)
    store = f'store: {{redis: "{redis}"}}' if redis else ""
    gateway = GATEWAY.format(store=store, timeout_ms=timeout_ms)
    if "alike" not in cache:
        gateway = "\n".join(line for line in gateway.split("\n") if "alike" not in line)
    (folder / "gateway.yaml").write_text(gateway)
    (folder / "anonymize.yaml").write_text(anonymize or ANONYMIZE)
    (folder / "cache.yaml").write_text(f"version: 1\nplugin: cache\n{cache}")
    return folder


def live(folder: Path, engine: Engine[Any], data: Path | None = None) -> Live:
    """A bundle that serves, once it is entered."""
    data = data or folder / "data"
    data.mkdir(exist_ok=True)
    return Live(folder, engine, data)


class Lag:
    """How long the event loop has kept others waiting, in seconds, while entered; `longest` is the worst."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def _watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.002)
            self.longest = max(self.longest, time.perf_counter() - before - 0.002)

    async def __aenter__(self) -> Lag:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
