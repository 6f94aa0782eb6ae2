"""Keeps a process of the model there: where it has ended, or hangs, another one is started, after a pause that grows.

A model that ends every process is started ever more seldom: at most once in `PAUSE_MAX_S` in the long run. It is never
given up, since what ended it may be past: a system that was short of memory, or the request of somebody who has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from yumen import CannotStart, Host
from yumen_engines.generate.config import GenerateConfig
from yumen_engines.generate.files import Marks, marks
from yumen_engines.generate.process import Process
from yumen_engines.generate.protocol import Order, Ready, Report

# The first pause, which doubles up to the longest one; and how long a process must have lived for the pauses to begin anew.
PAUSE_MIN_S, PAUSE_MAX_S, STEADY_S = 0.5, 60.0, 300.0
ENDED = "the process of the generate engine has ended"
# `/readyz` shows this to anybody, and a reason may hold paths.
NOT_STARTED = f"{ENDED}, and none can be started; the log says why"
HANGS = "the process of the generate engine hangs and is ended"
CHANGED = "the model's files have changed since they were read; start the gateway again"


class Keeper:
    """See the module's docstring. `files` are the marks of the model's files before any was read.

    `why` says why there is no process, and is empty while there is one.
    """

    def __init__(self, config: GenerateConfig, host: Host, files: Marks) -> None:
        self._config = config
        self._host = host
        self._folder = Path(config.model)
        self._marks = files
        self._ready: Ready | None = None
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._take: Callable[[Report], None] = lambda report: None
        self._lost: Callable[[], None] = lambda: None
        self.why = ENDED

    async def open(self) -> Ready:
        """Start the first process. Error: `CannotStart`; nothing is left of it then."""
        self._process, self._ready = await self._start()
        self.why = ""
        self._task = asyncio.create_task(self._keep(self._process))
        return self._ready

    def listen(self, take: Callable[[Report], None], lost: Callable[[], None]) -> None:
        """Say who gets the reports, and who is told, once for each process, that nothing more will come of its orders."""
        self._take, self._lost = take, lost

    def send(self, order: Order) -> None:
        """Give an order to the process; without one it is lost, as all orders have been."""
        if self._process is not None and not self.why:
            self._process.send(order)

    def give_up(self) -> None:
        """The process hangs: have it ended, and another one started once it is gone."""
        if self._process is not None:
            self._process.kill()
            self._down(HANGS)

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    async def close(self) -> None:
        """End whatever runs or is being started, and start nothing more."""
        self.why = self.why or ENDED
        task, self._task = self._task, None
        process, self._process = self._process, None
        if process is not None:
            process.kill()  # before anything is waited for: this may be cancelled too
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        if process is not None:
            await process.close()

    async def _keep(self, process: Process) -> None:
        pause_s = PAUSE_MIN_S
        while True:
            began = self._host.monotonic()
            await process.gone.wait()
            self._down(ENDED)
            if self._host.monotonic() - began >= STEADY_S:
                pause_s = PAUSE_MIN_S
            self._host.log.error("generate_process_ended", how=process.end, why=self.why, again_in_s=pause_s)
            while self.why:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_MAX_S)
                try:
                    process, _ = await self._start()
                except (CannotStart, OSError) as error:
                    self.why = NOT_STARTED
                    self._host.log.error("generate_process_not_started", why=str(error), again_in_s=pause_s)
                else:
                    self._process, self.why = process, ""
                    self._host.log.info("generate_process_started")

    def _down(self, why: str) -> None:
        if not self.why:
            self.why = why
            self._lost()

    async def _start(self) -> tuple[Process, Ready]:
        """A process that has loaded the very model that the gateway makes prompts for. Error: `CannotStart`."""
        await self.check()
        process = Process(self._config, lambda report: self._take(report))
        ready = await process.open()
        try:
            await self.check()  # they may have changed while they were read
            if ready != (self._ready or ready):
                raise CannotStart(CHANGED)
        except BaseException:
            await process.close()
            raise
        return process, ready

    async def check(self) -> None:
        """Error: `CannotStart` where the model's files are no longer those that were read."""
        if await asyncio.to_thread(marks, self._folder) != self._marks:
            raise CannotStart(CHANGED)
