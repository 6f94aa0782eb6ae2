"""Whatever a replica raises, `SystemExit` in a task too, is its own failure: the process goes on, and so do the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.core.pool.replicas import OK, Scripted, failing, host, in_flight, outcome, pool_of, request, running, sample
from tests.kit import Panic

from yumen import CannotStart, EngineError
from yumen.plugin import Host

WAYS = [pytest.param(one, id=type(one).__name__) for one in (SystemExit(3), KeyboardInterrupt(), Panic("秘密 SECRET"))]


class Panics(Scripted):
    """Raises what the test says where it says."""

    def __init__(self, at: str, error: BaseException) -> None:
        super().__init__(failing(error) if at == "generate" else None)
        self.at = at
        self.error = error

    def _maybe(self, at: str) -> None:
        if self.at == at:
            raise self.error

    async def load(self, host: Host) -> None:
        await super().load(host)
        self._maybe("load")

    async def health(self) -> str:
        self._maybe("health")
        return ""

    async def close(self) -> None:
        await super().close()
        self._maybe("close")


@pytest.mark.parametrize("error", WAYS)
@pytest.mark.parametrize("hedge_ms", [0, 1])
async def test_asking(error: BaseException, hedge_ms: int) -> None:
    """It counts against the replica, whose circuit opens, whether or not another is asked beside it."""
    async with running([Panics("generate", error)], failures_max=1, hedge_ms=hedge_ms) as pool:
        before = sample("circuit_opens", "a")
        failed = await outcome(pool)
        assert isinstance(failed, EngineError)
        assert "SECRET" not in str(failed)
        assert in_flight(pool) == [0]
        assert sample("circuit_opens", "a") == before + 1


@pytest.mark.parametrize("error", WAYS)
async def test_streaming(error: BaseException) -> None:
    """A stream that breaks with it counts against the replica too, before anybody closes it."""

    async def act(_: Any) -> AsyncIterator[bytes]:
        async def events() -> AsyncIterator[bytes]:
            yield b"a"
            raise error

        return events()

    async with running([Scripted(act)], failures_max=1) as pool:
        before = sample("circuit_opens", "a")
        stream: Any = await pool.generate(request(streamed=True))
        assert await anext(stream) == b"a"
        with pytest.raises(type(error)):
            await anext(stream)
        assert sample("circuit_opens", "a") == before + 1
        assert in_flight(pool) == [0]


@pytest.mark.parametrize("error", WAYS)
async def test_health(error: BaseException) -> None:
    """A replica whose health check raises it is ill, and is asked again; the other one answers."""
    engines = [Panics("health", error), Scripted()]
    async with running(engines, check_ms=10) as pool:
        async with asyncio.timeout(30):
            while not pool._members[0].ill:
                await asyncio.sleep(0.01)
        assert await outcome(pool) is OK
        assert await pool.health() == ""
        engines[0].at = ""  # type: ignore[attr-defined]  # the first one panics
        async with asyncio.timeout(30):
            while pool._members[0].ill:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("error", WAYS)
async def test_beginning_and_ending(error: BaseException) -> None:
    """What does not load is said in a sentence, and what was loaded is closed; what fails to close keeps no other open."""
    first = Scripted()
    with pytest.raises(CannotStart, match="replica b failed to load: RuntimeError: it raised"):
        await pool_of([first, Panics("load", error)]).load(host())
    assert first.closed == 1
    engines = [Panics("close", error), Scripted()]
    pool = pool_of(engines)
    await pool.load(host())
    with pytest.raises(RuntimeError, match=f"it raised {type(error).__name__}"):
        await pool.close()
    assert [one.closed for one in engines] == [1, 1]
