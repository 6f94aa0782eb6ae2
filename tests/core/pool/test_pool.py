"""A pool as the chain sees it: one engine, whatever becomes of its replicas."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.core.pool.replicas import (
    AGAIN,
    BROKEN,
    MANIFEST,
    OK,
    Scripted,
    failing,
    giving,
    hang,
    host,
    outcome,
    pool_of,
    request,
    running,
    sample,
)

from yumen import CannotStart, EngineError, Native
from yumen.engine import RequestRefused
from yumen.pool import Pool
from yumen.target import Target
from yumen.tensors import Metadata, ModelState, Placement
from yumen.testing import FakeClock


def test_a_pool_is_what_its_adapter_is() -> None:
    """Dialects, name and version are the adapter's, so that the chain need not know of pools."""
    pool = pool_of([Scripted(), Scripted()])
    assert pool.manifest is MANIFEST
    assert Pool.manifest.name == "pool"
    assert Target.of("llm", pool, "local").dialects == ("openai",)


def test_every_knob_is_part_of_the_identity() -> None:
    """What a cache keeps was answered under one configuration of the pool and each replica, and by no other."""
    pools = [
        pool_of([Scripted(), Scripted()]),
        pool_of([Scripted()]),
        pool_of([Scripted(), Scripted()], weights=[1, 2]),
        pool_of([Scripted(), Scripted()], attempts=3),
        pool_of([Scripted(), Scripted()], names=["a", "z"]),
    ]
    assert len({Target.of("llm", pool, "local").identity for pool in pools}) == len(pools)


@pytest.mark.parametrize("names", [[], ["a", "a"]])
def test_replicas_have_names_of_their_own(names: list[str]) -> None:
    """Metrics, health and stickiness tell replicas apart by name."""
    with pytest.raises(ValueError, match="each with a name"):
        pool_of([Scripted() for _ in names], names=names or ["unused"])


async def test_revisions_are_joined() -> None:
    """Replicas of one version look like one engine; while versions differ, the pool's is another one than either."""
    first, second = Scripted(), Scripted()
    async with running([first, second]) as pool:
        assert pool.revision() == "1"
        second.model_version = "2"
        assert pool.revision() == "1,2"


async def test_placements_name_their_replica() -> None:
    """An operator sees where each replica really runs."""

    class Placed(Scripted):
        def placements(self) -> Sequence[Placement]:
            return (Placement(model="m", device="cuda:0", detail={"precision": "fp16"}),)

    async with running([Placed(), Placed()]) as pool:
        assert [one.detail for one in pool.placements()] == [
            {"precision": "fp16", "replica": "a"},
            {"precision": "fp16", "replica": "b"},
        ]


class Catalogue:
    """Models of one replica, which remembers what it was told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.told: list[str] = []
        self.error = error

    async def index(self) -> Sequence[ModelState]:
        self.told.append("index")
        return ()

    async def metadata(self, name: str, version: str = "") -> Metadata:
        raise LookupError(name)

    async def ready(self, name: str, version: str = "") -> bool:
        return True

    async def statistics(self, name: str = "", version: str = "") -> Sequence[Mapping[str, Any]]:
        return ()

    async def load(self, name: str) -> None:
        self.told.append(f"load {name}")
        if self.error is not None:
            raise self.error

    async def unload(self, name: str) -> None:
        self.told.append(f"unload {name}")


class Catalogued(Scripted):
    def __init__(self, catalogue: Catalogue | None) -> None:
        super().__init__()
        self.catalogue = catalogue

    def models(self) -> Catalogue | None:
        return self.catalogue


async def test_models_are_told_by_one_and_loaded_by_all() -> None:
    """Who is well tells of the models; an operator's load reaches every replica, one that fails keeping no other from it."""
    first, second = Catalogue(ValueError("no room for it")), Catalogue()
    engines = [Catalogued(None), Catalogued(first), Catalogued(second)]
    async with running(engines, check_ms=0) as pool:
        models = pool.models()
        assert models is not None
        engines[1].ill = "no GPU"
        await pool.health()
        await models.index()
        with pytest.raises(ValueError, match="no room"):
            await models.load("embedder")
        await models.unload("embedder")
    assert first.told == ["load embedder", "unload embedder"]
    assert second.told == ["index", "load embedder", "unload embedder"]


