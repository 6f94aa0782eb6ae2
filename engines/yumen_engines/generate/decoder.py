"""Shares the process of a model among answers: who writes, who waits, and who is sent away.

Everything here runs on the event loop. Answers that wait are taken from the tenant that has the fewest under way, and of the
same tenant in the order they came in.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from yumen import EngineError
from yumen_engines.generate.protocol import Drop, Dropped, Finish, Order, Render, Rendered, Report, Round, Said, Start
from yumen_engines.generate.reading import Reading
from yumen_engines.generate.silence import Silence

# Of the last answers' times, how much the newest one counts; and what callers are told at least and at most to wait.
NEWEST, RETRY_MIN_S, RETRY_MAX_S = 0.2, 1.0, 120.0
# Failures in a row after which something is wrong with the model, and not with a request.
FAILURES_MAX = 3
CLOSED = "the generate engine has ended"


class Orders(Protocol):
    """Who takes orders for the process: `Keeper`."""

    why: str

    def listen(self, take: Callable[[Report], None], lost: Callable[[], None]) -> None: ...
    def send(self, order: Order) -> None: ...
    def give_up(self) -> None: ...


class Piece(NamedTuple):
    """The next text of an answer, and why it ended, once it has. `tokens` counts those written so far.

    `lost`: it failed because the process is gone, and not because of the request.
    """

    choice: int
    text: str
    finish: Finish
    tokens: int
    why: str = ""
    lost: bool = False


class Job:
    """One answer. `said` gets its pieces."""

    def __init__(
        self,
        choice: int,
        prompt: Sequence[int],
        search: Mapping[str, int | float | bool],
        tokens_max: int,
        reading: Reading,
        said: asyncio.Queue[Piece],
        tenant: str,
    ) -> None:
        self.choice = choice
        self.prompt = prompt
        self.search = search
        self.tokens_max = tokens_max
        self.reading = reading
        self.said = said
        self.tenant = tenant
        self.id = 0
        self.tokens = 0
        self.started = 0.0


class Decoder:
    """See the module's docstring."""

    def __init__(
        self,
        keeper: Orders,
        *,
        concurrent_max: int,
        queue_max: int,
        tenant_max: int,
        silence_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keeper = keeper
        self._concurrent_max = concurrent_max
        self._queue_max = queue_max
        self._tenant_max = tenant_max
        self._monotonic = monotonic
        self._running: dict[int, Job] = {}
        self._waiting: list[Job] = []
        # Of what nobody waits for any more, what the process has not confirmed yet: orders to it must not pile up.
        self._dropped: set[int] = set()
        self._renders: dict[int, asyncio.Future[str | None]] = {}
        self._ids = itertools.count(1)
        self._failures = 0
        self._seconds = 0.0
        self._closed = False
        self._silence = Silence(silence_s, self._owed, keeper.give_up)
        keeper.listen(self._take, self._lose)

    @property
    def under_way(self) -> int:
        """Answers that are written or wait."""
        return len(self._running) + len(self._waiting)

    def check_room(self, tenant: str, answers: int, prepared: int = 0, prepared_tenant: int = 0) -> None:
        """Error: `EngineError` where the process is gone, or there is no room for so many more answers of a tenant.

        `prepared` is how many are about to be submitted, of which `prepared_tenant` are of the same tenant.
        """
        self._check()
        own = sum(job.tenant == tenant for job in (*self._running.values(), *self._waiting))
        if (
            self.under_way + prepared + answers > self._concurrent_max + self._queue_max
            or own + prepared_tenant + answers > self._tenant_max
        ):
            raise self.busy()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Write these answers, of one tenant, all or none. Error: `EngineError`, as by `check_room`."""
        self.check_room(jobs[0].tenant, len(jobs))
        self._waiting += jobs
        self._fill()

    def drop(self, job: Job) -> None:
        """Nobody waits for this answer any more; its place is free at once."""
        if job in self._waiting:
            self._waiting.remove(job)
        elif self._running.pop(job.id, None) is not None:
            self._drop(job)
            self._fill()

    async def render(self, messages: str) -> str | None:
        """What the model's chat template writes, or None where it does not take the messages. Error: `EngineError`."""
        self._check()
        # Those whose callers have left count until they are written: the process may be busy for a while.
        if len(self._renders) >= self._concurrent_max + self._queue_max:
            raise self.busy()
        number = next(self._ids)
        self._order(Render(number, messages))
        future = self._renders[number] = asyncio.get_running_loop().create_future()
        written: str | None = await future
        return written

    def busy(self) -> EngineError:
        """That there is too much to do, and when a place may be free."""
        waits = self._seconds * max(1, self.under_way) / self._concurrent_max
        return EngineError("as many answers wait as may", retry_after_s=min(max(waits, RETRY_MIN_S), RETRY_MAX_S))

    def health(self) -> str:
        """Why nothing can be written, or empty."""
        if self._closed or self._keeper.why:
            return self._keeper.why or CLOSED
        return "the last answers have all failed in the model" if self._failures >= FAILURES_MAX else ""

    def close(self) -> None:
        """Write nothing more; whoever waits is told."""
        self._closed = True
        self._silence.close()
        self._lose()

    def _check(self) -> None:
        if self._closed or self._keeper.why:
            raise EngineError(self._keeper.why or CLOSED, again=True)

    def _owed(self) -> bool:
        return bool(self._running or self._dropped or self._renders)

    def _order(self, order: Order) -> None:
        self._silence.asked()
        self._keeper.send(order)

    def _drop(self, job: Job) -> None:
        self._order(Drop(job.id))
        self._dropped.add(job.id)

    def _fill(self) -> None:
        """Begin what waits, as far as there is room."""
        while self._waiting and max(len(self._running), len(self._dropped)) < self._concurrent_max:
            writing = Counter(job.tenant for job in self._running.values())
            job = min(self._waiting, key=lambda one: writing[one.tenant])
            self._waiting.remove(job)
            job.id = next(self._ids)
            job.started = self._monotonic()
            prompt = np.asarray(job.prompt, "<i4").tobytes()
            self._order(Start(job.id, prompt, dict(job.search), job.tokens_max))
            self._running[job.id] = job

    def _take(self, report: Report) -> None:
        self._silence.heard()
        if isinstance(report, Round):
            for said in report.said:
                self._hear(said)
        elif isinstance(report, Dropped):
            self._dropped.discard(report.id)
        elif isinstance(report, Rendered):
            future = self._renders.pop(report.id, None)
            if future is not None and not future.done():
                future.set_result(report.text)
        self._fill()

    def _hear(self, said: Said) -> None:
        job = self._running.get(said.id)
        if job is None:
            return  # dropped, and the process has not heard of it yet
        if said.finish == "failed":
            self._failures += 1
            self._finish(job, "", "failed", f"the model failed with {said.why}")
            return
        job.tokens += 1
        # The token that ends an answer is no text of it.
        text = "" if said.finish == "stop" else job.reading.feed(said.token)
        if job.reading.stopped:
            if not said.finish:
                self._drop(job)
            self._finish(job, text, "stop")
        elif said.finish:
            text += job.reading.finish()
            self._finish(job, text, "stop" if job.reading.stopped else said.finish)
        elif text:
            job.said.put_nowait(Piece(job.choice, text, "", job.tokens))

    def _finish(self, job: Job, text: str, finish: Finish, why: str = "") -> None:
        del self._running[job.id]
        if finish != "failed":
            self._failures = 0
            seconds = self._monotonic() - job.started
            self._seconds += (seconds - self._seconds) * (NEWEST if self._seconds else 1)
        job.said.put_nowait(Piece(job.choice, text, finish, job.tokens, why))

    def _lose(self) -> None:
        """The process is gone: whoever waits is told."""
        why = self._keeper.why or CLOSED
        jobs = [*self._running.values(), *self._waiting]
        self._running.clear()
        self._waiting.clear()
        self._dropped.clear()
        self._failures = 0
        for job in jobs:
            job.said.put_nowait(Piece(job.choice, "", "failed", job.tokens, why, lost=True))
        for future in self._renders.values():
            if not future.done():
                future.set_exception(EngineError(why, again=True))
        self._renders.clear()
