"""Real ledgers: exchanges that run through the chains of a bundle with the audit plugin, under a clock that stands still."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
from click.testing import CliRunner, Result
from tests import ledgers
from tests.kit import request, saying

from yumen import Principal, Secret, Settings
from yumen.chain import Run
from yumen.cli import main
from yumen.dataplane import OPENAI, DataPlane, find_chain
from yumen.engine import Native
from yumen.parts import Parts
from yumen.policy.load import load_bundle
from yumen.runtime import Runtime
from yumen.streaming import StreamRun
from yumen.testing import FakeClock, ScriptedEngine, UnitHost, chunk, completion
from yumen_plugins.audit.writer import Writer

ROOT = b"s" * 32
START = 1_700_000_040.0
PATH = "/v1/chat/completions"
GATEWAY = """version: 1
engines:
  near: {adapter: faq, egress: local}
routes:
  - id: chat
    match: {paths: [/v1/chat/completions]}
    engine: near
    chain: [%s]
"""
AUDIT = "version: 1\nplugin: audit\n"


def write_bundle(folder: Path, chain: str = "audit, limits, anonymize", **files: str) -> Path:
    """A bundle with one route; files are named without their ending, and `audit` is there anyway."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {"gateway": GATEWAY % chain, "audit": AUDIT, **files}.items():
        (folder / f"{name}.yaml").write_text(content)
    return folder


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    """What exchanges log is not what these tests are about, and there are thousands of them."""
    with structlog.testing.capture_logs():
        yield


class Gateway:
    """One process of a gateway in this process: enter it, ask it, leave it, and its ledger lies in `data_dir`."""

    def __init__(self, bundle: Path, data_dir: Path, *, engine: ScriptedEngine | None = None) -> None:
        self.data_dir = data_dir
        self.clock = FakeClock(START)
        self.engine = engine or saying(completion("好的，ok"))
        data_dir.mkdir(parents=True, exist_ok=True)
        (data_dir / "secret").write_bytes(ROOT)
        secret = Secret(ROOT)
        parts = Parts(Settings(data_dir=data_dir), secret, clock=self.clock, engines={"*": self.engine})
        self.runtime = Runtime(load_bundle(str(bundle)), parts)
        self._plane = DataPlane(self.runtime, None, secret)  # type: ignore[arg-type]  # nobody authenticates here
        self._count = 0

    async def __aenter__(self) -> Gateway:
        await self.runtime.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runtime.stop()

    async def ask(
        self,
        text: str = "hello",
        *,
        key: str = "k1",
        tenant: str = "t1",
        trusted: bool = False,
        path: str = PATH,
        body: Mapping[str, Any] | None = None,
        stream: bool = False,
        model: str = "m",
        wait: float = 0.0,
    ) -> str:
        """Run one exchange after `wait` seconds of the held clock; return its outcome."""
        self.clock.move(wait)
        self._count += 1
        sent = request(text, model=model, stream=stream) if body is None else json.dumps(dict(body)).encode()
        payload = OPENAI.decode(path, sent, depth_max=64, texts_max=20_000)
        chain = find_chain(self.runtime, path, payload)
        principal = Principal(tenant, "app", key, trusted)
        # The last eight digits decide about samples, so they are spread.
        number = f"{int(self.clock.now() * 1000):012x}{self._count:012x}{self._count * 2654435761 % (1 << 32):08x}"
        exchange = self._plane.open(number, self.clock.now(), principal, payload, chain, self.runtime.bundle)
        exchange.path, exchange.client = path, "127.0.0.1"
        run = Run(chain, exchange, OPENAI, time.perf_counter())
        if not exchange.streamed:
            await run.plain()
            return exchange.outcome
        begun = await run.begin()
        if begun is None or isinstance(begun, Native):
            await run.finish_plain(begun)
            return exchange.outcome

        async def drop(frames: bytes) -> None:
            pass

        await StreamRun(run, begun, drop).pump()
        return exchange.outcome


def streamed(*pieces: str) -> list[Any]:
    """What a scripted engine streams."""
    return [*(chunk(piece) for piece in pieces), chunk(finish="stop")]


def ledger_records(data_dir: Path) -> list[dict[str, Any]]:
    """The records of exchanges, as they lie there."""
    return [record for record in ledgers.records(data_dir) if record["kind"] == "exchange"]


def yumen(data_dir: Path, *arguments: str | Path) -> Result:
    """Run the command line on a data directory."""
    return CliRunner().invoke(main, [str(one) for one in arguments], env={"YUMEN_DATA": str(data_dir)})


def report(data_dir: Path, *arguments: str | Path) -> dict[str, Any]:
    """The JSON report of a command that must succeed."""
    result = yumen(data_dir, *arguments, "--json")
    assert result.exit_code == 0, result.output
    out: dict[str, Any] = json.loads(result.stdout)
    return out


def write_records(data_dir: Path, *bodies: Mapping[str, Any]) -> None:
    """Have the ledger's own writer seal records of any content, in a process of their own."""

    async def write() -> None:
        # It began to write before anything that tests record.
        host = UnitHost(data_dir=data_dir, root=ROOT, clock=FakeClock(START - 3600))
        writer = await Writer.open(
            data_dir, data_dir / "ledger", host, "test", journal_bytes=1 << 20, queue_records=100_000, gather_s=0.0
        )
        await asyncio.gather(*(writer.append(dict(body)) for body in bodies))
        await writer.stop()

    data_dir.mkdir(parents=True, exist_ok=True)
    (data_dir / "secret").write_bytes(ROOT)
    asyncio.run(write())


def without_seal(record: Mapping[str, Any]) -> dict[str, Any]:
    """What was recorded, without what the writer added."""
    return {name: value for name, value in record.items() if name not in ("mac", "seq")}