async def test_a_pool_without_models_has_none() -> None:
    """`/v2` shows nothing of engines that serve no models by it."""
    async with running([Scripted(), Scripted()]) as pool:
        assert pool.models() is None


async def test_one_replica_that_fails_to_load_closes_all_that_began() -> None:
    """Nothing that was opened stays open, nothing is closed twice, and what never began is not closed."""
    engines = [Scripted(), Scripted(), Scripted()]
    engines[1].load_error = OSError("no such model")
    pool = pool_of(engines)
    with pytest.raises(CannotStart, match="replica b failed to load: OSError: no such model"):
        await pool.load(host())
    await pool.close()
    assert [one.loaded for one in engines] == [1, 1, 0]
    assert [one.closed for one in engines] == [1, 1, 0]


async def test_a_replica_that_fails_to_close_keeps_no_other_open() -> None:
    """All are closed, and the error is still told."""

    class Stuck(Scripted):
        async def close(self) -> None:
            raise OSError("busy")

    last = Scripted()
    pool = pool_of([Stuck(), last])
    await pool.load(host())
    with pytest.raises(OSError, match="busy"):
        await pool.close()
    assert last.closed == 1


async def test_closing_ends_the_health_checks_also_where_a_cancellation_is_lost() -> None:
    """An HTTP library may swallow the cancellation of a check; the task ends all the same."""

    class Deaf(Scripted):
        async def health(self) -> str:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return ""

    before = asyncio.all_tasks()
    pool = pool_of([Deaf(), Scripted()], check_ms=60_000)
    await pool.load(host())
    await asyncio.sleep(0)
    assert asyncio.all_tasks() - before
    await pool.close()
    assert asyncio.all_tasks() == before


async def test_another_replica_is_asked_where_the_first_cannot_have_begun() -> None:
    """A connection that fails costs the caller nothing, and is counted."""
    async with running([Scripted(failing(AGAIN)), Scripted()]) as pool:
        before = sample("retries", "b")
        for _ in range(8):
            assert await outcome(pool) is OK
        assert sample("retries", "b") > before


@pytest.mark.parametrize(
    "error", [BROKEN, RequestRefused("the tensor `x` has no rows"), EngineError("too much to do", retry_after_s=1)]
)
async def test_no_other_is_asked_where_the_first_may_have_begun(error: EngineError) -> None:
    """Only an error that says so is tried again: an answer may cost money, and a bad request stays bad."""
    engines = [Scripted(failing(error)), Scripted(failing(error))]
    async with running(engines, attempts=8) as pool:
        assert await outcome(pool) is error
    assert sum(one.asked for one in engines) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_reply_that_says_not_now_goes_elsewhere(status: int) -> None:
    """An overloaded replica's reply reaches the caller only where no other can answer."""
    busy = Native(status, b"{}")
    engines = [Scripted(giving(busy)), Scripted(giving(busy))]
    async with running(engines) as pool:
        assert await outcome(pool) is busy
        assert [one.asked for one in engines] == [1, 1]
        engines[0].act = engines[1].act = giving(OK)
        assert await outcome(pool) is OK


@pytest.mark.parametrize("status", [200, 400, 404, 500, 501])
async def test_any_other_reply_is_the_callers(status: int) -> None:
    """What is about the request, or may be the model's own doing, is not asked for again."""
    reply = Native(status, b"{}")
    engines = [Scripted(giving(reply)), Scripted(giving(reply))]
    async with running(engines, attempts=8) as pool:
        assert await outcome(pool) is reply
    assert sum(one.asked for one in engines) == 1


async def test_attempts_are_counted() -> None:
    """An exchange tries as many replicas as policy says, and no replica twice."""
    engines = [Scripted(failing(AGAIN)) for _ in range(5)]
    async with running(engines, attempts=3) as pool:
        assert await outcome(pool) is AGAIN
        assert sorted(one.asked for one in engines) == [0, 0, 1, 1, 1]


async def test_a_replica_is_not_tried_twice() -> None:
    """With more attempts than replicas, each is asked once."""
    engines = [Scripted(failing(AGAIN)), Scripted(failing(AGAIN))]
    async with running(engines, attempts=8) as pool:
        await outcome(pool)
    assert [one.asked for one in engines] == [1, 1]


