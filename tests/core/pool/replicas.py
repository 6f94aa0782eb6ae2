"""Engines that do as a test says, a clock and pools of them."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from prometheus_client import REGISTRY

from yumen import Engine, EngineError, EngineManifest, EngineRequest, Native, NoConfig, Secret, Settings
from yumen.parts import InstanceHost, Parts
from yumen.plugin import Host
from yumen.pool import Pool, PoolConfig, Replica
from yumen.testing import FakeClock

ENGINE = "pooled"
OK = Native(200, '{"text":"好的, fine"}'.encode())
MANIFEST = EngineManifest(name="scripted", version="7", dialects=("openai",))
Act = Callable[[Any], Awaitable[Any]]


class Scripted(Engine[NoConfig]):
    """Answers with what `act` returns or raises; counts what it is asked."""

    manifest: ClassVar[EngineManifest] = MANIFEST

    def __init__(self, act: Act | None = None) -> None:
        super().__init__(NoConfig())
        self.act: Act = act or fine
        self.asked = 0
        self.loaded = 0
        self.closed = 0
        self.ill = ""
        self.model_version = "1"
        self.load_error: Exception | None = None

    async def load(self, host: Host) -> None:
        self.loaded += 1
        if self.load_error is not None:
            raise self.load_error

    async def generate(self, request: EngineRequest) -> Any:
        self.asked += 1
        return await self.act(request)

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked += 1
        outputs: Mapping[str, Any] = await self.act(batch)
        return outputs

    def revision(self) -> str:
        return self.model_version

    async def health(self) -> str:
        return self.ill

    async def close(self) -> None:
        self.closed += 1


async def fine(_: Any) -> Any:
    return OK


def failing(error: BaseException) -> Act:
    """Raises it each time."""

    async def act(_: Any) -> Any:
        raise error

    return act


def giving(reply: Any) -> Act:
    """Returns it each time."""

    async def act(_: Any) -> Any:
        return reply

    return act


def host(clock: FakeClock | None = None) -> InstanceHost:
    """The gateway's own, whose metrics are those that Prometheus shows."""
    parts = Parts(Settings(data_dir=Path("/nonexistent")), Secret(b"\x01" * 32), clock=clock)
    return InstanceHost(parts, ENGINE, frozenset())


def pool_of(
    engines: Sequence[Engine[Any]], *, weights: Sequence[float] = (), names: Sequence[str] = (), **config: Any
) -> Pool:
    """A pool of them by the names a, b, c, …, which asks nobody for its health unless the test says so."""
    replicas = [
        Replica(name, weight, engine)
        for name, weight, engine in zip(names or "abcdefgh", weights or [1.0] * len(engines), engines, strict=False)
    ]
    return Pool(replicas, PoolConfig(**{"check_ms": 0, **config}), MANIFEST, rng=random.Random(7))


@contextlib.asynccontextmanager
async def running(engines: Sequence[Engine[Any]], clock: FakeClock | None = None, **config: Any) -> AsyncIterator[Pool]:
    """A loaded pool, closed in the end with nothing in flight."""
    pool = pool_of(engines, **config)
    await pool.load(host(clock))
    try:
        yield pool
    finally:
        await pool.close()
    assert in_flight(pool) == [0] * len(engines)


def in_flight(pool: Pool) -> list[int]:
    """How many exchanges each replica has, as the pool counts them."""
    return [member.in_flight for member in pool._members]


def request(
    *, streamed: bool = False, deadline: float = math.inf, tenant: str = "", affinity: str = ""
) -> EngineRequest:
    """A request as the chain hands it over."""
    return EngineRequest(
        exchange_id="0" * 32, dialect="openai", path="chat/completions", model="m", streamed=streamed, body=b"{}",
        messages=[], deadline=deadline, tenant=tenant, affinity=affinity,
    )  # fmt: skip


def sample(name: str, replica: str) -> float:
    """A metric of the pool's, as it is shown to Prometheus."""
    suffix = "" if name == "in_flight" else "_total"
    value = REGISTRY.get_sample_value(f"yumen_{ENGINE}_pool_{name}{suffix}", {"replica": replica})
    assert value is not None, name
    return value


AGAIN = EngineError("connection refused", again=True)
BROKEN = EngineError("it broke")


def streams(count: int = 2) -> Act:
    """Streams so many events each time."""

    async def events() -> AsyncIterator[bytes]:
        for number in range(count):
            yield f"第{number}段 piece".encode()

    async def act(_: Any) -> AsyncIterator[bytes]:
        return events()

    return act


async def hang(_: Any) -> Any:
    """Never answers."""
    await asyncio.Event().wait()


async def outcome(pool: Pool, asked: EngineRequest | None = None) -> object:
    """The reply, or the error that was raised."""
    try:
        return await pool.generate(asked or request())
    except EngineError as error:
        return error
