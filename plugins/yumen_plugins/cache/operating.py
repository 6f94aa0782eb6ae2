"""What operators see and do at `/admin/cache`: how well it works, and letting go of what is kept."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from yumen import AdminCall, Host, StoreError
from yumen_plugins.cache.entry import Purge

YES = "true"
# The gateway waits ten seconds for an answer; what takes longer goes on, and says in the ledger what came of it.
ANSWER_S = 8.0
# So long what is under way may take when the process ends, and so many purges may be under way.
STOP_S, PURGES_MAX = 5.0, 4
TENANT = re.compile(r"[A-Za-z0-9._-]{1,64}")
DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
OLDER_MAX_S = 366 * 86_400
LEFT = (
    "the shared store did not answer: what is left there is given to nobody by gateways that know of this purge, and goes at"
    " the end of its time; ask again when the store is back, so that all of them know"
)
UNWRITTEN = (
    "the disk did not take this purge: what this process had is gone; other processes, and this gateway after a restart, may"
    " still give what they have; ask again when the data directory can be written"
)
INCOMPLETE = "incomplete"


class Wanted(NamedTuple):
    """What is to go; `subject` is a digest, `older_than_s` 0 for whatever its age."""

    tenant: str
    subject: str
    older_than_s: int

    def details(self) -> dict[str, str]:
        """As the ledger has it."""
        return {
            "tenant": self.tenant or "*",
            "subject": self.subject or "*",
            "older_than_s": str(self.older_than_s),
        }


class Operating:
    """`purge` lets go of what is kept and returns how many entries that were; `stats` says how much there is.

    `purge` raises `StoreError` where something may be left in the shared store, OSError where the disk did not take it.
    """

    def __init__(
        self,
        host: Host,
        purge: Callable[[Purge], Awaitable[int]],
        stats: Callable[[], Awaitable[Mapping[str, Any]]],
    ) -> None:
        self._host = host
        self._purge = purge
        self._stats = stats
        self._under_way: set[asyncio.Task[Mapping[str, Any]]] = set()

    async def inspect(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        """How much there is, and what came of looking. Error: ValueError for a parameter."""
        if query:
            raise ValueError("this page takes no parameters but `instance`")
        return await self._stats()

    async def operate(self, call: AdminCall) -> Mapping[str, Any]:
        """`purge`. Errors: ValueError; those of the ledger.

        What was begun is done, and recorded, also where the operator does not wait for it.
        """
        if call.action != "purge":
            raise ValueError("a cache can be told to `purge`")
        wanted = self._wanted(call.arguments)
        if len(self._under_way) >= PURGES_MAX:
            raise ValueError("so many purges are under way already; ask again when one of them has ended")
        task = asyncio.create_task(self._do(call, wanted))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        done, _ = await asyncio.wait({task}, timeout=ANSWER_S)
        return task.result() if done else {**wanted.details(), "under_way": True}

    async def stop(self) -> None:
        """Let what is under way come to its end, for a while."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=STOP_S)
        tasks = [*self._under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _do(self, call: AdminCall, wanted: Wanted) -> Mapping[str, Any]:
        """Record it, do it, and record what came of it."""
        details = wanted.details()
        await call.record(**details)
        before = self._host.now() - wanted.older_than_s if wanted.older_than_s else math.inf
        purged = INCOMPLETE
        try:
            purged = str(await self._purge(Purge(wanted.tenant, wanted.subject, before)))
        except StoreError:
            return {**details, "purged": None, "left": LEFT}
        except OSError as error:
            self._host.log.error("purge_unwritten", error=type(error).__name__)
            return {**details, "purged": None, "left": UNWRITTEN}
        finally:
            await call.record(**details, purged=purged)
        return {**details, "purged": int(purged)}

    def _ended(self, task: asyncio.Task[Mapping[str, Any]]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Whoever asked may not be there any more.
            self._host.log.warning("purge_failed", error=type(error).__name__)

    def _wanted(self, arguments: Mapping[str, str]) -> Wanted:
        """What the operator asks for. Error: ValueError, in a sentence."""
        unknown = set(arguments) - {"tenant", "subject", "older_than", "all"}
        if unknown:
            raise ValueError("a purge is told `tenant`, `subject`, `older_than` and `all`, and nothing else")
        tenant, subject = arguments.get("tenant", ""), arguments.get("subject", "")
        older, everything = arguments.get("older_than", ""), arguments.get("all", "")
        if everything not in ("", YES):
            raise ValueError("`all` is `true`, or is not said")
        if tenant and not TENANT.fullmatch(tenant):
            raise ValueError("a tenant has 1 to 64 letters, digits, dots, underscores and hyphens")
        if subject and not tenant:
            raise ValueError("a subject is one of a tenant: say which `tenant`")
        if bool(everything) == bool(tenant or older):
            raise ValueError(
                "say `tenant`, with `subject` or without, or `older_than`; or `all: true` alone for everything"
            )
        digest = self._host.subject_id(tenant, subject) if subject else ""
        return Wanted(tenant, digest, seconds_of(older) if older else 0)


def seconds_of(text: str) -> int:
    """Seconds of a duration such as `2h`. Error: ValueError, in a sentence."""
    match = DURATION.fullmatch(text)
    seconds = int(match[1]) * UNITS[match[2]] if match else 0
    if not 0 < seconds <= OLDER_MAX_S:
        raise ValueError("how old is a duration of at most 366 days, such as 30m, 2h or 7d")
    return seconds
