"""The models of a pool: whichever replica is well tells of them, and all of them load, unload and are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from yumen.engine import EngineError
from yumen.foreign import tamed
from yumen.pool.member import Member
from yumen.tensors.models import Metadata, Models, ModelState

T = TypeVar("T")
# How long a replica may take to say what its models have done.
STATISTICS_S = 5.0
# Of these the later one counts, or the first; all other numbers are added up.
LATEST, SAME = frozenset({"last_inference"}), frozenset({"batch_size"})


class PooledModels:
    """See `yumen.tensors.models.Models`. `pick` gives the replicas that have models, those that are well first."""

    def __init__(self, pick: Callable[[], Sequence[tuple[Member, Models]]]) -> None:
        self._pick = pick

    async def index(self) -> Sequence[ModelState]:
        return await self._asked(lambda models: models.index())

    async def metadata(self, name: str, version: str = "") -> Metadata:
        return await self._asked(lambda models: models.metadata(name, version))

    async def ready(self, name: str, version: str = "") -> bool:
        return await self._asked(lambda models: models.ready(name, version))

    async def statistics(self, name: str = "", version: str = "") -> Sequence[Mapping[str, Any]]:
        """What all replicas have done, added up; without those that do not say so in time, as long as any does."""
        picked = self._picked()

        async def told(models: Models) -> Sequence[Mapping[str, Any]]:
            async with asyncio.timeout(STATISTICS_S):
                return await tamed(lambda: models.statistics(name, version))

        answers = await asyncio.gather(*(told(models) for _, models in picked), return_exceptions=True)
        given = [answer for answer in answers if not isinstance(answer, BaseException)]
        if not given:
            first = answers[0]
            raise first if isinstance(first, Exception) else EngineError("it cancelled itself")
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for one in (one for answer in given for one in answer):
            key = str(one.get("name", "")), str(one.get("version", ""))
            found[key] = _added(found[key], one) if key in found else one
        return list(found.values())

    async def load(self, name: str) -> None:
        await self._all(lambda models: models.load(name))

    async def unload(self, name: str) -> None:
        await self._all(lambda models: models.unload(name))

    def _picked(self) -> Sequence[tuple[Member, Models]]:
        picked = self._pick()
        if not picked:
            raise LookupError("no replica has models")
        return picked

    async def _asked(self, ask: Callable[[Models], Awaitable[T]]) -> T:
        """What the first replica says that can: what is known of them comes from exchanges, and there may have been none.

        Error: the first replica's, where none can.
        """
        errors: list[EngineError] = []
        for _, models in self._picked():
            try:
                return await tamed(partial(ask, models))
            except EngineError as error:
                errors.append(error)
        raise errors[0]

    async def _all(self, act: Callable[[Models], Any]) -> None:
        """One after the other; one that fails keeps no other from it, and the first error is told in the end."""
        first: Exception | None = None
        for _, models in self._pick():
            try:
                await tamed(partial(act, models))
            except Exception as error:  # whatever kind it is, the other replicas come first
                first = first or error
        if first is not None:
            raise first


def _added(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Members of statistics of two replicas, put together."""
    added = dict(one)
    for key, more in other.items():
        added[key] = _sum(key, added[key], more) if key in added else more
    return added


def _sum(key: str, one: Any, more: Any) -> Any:
    """What is no number of either, nor made of any, stays as the first replica has it."""
    if isinstance(one, dict) and isinstance(more, dict):
        return _added(one, more)
    if key == "batch_stats" and isinstance(one, list) and isinstance(more, list):
        return _by_size([*one, *more])
    if key in SAME or not (_is_number(one) and _is_number(more)):
        return one
    return max(one, more) if key in LATEST else one + more


def _by_size(lines: Sequence[Any]) -> list[Any]:
    """One line for each size of batch, the smallest first."""
    sizes: dict[int, dict[str, Any]] = {}
    for line in lines:
        if isinstance(line, dict) and type(size := line.get("batch_size")) is int:
            sizes[size] = _added(sizes[size], line) if size in sizes else line
    return [sizes[size] for size in sorted(sizes)]


def _is_number(value: object) -> bool:
    return type(value) in (int, float)
