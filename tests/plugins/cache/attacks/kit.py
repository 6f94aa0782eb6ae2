"""What attacks have in common: a live data plane in this process with real plugins, a real store and a counting engine."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from tests.kit import CHUNK, chunk, completion

from yumen import Engine, EngineError, EngineManifest, EngineRequest, Events, Native, NoConfig
from yumen.dataplane import DataPlane
from yumen.keyfile import Entry as KeyEntry
from yumen.parts import Parts
from yumen.policy.load import load_bundle
from yumen.policy.testing.harness import patient
from yumen.runtime import Runtime
from yumen.settings import SECRET_BYTES, Secret, Settings

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
SECRET = Secret(b"s" * SECRET_BYTES)
# However slow a machine is. What waits for longer waits for ever.
LONG_S = 60.0
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


class Got(NamedTuple):
    """What a client got; `left` where it went before the end."""

    status: int
    headers: dict[str, str]
    body: bytes
    left: bool = False

    @property
    def streamed(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def events(self) -> list[Any]:
        lines = self.body.decode().split("\n\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    @property
    def code(self) -> str:
        """The stable code of an error, or empty."""
        if self.streamed:
            codes = [event["error"]["code"] for event in self.events if "error" in event]
            return codes[0] if codes else ""
        code: str = json.loads(self.body)["error"]["code"] if self.status >= 400 else ""
        return code

    @property
    def text(self) -> str:
        """What the first choice says."""
        if self.streamed:
            choices = (one for event in self.events for one in event.get("choices", ()))
            return "".join(one["delta"].get("content") or "" for one in choices)
        text: str = json.loads(self.body)["choices"][0]["message"]["content"]
        return text

    @property
    def whole(self) -> bool:
        """Whether a reply came to its own end."""
        return self.body.rstrip().endswith(b"data: [DONE]") if self.streamed else self.status == 200

    @property
    def cache(self) -> str:
        return self.headers.get("x-cache", "")


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


class Door:
    """Lets everybody in; the tenant is what the header says."""

    def authenticate(self, headers: Iterable[tuple[bytes, bytes]]) -> KeyEntry:
        named = {name: value.decode() for name, value in headers}
        return KeyEntry(id="key", hash="", tenant=named[b"authorization"], app="app")


class Live:
    """One process of a gateway, but for HTTP. Several on one `folder` and store are workers of one."""

    def __init__(self, parts: Parts, runtime: Runtime) -> None:
        self.parts = parts
        self.plane = DataPlane(runtime, Door(), SECRET)

    @property
    def works(self) -> Any:
        """What the cache is made of."""
        return self.plane.runtime.reachable("cache")["cache"]._works  # type: ignore[attr-defined]  # white box

    async def send(
        self, text: str = "How do I return a parcel? 怎么退货", *, tenant: str = "acme", subject: str = "",
        headers: dict[str, str] | None = None, leave_after: int | None = None, path: str = CHAT, body: bytes = b"",
        **more: Any,
    ) -> Got:  # fmt: skip
        """One request; `leave_after` so many parts of its reply the client goes away."""
        made = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
        return await self.ask(body or json.dumps(made).encode(), tenant, subject, headers or {}, leave_after, path)

    async def ask(
        self, body: bytes, tenant: str, subject: str, headers: dict[str, str], leave_after: int | None, path: str
    ) -> Got:
        named = {"authorization": tenant, "content-length": str(len(body)), **headers}
        if subject:
            named["x-subject"] = subject
        gone = asyncio.Event()
        sent: list[bytes] = []
        start: dict[str, Any] = {}
        parts = [body]

        async def receive() -> dict[str, Any]:
            if parts:
                return {"type": "http.request", "body": parts.pop(), "more_body": False}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif message.get("body"):
                sent.append(message["body"])
                if leave_after is not None and len(sent) > leave_after:
                    gone.set()
                    await asyncio.sleep(0)

        if leave_after is not None and leave_after < 0:
            asyncio.get_running_loop().call_later(0.02, gone.set)
        scope = {
            "type": "http", "method": "POST", "raw_path": path.encode(), "client": ("127.0.0.1", 0),
            "headers": [(name.encode(), value.encode()) for name, value in named.items()],
        }  # fmt: skip
        async with asyncio.timeout(LONG_S):
            await self.plane(scope, receive, send)
        replied = {name.decode(): value.decode() for name, value in start.get("headers", ())}
        return Got(start.get("status", 0), replied, b"".join(sent), gone.is_set())

    async def reload(self, folder: Path) -> None:
        """Serve another bundle from now on; the one before ends behind its last exchange."""
        old, runtime = self.plane.runtime, Runtime(patient(load_bundle(str(folder))), self.parts)
        await runtime.start()
        self.plane.runtime = runtime
        await old.retire()


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


@asynccontextmanager
async def live(folder: Path, engine: Engine[Any], data: Path | None = None) -> AsyncIterator[Live]:
    """A bundle that serves."""
    settings = Settings(data_dir=data or folder / "data")
    settings.data_dir.mkdir(exist_ok=True)
    parts = Parts(settings, SECRET, engines={"*": engine})
    runtime = Runtime(patient(load_bundle(str(folder))), parts)
    await runtime.start()
    gateway = Live(parts, runtime)
    try:
        yield gateway
    finally:
        await gateway.plane.runtime.stop()


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
