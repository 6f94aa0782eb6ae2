"""Runs recorded exchanges again, under another bundle, and says which decisions would have been others.

What is on record is the masked form and not what the caller wrote, and an engine is not asked again. So a replay tells what
policy makes of what is known, and counts what cannot be known. See docs/policy-replay.md.
"""

from __future__ import annotations

import gc
import heapq
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from yumen.foreign import end_if_cancelled
from yumen.ledger import LedgerReader, Progress
from yumen.policy.bundle import Bundle
from yumen.policy.replay.recorded import ALLOWED, Recorded, moment_of, packed, unpacked
from yumen.policy.replay.report import Counting, Report
from yumen.policy.replay.rerun import Rerun
from yumen.policy.replay.stage import Stage
from yumen.policy.replay.verdict import Choice, choose, judge, refuse
from yumen.settings import Secret

# Records are written when exchanges end, and are run in the order in which they began: so many wait for earlier ones.
WAITING_MAX = 16_384
# Reading many and then running many is faster than one by one: the processor keeps at hand what each of the two needs.
RUN_AT_ONCE = 1_024
# Objects after which the interpreter looks for garbage; by its own default after 700, which costs a tenth of the time.
COLLECT_AFTER = 20_000
# Exchanges under way at a time; beyond it the one that ends next is taken to have ended.
UNDER_WAY_MAX = 16_384
# What came before the first exchange that counts is run as well, for counters of the last minutes.
WARM_UP_S = 600.0


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Which exchanges: `since` and `until` in seconds since the epoch, `sample` a share of them, `limit` a number."""

    since: float | None = None
    until: float | None = None
    tenant: str | None = None
    sample: float = 1.0
    limit: int | None = None
    all_ids: bool = False


async def replay(
    reader: LedgerReader, bundle: Bundle, secret: Secret, options: Options, progress: Progress, ledger: str = ""
) -> Report:
    """Run a ledger's exchanges under a bundle.

    The ledger is read to its end whatever the options are, so that `reader.wrong` says afterwards whether all of it holds.
    Error: `CannotStart` where a plugin does not start or the ledger cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="yumen-replay-") as folder:
        stage = Stage(bundle, secret, Path(folder))
        report = Report(
            ledger=ledger,
            policy=bundle.name,
            policy_hash=bundle.hash,
            not_run=sorted(stage.not_run),
            sample=options.sample,
        )
        await stage.start()
        try:
            with _seldom_collected():
                return await _Replay(stage, options, Counting(report, all_ids=options.all_ids)).run(reader, progress)
        finally:
            await stage.stop()


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Let the interpreter look for garbage less often: nearly all that a replay makes is gone with its exchange."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], COLLECT_AFTER), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Replay:
    """Brings records into the order in which their exchanges began and ended, process by process."""

    def __init__(self, stage: Stage, options: Options, counting: Counting) -> None:
        self._stage = stage
        self._options = options
        self._counting = counting
        self._writer: Any = None
        self._renew = self._used = False
        self._number = 0
        self._waiting: list[tuple[float, int, bytes | None]] = []
        self._under_way: list[tuple[float, int, Rerun, Choice]] = []
        self._latest = 0.0
        self._begun = 0

    async def run(self, reader: LedgerReader, progress: Progress) -> Report:
        for record in reader.records(progress):
            kind = record.get("kind")
            if kind == "exchange":
                await self._take(record)
            elif kind == "start" or (kind == "header" and record.get("writer") != self._writer):
                await self._next_process(record)
        await self._flush()
        return self._counting.close()

    async def _next_process(self, record: dict[str, Any]) -> None:
        """Counters live in a process: those of the one before are gone, and nothing of it is under way."""
        await self._flush()
        if record.get("kind") == "header":
            self._writer = record.get("writer")
        self._renew = True

    async def _take(self, record: dict[str, Any]) -> None:
        at = moment_of(record)
        if at is None:
            self._counting.report.unreadable += 1
        elif self._timely(at) and self._options.tenant in (None, record.get("tenant")):
            self._number += 1
            heapq.heappush(self._waiting, (at, self._number, packed(record)))
            if len(self._waiting) >= WAITING_MAX + RUN_AT_ONCE:
                for _ in range(RUN_AT_ONCE):
                    await self._next()

    def _timely(self, at: float) -> bool:
        since, until = self._options.since, self._options.until
        return (since is None or at >= since - WARM_UP_S) and (until is None or at < until)

    async def _flush(self) -> None:
        while self._waiting:
            await self._next()
        await self._end(float("inf"))

    async def _next(self) -> None:
        """Run the exchange that began first of those that wait."""
        end_if_cancelled()
        at, _, record = heapq.heappop(self._waiting)
        recorded = unpacked(record, at)
        options = self._options
        if recorded is None:
            self._counting.report.unreadable += 1
        elif self._sampled(recorded) and (options.limit is None or self._begun < options.limit):
            await self._begin(recorded)

    def _sampled(self, recorded: Recorded) -> bool:
        """Whether an exchange is in the sample: a fact of its id, as it is in shadow."""
        share = self._options.sample
        return share >= 1 or int(recorded.form.id[-8:], 16) < share * (1 << 32)

    def _counts(self, recorded: Recorded) -> bool:
        """Whether an exchange is told about, and not only run for what comes behind it."""
        return self._options.since is None or recorded.at >= self._options.since

    async def _begin(self, recorded: Recorded) -> None:
        counted = self._counts(recorded)
        self._begun += counted
        if self._renew or not self._used:
            if self._used:
                await self._stage.renew()
            self._renew, self._used = False, True
            self._counting.report.processes += 1
            self._latest = 0.0
        await self._end(recorded.at)
        self._counting.report.late += recorded.at < self._latest
        self._latest = max(self._latest, recorded.at)
        self._stage.clock.set(recorded.at)
        choice = choose(self._stage.bundle, recorded)
        if choice.refused is not None or choice.route is None:
            if counted:
                self._counting.add(recorded, refuse(recorded, choice))
            return
        rerun = Rerun(self._stage, recorded, choice.route)
        await rerun.begin()
        if rerun.over or recorded.decision != ALLOWED:
            await self._finish(rerun, choice)
            return
        self._number += 1
        heapq.heappush(self._under_way, (recorded.ended, self._number, rerun, choice))
        if len(self._under_way) > UNDER_WAY_MAX:
            await self._finish(*heapq.heappop(self._under_way)[2:])

    async def _end(self, moment: float) -> None:
        """End what had ended by a moment."""
        while self._under_way and self._under_way[0][0] <= moment:
            ended, _, rerun, choice = heapq.heappop(self._under_way)
            self._stage.clock.set(ended)
            await self._finish(rerun, choice)

    async def _finish(self, rerun: Rerun, choice: Choice) -> None:
        await rerun.finish()
        recorded = rerun.recorded
        if self._counts(recorded):
            self._counting.add(recorded, judge(recorded, rerun, choice))
