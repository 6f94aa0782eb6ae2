"""What operators do to the gateway, and ask of a plugin at `/admin/<manifest.admin>`; and what may come back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Literal, Protocol

import msgspec

# What an operator's key may do beside what every such key may: `reveal` what masked values stand for.
Right = Literal["reveal"]


class AdminCall(Protocol):
    """What an operator asks of a plugin: the action, and what it is about, as the caller wrote it."""

    @property
    def action(self) -> str: ...
    @property
    def arguments(self) -> Mapping[str, str]: ...
    @property
    def actor(self) -> str:
        """`admin:` and the id of the operator's key."""
        ...

    def may(self, right: Right) -> bool:
        """Whether the operator's key has a right; raise PermissionError, with a sentence, where it must and has not."""
        ...

    async def record(self, **details: str) -> None:
        """Put it into the ledger as an operation, with ids and numbers for details; raises where that must be and fails."""
        ...


class Download(msgspec.Struct, frozen=True):
    """A file that is sent while it is made. `filename` is what the caller's program may call it.

    What `chunks` raises breaks the connection off: a file that is not whole must not look like one that is. They are closed
    (`aclose`) where the caller leaves before their end. Errors: ValueError for a name or type that a header cannot hold.
    """

    media_type: str
    chunks: AsyncIterator[bytes]
    filename: str


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done to the gateway and is no exchange: a policy was loaded, say.

    `kind` is a stable word (`policy_loaded`, `policy_reloaded`, `model_unloaded`, say), `actor` who did it: `start`,
    `watch`, or `admin:` and the id of a key. `at` is in seconds since the epoch. `details` are ids, hashes and
    codes, never text of a payload.
    """

    kind: str
    actor: str
    at: float
    details: Mapping[str, str] = {}


class Erasure(msgspec.Struct, frozen=True):
    """Who is to be forgotten: one subject of a tenant (see `Exchange.subject`), or all of the tenant where it is empty."""

    tenant: str
    subject: str = ""
