"""Several replicas of one engine that answer as one.

An exchange goes to the replica that is expected to answer first, and to another where that one cannot have begun to answer.
Whoever fails again and again, says that it is ill, or is much slower than the others, is left alone for a while.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from yumen.engine import Engine, EngineError, EngineManifest, EngineRequest, Events, Native
from yumen.errors import CannotStart
from yumen.exchange import Answer
from yumen.foreign import tamed
from yumen.plugin import Host
from yumen.pool.attempts import Ask, attempt, elsewhere
from yumen.pool.budget import Budget
from yumen.pool.catalogue import PooledModels
from yumen.pool.checks import Checks
from yumen.pool.choice import least_loaded, sticky, usable
from yumen.pool.config import PoolConfig, Replicated
from yumen.pool.counts import Counts
from yumen.pool.lease import Lease
from yumen.pool.member import Member, Replica
from yumen.pool.outliers import Outliers
from yumen.pool.race import Races
from yumen.telemetry import error_name
from yumen.tensors.models import Models, Placement

# When to come back where nothing says how long it will take.
RETRY_AFTER_S_MIN = 1.0
Further = Callable[[], Lease | None]


class Pool(Engine[Replicated]):
    """Replicas of one adapter, whose `manifest` is the pool's own too. `rng` serves tests.

    Error: ValueError for no replicas, or two of one name.
    """

    manifest: ClassVar[EngineManifest] = EngineManifest(name="pool", version="1")

    def __init__(
        self,
        replicas: Sequence[Replica],
        config: PoolConfig,
        manifest: EngineManifest,
        *,
        rng: random.Random | None = None,
    ) -> None:
        if not replicas or len({one.name for one in replicas}) < len(replicas):
            raise ValueError("a pool needs replicas, each with a name of its own")
        super().__init__(
            Replicated(pool=config, replicas=tuple((n, weight, one.config) for n, weight, one in replicas))
        )
        # What the pool is, is said by its adapter, and so by each pool for itself and not by the class.
        vars(self)["manifest"] = manifest
        self._pool = config
        self._members = [Member(one, config) for one in replicas]
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._budget = Budget(config.retry_budget)
        self._outliers = Outliers(self._members, config)
        self._begun: list[Member] = []
        self._checks: Checks | None = None
        self._races: Races | None = None

    async def load(self, host: Host) -> None:
        """Load the replicas one after the other: what the first one builds, the others find. Error: `CannotStart`."""
        self._clock = host.monotonic
        self._log = host.log
        self._counts = Counts(host.metrics)
        self._races = Races(self._clock)
        try:
            for member in self._members:
                self._begun.append(member)
                await _load(member, host)
                self._counts.begin(member.name)
        except BaseException:
            for error in await self._close_engines():
                self._log.warning("replica_close_failed", error=error_name(error))
            raise
        self._checks = Checks(self._members, self._pool.check_ms / 1000, self._counts, self._clock)
        self._checks.start()

    async def generate(self, request: EngineRequest) -> Answer | Native | Events:
        """Have a replica answer. Error: `EngineError`, of the last replica that was asked."""
        key = (request.affinity or request.tenant) if self._pool.balance == "sticky" else ""
        ask = Ask(lambda engine: engine.generate(request), request.streamed, request.deadline, key)
        reply: Answer | Native | Events = await self._answer(ask)
        return reply

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Have a replica run a batch. Error: `EngineError`, of the last replica that was asked."""
        key = batch.get("tenant", "") if self._pool.balance == "sticky" else ""
        ask = Ask(lambda engine: engine.infer(batch), False, batch.get("deadline", math.inf), key)
        outputs: Mapping[str, Any] = await self._answer(ask)
        return outputs

    def models(self) -> Models | None:
        """Those of the first replica that can answer; loading and unloading reaches all of them."""
        return PooledModels(self._catalogues) if self._catalogues() else None

    def placements(self) -> Sequence[Placement]:
        """Those of all replicas, each with its `replica` in `detail`."""
        return tuple(
            msgspec.structs.replace(one, detail={**one.detail, "replica": member.name})
            for member in self._members
            for one in member.engine.placements()
        )

    def revision(self) -> str:
        """The revisions of all replicas, one where they are the same."""
        return ",".join(dict.fromkeys(member.engine.revision() for member in self._members))

    async def health(self) -> str:
        """Empty where any replica can be asked; else why each cannot."""
        if self._checks is not None and not self._pool.check_ms:
            await self._checks.once()
        now = self._clock()
        trouble = [(member.name, member.trouble(now)) for member in self._members]
        return "" if not all(why for _, why in trouble) else "; ".join(f"{name}: {why}" for name, why in trouble)

    async def close(self) -> None:
        """Close all replicas, also where one fails to; the first error is raised in the end."""
        try:
            if self._checks is not None:
                await self._checks.end()
            if self._races is not None:
                await self._races.end()
        finally:
            errors = await self._close_engines()
        for error in errors:
            raise error

    async def _answer(self, ask: Ask) -> Any:
        """Ask one replica after the other, as far as that is of use and allowed."""
        task = asyncio.current_task()
        cancels = task.cancelling() if task is not None else 0
        self._budget.asked(self._clock())
        tried: list[Member] = []
        lease = self._first(ask, tried)

        def further() -> Lease | None:
            # A cancellation that was lost on the way is one all the same.
            return self._further(ask, tried) if task is None or task.cancelling() <= cancels else None

        while True:
            try:
                result = await self._ask(ask, lease, tried, further)
            except EngineError as error:
                following = further() if error.again else None
                if following is None:
                    raise
            else:
                following = further() if elsewhere(result) else None
                if following is None:
                    return result
            finally:
                self._sweep()
            self._counts.retried(following.member.name)
            lease = following

    async def _ask(self, ask: Ask, lease: Lease, tried: list[Member], further: Further) -> Any:
        assert self._races is not None
        if not self._pool.hedge_ms or ask.streamed or len(tried) >= self._pool.attempts:
            return await attempt(ask, lease, self._clock, self._races.abandoned)

        def second() -> Lease | None:
            other = further()
            if other is not None:
                self._counts.hedged(other.member.name)
            return other

        return await self._races.run(ask, lease, self._pool.hedge_ms / 1000, second)

    def _first(self, ask: Ask, tried: list[Member]) -> Lease:
        """A replica for an exchange. Error: `EngineError` where there is none, which nobody is asked to find out."""
        now = self._clock()
        if now >= ask.deadline:
            raise EngineError("no time was left for a replica", timeout=True)
        able = usable(self._members, now)
        if not able:
            wait_s = min(member.wait_s(now) for member in self._members)
            raise EngineError("no replica can be asked now", again=True, retry_after_s=max(wait_s, RETRY_AFTER_S_MIN))
        return self._lease(ask, able, tried, now)

    def _further(self, ask: Ask, tried: list[Member]) -> Lease | None:
        """Another replica for an exchange, if there may be one more."""
        now = self._clock()
        if len(tried) >= self._pool.attempts or now >= ask.deadline:
            return None
        able = usable(self._members, now, tried)
        return self._lease(ask, able, tried, now) if able and self._budget.spend(now) else None

    def _lease(self, ask: Ask, able: list[Member], tried: list[Member], now: float) -> Lease:
        """Choose, and count it at once: the next exchange sees it."""
        rng, key, streamed = self._rng, ask.key, ask.streamed
        member = sticky(able, self._members, key, now) if key else least_loaded(able, now, streamed, rng)
        tried.append(member)
        return Lease(member, ask.streamed, self._counts, self._clock)

    def _sweep(self) -> None:
        for member in self._outliers.sweep(self._clock()):
            self._counts.ejected(member.name)

    def _catalogues(self) -> list[tuple[Member, Models]]:
        now = self._clock()
        found = [(member, member.engine.models()) for member in self._members]
        held = [(member, models) for member, models in found if models is not None]
        return sorted(held, key=lambda one: bool(one[0].trouble(now)))

    async def _close_engines(self) -> list[BaseException]:
        """Close every replica whose loading has begun, once. Returns what went wrong."""
        begun, self._begun = self._begun, []
        closed = await asyncio.gather(*(tamed(member.engine.close) for member in begun), return_exceptions=True)
        for member in begun:
            self._counts.in_flight(member.name, 0)
        return [error for error in closed if error is not None]


async def _load(member: Member, host: Host) -> None:
    try:
        await tamed(lambda: member.engine.load(host))
    except CannotStart as error:
        raise CannotStart(f"replica {member.name}: {error}") from None
    except Exception as error:  # an engine is somebody else's code
        raise CannotStart(f"replica {member.name} failed to load: {error_name(error)}: {error}") from error
