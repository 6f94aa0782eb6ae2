"""The dynamic batcher: rows of many callers, run together.

1. A request for an idle model runs at once; nothing ever waits for company. While the model is busy requests gather, and
   what runs next is chosen when a slot is free, from all that have come by then. Only a batch that is full is given ahead
   of time to a model that takes it (`ahead`): what comes later could not run along, and the model is never idle between.
2. Requests run together if nothing but their rows differs: names, types and shapes of inputs, the outputs wanted, the
   parameters; with `tenant_isolation` the tenant too. Order is by priority, then in turns between tenants (waiting.py).
3. What cannot wait is refused at once (admission.py). A deadline is for waiting and running together: when it passes the
   caller gets an error, and rows that do not run yet are dropped, as are those of a caller who leaves. A run of which
   nobody is left is cancelled.
4. A batch that fails is run again in halves until those who fail alone are found; nobody else gets their error. A tenant
   who was one of them pays for these runs in turns, and runs with nobody else's rows for a while.

For one event loop; what it calls is expected to wait in a thread, or on a connection, and not to block.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import math
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import cast

from yumen.batching.admission import Refusal, admit
from yumen.batching.config import BatchConfig
from yumen.batching.faults import Suspects, failed, fault_of, says_nothing_of_rows
from yumen.batching.forecast import Forecast
from yumen.batching.rows import checked, cut, join, likeness, merge, off_loop, row_count, share_of, size_bytes
from yumen.batching.statistics import BatchStatistics, Tally
from yumen.batching.tenants import Tenant, Tenants
from yumen.batching.waiting import Part, Waiting
from yumen.engine import EngineError, RequestRefused
from yumen.foreign import tamed
from yumen.plugin import Metrics
from yumen.tensors.types import Rows, Signature, Tensors

PRIORITY_MAX = 9
# How far the clock of a tenant that others have priority over may fall behind, in full batches.
LAG_BATCHES = 4
# After so many runs everybody else has a turn of the loop, even where the model answers without ever waiting.
UNBROKEN_MAX = 8
# How long `close` waits for what runs, and then for it to let go.
CLOSE_S = 30.0
LET_GO_S = 1.0


class Batcher:
    """Runs rows of one loaded model; `run` is its `TensorModel.run`, called at most `config.runs_max` times at a time.

    With `ahead` it is called once more meanwhile, for what the model shall begin with as soon as one of these is over.
    `run` must not write to an array again that it has answered with: callers are given parts of it, uncopied. `metrics`
    get the model's name as the label `model`. `monotonic` is a clock in seconds.
    """

    def __init__(
        self, run: Callable[[Rows], Awaitable[Tensors]], signature: Signature, config: BatchConfig, *, metrics: Metrics,
        model: str, ahead: bool = False, monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._run = run
        self._config = config
        self._monotonic = monotonic
        self._workers_max = config.runs_max + ahead
        self._batched = signature.batch_max > 0
        self._outputs = tuple(spec.name for spec in signature.outputs)
        self._rows_max = min(config.rows_max, signature.batch_max) if self._batched else 1
        self._forecast = Forecast(self._rows_max, config.runs_max, padded=config.pad_to_bucket and self._batched)
        self._tenants = Tenants(config.tenants, LAG_BATCHES * self._rows_max)
        self._waiting = Waiting(self._tenants, config.age_ms / 1000)
        self._suspects = Suspects()
        self._tally = Tally(metrics, model, lambda: self._waiting.rows)
        self._workers: set[asyncio.Task[None]] = set()
        # Whether a worker is about to choose: what comes until then can run along, and needs no other one.
        self._choosing = False
        # Whether since the last choice a worker found that what comes next fills no batch.
        self._unfilled = False
        self._closed = False

    @property
    def statistics(self) -> BatchStatistics:
        """What it has done so far; changes with every run."""
        return self._tally.statistics

    @property
    def waiting_rows(self) -> int:
        """How many rows wait."""
        return self._waiting.rows

    @property
    def busy_s(self) -> float:
        """How long the oldest run has been under way, in seconds; 0 where nothing runs."""
        return self._forecast.oldest_s(self._monotonic())

    async def submit(self, rows: Rows, *, tenant: str = "", deadline: float, priority: int = 0) -> Tensors:
        """Run rows, alone or together with others', and return their outputs, in their order.

        `deadline` is a time of the batcher's clock; `priority` 0 goes first, 9 last. Outputs may be views of what the whole
        run gave. Errors: `RequestRefused` for rows that do not fit together, and what the model refuses; `EngineError`
        with `retry_after_s` where too much waits, with `timeout` when the deadline passes, else as the model fails.
        """
        if self._closed:
            raise EngineError("the model is on its way out", again=True)
        number = row_count(rows) if self._batched else 1
        now = self._monotonic()
        if not now < deadline:
            raise EngineError("the deadline has passed", timeout=True)
        parts = self._take_in(rows, number, tenant, deadline, priority, now)
        statistics = self._tally.statistics
        try:
            outputs = await self._outcome(parts, deadline - now)
        except EngineError as error:
            statistics.failures += 1
            statistics.failed_s += self._monotonic() - now
            if error.timeout:
                self._tally.late()
            raise
        except asyncio.CancelledError:
            statistics.left += 1
            raise
        statistics.requests += 1
        statistics.answered_s += self._monotonic() - now
        return outputs

    async def close(self) -> None:
        """Take nothing in any more, and return when all that waits and runs is answered, within `CLOSE_S` seconds."""
        self._closed = True
        try:
            async with asyncio.timeout(CLOSE_S):
                while self._workers:
                    await asyncio.wait(self._workers)
        except TimeoutError:
            pass
        finally:
            self._abandon()
            self._tally.flush()
        if self._workers:
            await asyncio.wait(self._workers, timeout=LET_GO_S)

    def _abandon(self) -> None:
        for worker in self._workers:
            worker.cancel()
        for part in self._waiting.all():
            self._waiting.drop(part)
            failed(part, EngineError("the model was closed", again=True))

    def _take_in(self, rows: Rows, number: int, name: str, deadline: float, priority: int, now: float) -> list[Part]:
        """Let a request wait, in as many parts as it needs runs."""
        waiting, most = self._waiting, self._rows_max
        tenant = self._tenants.of(name)
        priority = min(max(priority, tenant.priority, 0), PRIORITY_MAX)
        key: Hashable = None
        if most > 1:
            apart = self._config.tenant_isolation or self._suspects.holds(name, now)
            key = likeness(rows, name if apart else "")
        free = len(self._workers) - self._choosing < self._config.runs_max
        # An idle model is always tried, whatever it is thought to take: so what was learned wrongly is corrected.
        idle = free and not waiting.rows and number <= most
        size = 0
        if not idle:
            size = size_bytes(rows)
            self._admit(tenant, number, size, priority, deadline, now, new_kind=not waiting.holds(key))
        create = asyncio.get_running_loop().create_future
        parts = [
            Part(
                rows if number <= most else cut(rows, start, start + most), min(number - start, most), key, tenant,
                priority=priority, arrived=now, deadline=deadline,
                size=size * min(number - start, most) // number, result=create(),
            )
            for start in range(0, number, most)
        ]  # fmt: skip
        for part in parts:
            waiting.add(part)
        self._start_worker()
        return parts

    def _admit(
        self, tenant: Tenant, number: int, size: int, priority: int, deadline: float, now: float, *, new_kind: bool
    ) -> None:
        try:
            admit(
                self._config, self._waiting, self._forecast, tenant, rows=number, size=size, priority=priority,
                new_kind=new_kind, now=now, deadline=deadline,
            )  # fmt: skip
        except Refusal as refusal:
            self._tally.refused(refusal.reason)
            raise
        except RequestRefused:
            self._tally.refused("too_large")
            raise
        self._tally.waits()

    async def _outcome(self, parts: list[Part], left_s: float) -> Tensors:
        """What becomes of a request; however it ends, nothing of it waits any more."""
        timer = None
        if left_s != math.inf:
            timer = asyncio.get_running_loop().call_later(left_s, self._expire, parts)
        try:
            if len(parts) == 1:
                return await parts[0].result
            outputs = await asyncio.gather(*(part.result for part in parts))
        finally:
            if timer is not None:
                timer.cancel()
            for part in parts:
                self._waiting.drop(part)
                # Of the other parts nobody wants to know any more, those that run included.
                part.result.cancel()
        return await off_loop(sum(one.nbytes for part in outputs for one in part.values()), join, outputs)

    def _expire(self, parts: list[Part]) -> None:
        for part in parts:
            self._waiting.drop(part)
            failed(part, EngineError("the deadline has passed", timeout=True))

    def _start_worker(self) -> None:
        workers = len(self._workers)
        if self._choosing or workers >= self._workers_max:
            return
        if workers >= self._config.runs_max and (self._unfilled or self._waiting.rows < self._rows_max):
            return
        self._choosing = True
        # A context of its own: a run is nobody's in particular.
        worker = asyncio.get_running_loop().create_task(self._work(), context=contextvars.Context())
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        """One slot: run what waits until nothing does."""
        try:
            await self._work_off()
        finally:
            # At once, and not when the task is seen to have ended: what comes in between would wait for nobody.
            self._choosing = False
            self._workers.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            if not self._workers and not self._waiting.rows:
                self._tenants.rest()

    async def _work_off(self) -> None:
        for turn in itertools.count(1):
            parts = self._choose()
            self._choosing = False
            if not parts:
                return
            if self._waiting.rows:
                self._start_worker()
            try:
                await self._answer(parts)
            finally:
                for part in parts:
                    failed(part, EngineError("the model was closed"))
            if self._waiting.rows < self._rows_max or turn % UNBROKEN_MAX == 0:
                # Whoever has just been answered may have more, which can run along. A full batch goes before they do.
                self._choosing = True
                await asyncio.sleep(0)

    def _choose(self) -> list[Part]:
        """What runs next; it waits no more. Empty where nothing does."""
        now = self._monotonic()
        while (first := self._waiting.next(now)) is not None and not now < first.deadline:
            self._expire([first])
        if first is None:
            return []
        ahead = len(self._workers) > self._config.runs_max
        self._unfilled = ahead and self._waiting.like(first) < self._rows_max
        if self._unfilled:
            return []
        self._tenants.turn(first.tenant)
        chosen = [self._took(first)]
        number = first.number
        if number >= self._rows_max or not self._waiting.rows:
            return chosen
        begins = now + self._forecast.begins_s(now)
        latest = self._latest(first, number, begins, math.inf)
        for part in self._waiting.along(first.key, now):
            total = number + part.number
            if not now < part.deadline:
                self._expire([part])
            elif total <= self._rows_max and begins + self._forecast.run_s(total) <= latest:
                chosen.append(self._took(part))
                number = total
                if number == self._rows_max:
                    break
                latest = self._latest(part, number, begins, latest)
        return chosen

    def _latest(self, part: Part, number: int, begins: float, latest: float) -> float:
        """When a run must end for all to be in time who would be if it had so many rows; others do not hold it up."""
        return min(latest, part.deadline) if begins + self._forecast.run_s(number) <= part.deadline else latest

    def _took(self, part: Part) -> Part:
        self._waiting.drop(part)
        self._tenants.serve(part.tenant, part.number)
        return part

    async def _answer(self, parts: list[Part]) -> None:
        """Run a batch; if it fails, find out whose rows are to blame, once: nobody runs more than log2(parts) + 1 times
        again.
        """
        error = await self._attempt(parts, first=True)
        if error is None:
            return
        if len(parts) == 1 or says_nothing_of_rows(error):
            for part in parts:
                failed(part, error)
            return
        half = len(parts) // 2
        groups, culprits = [parts[half:], parts[:half]], list[Part]()
        rerun = fine = 0
        while groups:
            group = self._still_wanted(groups.pop())
            if not group:
                continue
            rerun += sum(part.number for part in group)
            error = await self._attempt(group)
            if error is None:
                fine += len(group)
            elif len(group) == 1 or says_nothing_of_rows(error):
                culprits += group
                for part in group:
                    failed(part, error)
            else:
                half = len(group) // 2
                groups += [group[half:], group[:half]]
        if fine and culprits:
            self._blame({part.tenant.name for part in culprits}, rerun)

    def _still_wanted(self, parts: list[Part]) -> list[Part]:
        now = self._monotonic()
        self._expire([part for part in parts if not now < part.deadline])
        return [part for part in parts if not part.result.done()]

    def _blame(self, tenants: set[str], rows: int) -> None:
        now = self._monotonic()
        for tenant in tenants:
            self._tenants.charge(tenant, rows // len(tenants))
            self._suspects.add(tenant, now)

    async def _attempt(self, parts: Sequence[Part], *, first: bool = False) -> EngineError | None:
        """Run rows once and hand the outputs out, or return why that failed."""
        number = sum(part.number for part in parts)
        size = self._forecast.size(number)
        run = self._forecast.started(number, self._monotonic())
        outputs: Tensors = {}
        error: EngineError | None = EngineError("the model was closed")
        try:
            outputs = await self._outputs_of(parts, number, size)
            error = None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            error = EngineError("the model's run was cancelled")
        except Exception as raised:
            error = fault_of(raised)
        finally:
            now = self._monotonic()
            taken_s = self._forecast.ended(run, number, now, learn=error is None or error.timeout)
            queued_s = sum(now - taken_s - part.arrived for part in parts) if first else 0.0
            self._tally.ran(size, number, taken_s, queued_s, well=error is None)
        if error is None:
            self._hand_out(parts, outputs, whole=len(parts) == 1 and size == number)
        return error

    async def _outputs_of(self, parts: Sequence[Part], number: int, size: int) -> Tensors:
        rows, padding = [part.rows for part in parts], size - number
        if len(rows) == 1 and not padding:
            given = rows[0]
        else:
            copied = sum(array.nbytes for one in rows for array in one.inputs.values())
            given = await off_loop(copied, merge, rows, padding)
        outputs = await self._wanted(given, parts)
        return checked(outputs, given.outputs or self._outputs, size if self._batched else None)

    async def _wanted(self, given: Rows, parts: Sequence[Part]) -> Tensors:
        """Run the model, and give the run up when nobody waits for it any more: it must not keep others waiting."""
        running = asyncio.ensure_future(tamed(lambda: self._run(given)))
        left = len(parts)

        def gone(_: object) -> None:
            nonlocal left
            left -= 1
            if not left:
                running.cancel()

        for part in parts:
            part.result.add_done_callback(gone)
        return await running

    def _hand_out(self, parts: Sequence[Part], outputs: Tensors, *, whole: bool) -> None:
        start = 0
        for part in parts:
            stop = start + part.number
            if not part.result.done():
                part.result.set_result(outputs if whole else share_of(outputs, start, stop))
            start = stop
