"""Notices that the event loop stands still, and says whose code stops it.

While one hook computes, sleeps or waits for a socket, every other exchange of the worker waits too, and no timeout can fire.
A thread looks every 0.1 s whether the loop has beaten since; where it has not, `loop_blocked` is logged, with the instance,
the hook, and the plugin's file and line, and `yumen_loop_blocked` counts it.

What also holds the interpreter, such as a pattern of `re`, keeps that thread from looking until it is over. For it there is
`faulthandler`, which prints where all threads are: files, lines and names of functions, and no values.
"""

from __future__ import annotations

import asyncio
import faulthandler
import threading
import time

from yumen.telemetry import error_name, log, metrics
from yumen.tracing.stack import Found, find

BEAT_S = 0.1
# How long the loop may stand still while exchanges are served, and while plugins start and nobody waits yet.
BLOCKED_S = 0.25
STARTING_S = 2.0
# After how long all stacks are printed by the system's own thread, which needs no interpreter; and how often it is told that
# there is no need, in beats.
STANDING_S = 5.0
TELL_BEATS = 10
# How often one hook of one plugin is logged, and how many are known apart; beyond that they begin anew.
LOG_EVERY_S = 60.0
KNOWN_MAX = 256
# Of the time that this thread was held up itself, how much must have been worked for it to be somebody's doing: a machine
# may be busy with others.
WORKED_SHARE = 0.1
NEVER = float("-inf")


class LoopWatch:
    """One per worker. `start` and `stop` run in the loop that is watched; `serving` once exchanges are.

    With `standing_s` the stacks of all threads are printed to standard error when the loop has stood still for so many
    seconds. There is one such timer in a process, which is a worker's only where the process is.
    """

    def __init__(
        self, blocked_s: float = BLOCKED_S, starting_s: float = STARTING_S, standing_s: float | None = None
    ) -> None:
        self._standing_s = standing_s
        self._blocked_s = blocked_s
        self._patience_s = starting_s
        self._beats = 0
        self._beat_at = 0.0
        # What was reported last: the beat after which nothing moved, and whose code ran.
        self._reported: tuple[int, str, str] | None = None
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._timer: asyncio.TimerHandle | None = None
        # By plugin and hook: when it was logged last, and how often it was not since.
        self._logged: dict[tuple[str, str], tuple[float, int]] = {}

    def start(self) -> None:
        """Begin to watch the loop that runs here."""
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._ending.clear()
        self._beat()
        self._thread = threading.Thread(target=self._watch, name="yumen loop watch", daemon=True)
        self._thread.start()

    def serving(self) -> None:
        """From now on others wait when the loop does."""
        self._patience_s = self._blocked_s

    def stop(self) -> None:
        """End the watch and its thread; it may be called again, or without a start."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._thread is not None:
            self._ending.set()
            self._thread.join()
            self._thread = None
            if self._standing_s is not None:
                faulthandler.cancel_dump_traceback_later()

    def _beat(self) -> None:
        if self._standing_s is not None and self._beats % TELL_BEATS == 0:
            faulthandler.dump_traceback_later(self._standing_s)
        self._beats += 1
        self._beat_at = time.monotonic()
        self._timer = self._loop.call_later(BEAT_S, self._beat)

    def _watch(self) -> None:
        looked_at, spent = time.monotonic(), time.process_time()
        while not self._ending.wait(BEAT_S):
            now, spent_now = time.monotonic(), time.process_time()
            overslept = now - looked_at - BEAT_S
            worked = spent_now - spent
            looked_at, spent = now, spent_now
            beats, late_s = self._beats, now - self._beat_at - BEAT_S
            if late_s < self._patience_s:
                continue
            if overslept >= self._patience_s / 2 and worked < overslept * WORKED_SHARE:
                # This thread was held up as well, and nobody worked meanwhile: the whole machine or process stood still.
                self._beat_at = now
                continue
            try:
                found = find(self._watched)
            except Exception as error:  # a stack changes while it is read; a watch that ends would be missed
                log.error("loop_watch_failed", error=error_name(error))
                continue
            if found is not None and self._reported != (beats, found.plugin, found.hook):
                self._reported = (beats, found.plugin, found.hook)
                self._report(found, late_s, now)

    def _report(self, found: Found, late_s: float, now: float) -> None:
        metrics.loop_blocked(found.plugin)
        known = (found.plugin, found.hook)
        if known not in self._logged and len(self._logged) >= KNOWN_MAX:
            self._logged.clear()
        last, unlogged = self._logged.get(known, (NEVER, 0))
        if now - last < LOG_EVERY_S:
            self._logged[known] = (last, unlogged + 1)
            return
        self._logged[known] = (now, 0)
        log.warning("loop_blocked", plugin=found.plugin, hook=found.hook, ms=round(late_s * 1000), at=found.at,
                    distribution=found.distribution, unlogged=unlogged)  # fmt: skip