async def test_the_budget_ends_retries() -> None:
    """When everything fails, an outage is not multiplied by attempts: the reserve of ten, and a tenth of the exchanges."""
    engines = [Scripted(failing(AGAIN)), Scripted(failing(AGAIN))]
    clock = FakeClock()
    async with running(engines, clock, retry_budget=0.1, failures_max=1000) as pool:
        for _ in range(100):
            await outcome(pool)
        assert sum(one.asked for one in engines) == 100 + 20


async def test_nobody_is_asked_after_the_deadline() -> None:
    """Time that is over is not given to a replica, neither the first nor the next."""
    clock = FakeClock()

    async def slow(_: Any) -> Any:
        clock.move(2)
        raise AGAIN

    engines = [Scripted(slow), Scripted(slow)]
    async with running(engines, clock) as pool:
        assert await outcome(pool, request(deadline=clock.monotonic() + 1)) is AGAIN
        late = await outcome(pool, request(deadline=clock.monotonic()))
        assert isinstance(late, EngineError)
        assert late.timeout
    assert sum(one.asked for one in engines) == 1


async def test_a_cancelled_exchange_is_not_tried_again() -> None:
    """A cancellation that an HTTP library loses on its way still ends the exchange's attempts."""
    waiting = asyncio.Event()

    async def loses(_: Any) -> Any:
        waiting.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        raise AGAIN

    engines = [Scripted(loses), Scripted(loses)]
    async with running(engines) as pool:
        task = asyncio.create_task(pool.generate(request()))
        await waiting.wait()
        task.cancel()
        with pytest.raises(EngineError):
            await task
    assert sum(one.asked for one in engines) == 1


async def test_tensors_go_the_same_way() -> None:
    """A batch of tensors finds another replica just as a chat does."""
    async with running([Scripted(failing(AGAIN)), Scripted(giving({"y": [1.0]}))]) as pool:
        for _ in range(4):
            assert await pool.infer({"x": [1.0]}) == {"y": [1.0]}


async def test_a_batch_says_whose_it_is_and_until_when() -> None:
    """Tenants stay at their replica with batches as with chats, and one that hangs until the deadline has failed."""
    engines = [Scripted(giving({})), Scripted(giving({})), Scripted(giving({}))]
    async with running(engines, balance="sticky") as pool:
        for tenant in ("租户一", "acme", "b"):
            before = [one.asked for one in engines]
            for _ in range(4):
                await pool.infer({"tenant": tenant})
            assert sorted(one.asked - was for one, was in zip(engines, before, strict=True)) == [0, 0, 4]
    clock = FakeClock()
    async with running([Scripted(hang)], clock, failures_max=1) as pool:
        with pytest.raises(EngineError, match="no time was left"):
            await pool.infer({"deadline": clock.monotonic()})
        asking = asyncio.ensure_future(pool.infer({"deadline": clock.monotonic() + 1}))
        await asyncio.sleep(0)
        clock.move(1)
        asking.cancel()
        await asyncio.wait([asking])
        assert "failed again" in await pool.health()


@pytest.mark.parametrize("garbage", [None, 7, "{}", [OK]])
async def test_garbage_is_no_reply(garbage: object) -> None:
    """What an engine returns that is no reply becomes an error, and a failure of that replica."""
    async with running([Scripted(giving(garbage))], failures_max=1) as pool:
        assert str(await outcome(pool)) == "it returned what is no reply"
        assert "failed again" in await pool.health()


async def test_garbage_that_can_be_closed_is_closed() -> None:
    """What is open behind a reply of the wrong kind does not stay so."""
    closed = asyncio.Event()

    class Opened:
        async def aclose(self) -> None:
            closed.set()

    async with running([Scripted(giving(Opened()))]) as pool:
        assert isinstance(await outcome(pool), EngineError)
        async with asyncio.timeout(10):
            await closed.wait()


async def test_an_engine_that_cancels_itself_has_failed() -> None:
    """Only the caller's own cancellation is one."""
    async with running([Scripted(failing(asyncio.CancelledError()))]) as pool:
        assert str(await outcome(pool)) == "it cancelled itself"


async def test_what_an_engine_raises_is_not_told() -> None:
    """An exception of somebody else's code may hold payload: its kind is told, its words are not."""
    async with running([Scripted(failing(ValueError("身份证 11010519491231002X")))]) as pool:
        assert re.fullmatch(r"it raised ValueError at \S+\.py:\d+", str(await outcome(pool)))
