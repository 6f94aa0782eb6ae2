"""A thread with an event loop of its own: what waits for a target never shares a loop with traffic."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

STOP_S = 4.0


class Worker:
    """Runs one coroutine until it is told to stop.

    The thread is a daemon: a target that hangs never keeps a process alive.
    """

    def __init__(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._guard = threading.Lock()
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def cancel(self) -> None:
        """Let it end soon, without waiting for that. A second time changes nothing: it would cut its clearing up short."""
        with self._guard:
            if self._stopping:
                return
            self._stopping = True
            if self._loop is not None and self._task is not None:
                with suppress(RuntimeError):  # the loop has closed before
                    self._loop.call_soon_threadsafe(self._task.cancel)

    def stop(self, within_s: float = STOP_S) -> bool:
        """Let it end, and wait for that. Returns whether it did; otherwise it is left to end when its target lets it."""
        self.cancel()
        if self._thread.ident is not None:
            self._thread.join(within_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            with self._guard:
                if self._stopping:
                    return
                self._loop, self._task = loop, loop.create_task(self._work())
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(self._task)
