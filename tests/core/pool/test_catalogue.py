"""What a pool tells of what its replicas' models have done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests.core.pool.replicas import Scripted, running

from yumen import EngineError, Metadata, Models, ModelState
from yumen.batching.statistics import BatchStatistics, SizeStatistics
from yumen.pool import catalogue
from yumen.tensors.statistics import model_stats


class Counted:
    """Models of one replica, of which only the statistics are asked for; `told` is raised where it is an error."""

    def __init__(self, *told: Mapping[str, Any] | BaseException | None) -> None:
        self.told = told

    async def statistics(self, name: str = "", version: str = "") -> Sequence[Mapping[str, Any]]:
        given: list[Mapping[str, Any]] = []
        for one in self.told:
            if one is None:
                await asyncio.Event().wait()
            elif isinstance(one, BaseException):
                raise one
            else:
                given.append(one)
        return given

    async def index(self) -> Sequence[ModelState]:
        raise NotImplementedError

    async def metadata(self, name: str, version: str = "") -> Metadata:
        raise NotImplementedError

    async def ready(self, name: str, version: str = "") -> bool:
        raise NotImplementedError

    async def load(self, name: str) -> None:
        raise NotImplementedError

    async def unload(self, name: str) -> None:
        raise NotImplementedError


class Replica(Scripted):
    def __init__(self, models: Models | None) -> None:
        super().__init__()
        self._models = models

    def models(self) -> Models | None:
        return self._models


def done(version: str, requests: int, *sizes: int, at: float = 0.0) -> dict[str, Any]:
    """What the gateway's own engines tell of a version that has run batches of these sizes, a second each."""
    statistics = BatchStatistics(requests=requests, rows=sum(sizes), runs=len(sizes), compute_s=float(len(sizes)))
    for size in sizes:
        statistics.sizes[size] = SizeStatistics(sizes.count(size), float(sizes.count(size)))
    return model_stats("模型", version, at, statistics)


async def told(*replicas: Models | None) -> Sequence[Mapping[str, Any]]:
    """What a pool of such replicas tells."""
    async with running([Replica(one) for one in replicas]) as pool:
        models = pool.models()
        assert models is not None
        return await models.statistics()


async def test_what_replicas_have_done_is_added_up() -> None:
    """By model, version and size of batch, as if one engine had done it all; the last answer is the later one's."""
    first = Counted(done("1", 3, 1, 1, 8, at=20.0), done("2", 1, 4))
    second = Counted(done("1", 2, 8, 2, at=10.0), done("3", 5))
    assert list(await told(None, first, second)) == [
        done("1", 5, 1, 1, 8, 8, 2, at=20.0), done("2", 1, 4), done("3", 5),
    ]  # fmt: skip


async def test_what_a_server_tells_of_itself_beside_numbers_is_the_first_one_s() -> None:
    """Texts, truths and members of unknown forms are not added up, and break nothing."""
    odd = {"name": "m", "version": "1", "inference_count": 2, "fine": True, "batch_stats": [7, {"batch_size": "x"}]}
    other = {"name": "m", "version": "1", "inference_count": "3", "fine": True, "batch_stats": [], "more": [1]}
    (one,) = await told(Counted(odd), Counted(other))
    assert one == {**odd, "batch_stats": [], "more": [1]}


async def test_a_replica_that_does_not_tell_keeps_nothing_from_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that fails, nor one that hangs, nor one that has not the model; where all fail, that is told."""
    monkeypatch.setattr(catalogue, "STATISTICS_S", 0.05)
    broken, absent = Counted(EngineError("away")), Counted(LookupError("m"))
    hangs, cancels = Counted(None), Counted(asyncio.CancelledError())
    assert list(await told(broken, absent, hangs, cancels, Counted(done("1", 1)))) == [done("1", 1)]
    for only, kind in ((broken, EngineError), (absent, LookupError), (hangs, TimeoutError), (cancels, EngineError)):
        with pytest.raises(kind):
            await told(only, only)


class Named(Counted):
    """Models of one replica that tells of one, or raises `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error

    async def index(self) -> Sequence[ModelState]:
        return [ModelState("模型", "1", "READY" if await self.ready("") else "UNAVAILABLE")]

    async def metadata(self, name: str, version: str = "") -> Metadata:
        assert await self.ready(name, version)
        return Metadata(name, ("1",), "numpy", (), ())

    async def ready(self, name: str, version: str = "") -> bool:
        if self.error is not None:
            raise self.error
        return True


async def test_another_replica_tells_of_models_where_the_first_one_cannot() -> None:
    """One that nobody has asked for an exchange may be away without anybody's knowing; what is not there is an answer."""
    away, absent, well = Named(EngineError("away")), Named(LookupError("m")), Named()
    async with running([Replica(away), Replica(well)]) as pool:
        models = pool.models()
        assert models is not None
        assert await models.ready("模型")
        assert (await models.metadata("模型")).name == "模型"
        assert await models.index() == [ModelState("模型", "1", "READY")]
    for replicas, kind in (([away, Named(EngineError("too"))], EngineError), ([absent, well], LookupError)):
        async with running([Replica(one) for one in replicas]) as pool:
            models = pool.models()
            assert models is not None
            with pytest.raises(kind, match="away" if kind is EngineError else "m"):
                await models.metadata("模型")
