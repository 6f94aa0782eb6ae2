"""The models of a pool: whichever replica is well tells of them, and all of them load and unload."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from yumen.pool.member import Member
from yumen.tensors.models import Metadata, Models, ModelState


class PooledModels:
    """See `yumen.tensors.models.Models`. `pick` gives the replicas that have models, those that are well first."""

    def __init__(self, pick: Callable[[], Sequence[tuple[Member, Models]]]) -> None:
        self._pick = pick

    async def index(self) -> Sequence[ModelState]:
        return await self._one().index()

    async def metadata(self, name: str, version: str = "") -> Metadata:
        return await self._one().metadata(name, version)

    async def ready(self, name: str, version: str = "") -> bool:
        return await self._one().ready(name, version)

    async def statistics(self, name: str = "", version: str = "") -> Sequence[Mapping[str, Any]]:
        return await self._one().statistics(name, version)

    async def load(self, name: str) -> None:
        await self._all(lambda models: models.load(name))

    async def unload(self, name: str) -> None:
        await self._all(lambda models: models.unload(name))

    def _one(self) -> Models:
        picked = self._pick()
        if not picked:
            raise LookupError("no replica has models")
        return picked[0][1]

    async def _all(self, act: Callable[[Models], Any]) -> None:
        """One after the other; one that fails keeps no other from it, and the first error is told in the end."""
        first: Exception | None = None
        for _, models in self._pick():
            try:
                await act(models)
            except Exception as error:  # whatever kind it is, the other replicas come first
                first = first or error
        if first is not None:
            raise first
