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
from typing import NamedTuple

import numpy as np

from yumen import EngineError
from yumen_engines.generate.process import Process
from yumen_engines.generate.protocol import Drop, Finish, Render, Rendered, Report, Round, Said, Start
from yumen_engines.generate.reading import Reading

# Of the last answers' times, how much the newest one counts; and what callers are told at least and at most to wait.
NEWEST, RETRY_MIN_S, RETRY_MAX_S = 0.2, 1.0, 120.0
# Failures in a row after which something is wrong with the model, and not with a request.
FAILURES_MAX = 3
ENDED = "the process of the generate engine has ended"


class Piece(NamedTuple):
    """The next text of an answer, and why it ended, once it has. `tokens` counts those written so far."""

    choice: int
    text: str
    finish: Finish
    tokens: int
    why: str = ""


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
        self, process: Process, *, concurrent_max: int, queue_max: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._process = process
        self._concurrent_max = concurrent_max
        self._queue_max = queue_max
        self._monotonic = monotonic
        self._running: dict[int, Job] = {}
        self._waiting: list[Job] = []
        self._renders: dict[int, asyncio.Future[str | None]] = {}
        self._ids = itertools.count(1)
        self._failures = 0
        self._seconds = 0.0
        self.closed = False
        process.listen(asyncio.get_running_loop(), self._take, self._end)

    @property
    def under_way(self) -> int:
        """Answers that are written or wait."""
        return len(self._running) + len(self._waiting)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Write these answers, all or none. Error: `EngineError` where too many wait, or the process is gone."""
        self._check()
        if len(jobs) > self._concurrent_max + self._queue_max - self.under_way:
            raise self.busy()
        self._waiting += jobs
        self._fill()

    def drop(self, job: Job) -> None:
        """Nobody waits for this answer any more; its place is free at once."""
        if job in self._waiting:
            self._waiting.remove(job)
        elif self._running.pop(job.id, None) is not None:
            self._process.send(Drop(job.id))
            self._fill()

    async def render(self, messages: str) -> str | None:
        """What the model's chat template writes, or None where it does not take the messages. Error: `EngineError`."""
        self._check()
        number = next(self._ids)
        future = self._renders[number] = asyncio.get_running_loop().create_future()
        try:
            self._process.send(Render(number, messages))
            written: str | None = await future
            return written
        finally:
            self._renders.pop(number, None)

    def busy(self) -> EngineError:
        """That there is too much to do, and when a place may be free."""
        waits = self._seconds * max(1, self.under_way) / self._concurrent_max
        return EngineError("as many answers wait as may", retry_after_s=min(max(waits, RETRY_MIN_S), RETRY_MAX_S))

    def health(self) -> str:
        """Why nothing can be written, or empty."""
        if self.closed:
            return ENDED
        return "the last answers have all failed in the model" if self._failures >= FAILURES_MAX else ""

    async def close(self) -> None:
        """End the process and every answer."""
        await asyncio.to_thread(self._process.close)
        self._end()

    def _check(self) -> None:
        if self.closed:
            raise EngineError(ENDED)

    def _fill(self) -> None:
        """Begin what waits, as far as there is room."""
        while self._waiting and len(self._running) < self._concurrent_max:
            writing = Counter(job.tenant for job in self._running.values())
            job = min(self._waiting, key=lambda one: writing[one.tenant])
            self._waiting.remove(job)
            job.id = next(self._ids)
            job.started = self._monotonic()
            self._running[job.id] = job
            prompt = np.asarray(job.prompt, "<i4").tobytes()
            self._process.send(Start(job.id, prompt, dict(job.search), job.tokens_max))

    def _take(self, report: Report) -> None:
        if isinstance(report, Round):
            for said in report.said:
                self._hear(said)
            self._fill()
        elif isinstance(report, Rendered):
            future = self._renders.pop(report.id, None)
            if future is not None and not future.done():
                future.set_result(report.text)

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
                self._process.send(Drop(job.id))
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

    def _end(self) -> None:
        """The process is gone: whoever waits is told."""
        self.closed = True
        jobs = [*self._running.values(), *self._waiting]
        self._running.clear()
        self._waiting.clear()
        for job in jobs:
            job.said.put_nowait(Piece(job.choice, "", "failed", job.tokens, ENDED))
        for future in self._renders.values():
            if not future.done():
                future.set_exception(EngineError(ENDED))
        self._renders.clear()
