"""What some adapters can do besides answering."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from yumen.plugin import Host


class Missing(Protocol):
    """A part that is not on this machine: why, and what to do."""

    part: str
    why: str
    fix: str


class Capability(Protocol):
    """What an adapter needs of this machine; nothing is `missing` where it can run."""

    missing: Sequence[Missing]


@runtime_checkable
class Inspects(Protocol):
    """An adapter that can say what it lacks without being loaded."""

    async def capability(self) -> Capability: ...


@runtime_checkable
class Builds(Protocol):
    """An adapter that makes something of a model before it serves, which takes long and is kept.

    `prepare` returns one thing a version, which says whether it is new (`built`). Errors: as of `load`.
    """

    async def prepare(self, host: Host, report: Callable[[str], None]) -> Sequence[Any]: ...
