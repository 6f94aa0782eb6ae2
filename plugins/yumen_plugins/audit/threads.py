"""Threads for work that waits for a disk, so that what takes long here keeps nothing else waiting for a thread."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

# Whoever goes through many records in a thread beside exchanges lets them have the interpreter after so many.
YIELD_EVERY, YIELD_S = 16, 0.0001

Arguments = ParamSpec("Arguments")
Done = TypeVar("Done")


def give_way() -> None:
    """Let other threads run: a gateway has set the time after which they would interrupt this one to 50 ms."""
    time.sleep(YIELD_S)


class Threads:
    """So many threads, which begin when they are needed. `name` is what a debugger calls them."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, work: Callable[Arguments, Done], *arguments: Arguments.args, **named: Arguments.kwargs) -> Done:
        """What a function returns that runs in one of the threads; it goes on where nobody waits for it any more."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*arguments, **named))

    def close(self) -> None:
        """Begin nothing more, and let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class OneThread:
    """A thread that does one job after the other, for the loop that made it. It is handed over faster than by a pool."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def run(self, job: Callable[[], Any]) -> asyncio.Future[Any]:
        """Have a job done; what it returns or raises is the future's."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put((job, future))
        return future

    def end(self) -> None:
        """Let the thread end behind the last job."""
        self._jobs.put(None)

    def join(self, seconds: float) -> None:
        """Wait until it has ended, so many seconds at most."""
        self._thread.join(seconds)

    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def _work(self) -> None:
        while (given := self._jobs.get()) is not None:
            job, future = given
            result, error = None, None
            try:
                result = job()
            except Exception as caught:  # told to the loop, which knows what it means
                error = caught
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                self._loop.call_soon_threadsafe(_resolve, future, result, error)


def _resolve(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
