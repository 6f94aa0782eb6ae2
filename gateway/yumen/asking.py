"""Asks the engine of one exchange, by way of the plugin that stands before it, if one does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from yumen.deadline import Deadline
from yumen.engine import EngineError, Events, Native
from yumen.errors import Problem
from yumen.exchange import Answer, Trace

if TYPE_CHECKING:
    from yumen.chain import Run, Target
    from yumen.step import Step
    from yumen.view import View

# How long a plugin may go on, once the time for the engine is over, to give what it has.
GRACE_S = 1.0


class Asking:
    """See `yumen.plugin.Ask`."""

    def __init__(self, run: Run, target: Target) -> None:
        self._run = run
        self._target = target
        self._ends = time.monotonic() + run.chain.route.timeout_ms / 1000
        self._spent_s = 0.0
        self._problem: Problem | None = None
        self.asked = False

    @property
    def left_s(self) -> float:
        """Seconds until the engine's time is over; at least 0."""
        return max(0.0, self._ends - time.monotonic())

    async def __call__(self) -> Answer | Native | Events:
        """Ask. Errors: `Problem`; RuntimeError the second time."""
        if self.asked:
            raise RuntimeError("the engine has been asked already")
        self.asked = True
        started = time.perf_counter()
        try:
            return await self._run.ask(self._target, self.left_s)
        except Problem as problem:
            self._problem = problem
            raise
        finally:
            self._spent_s = time.perf_counter() - started

    async def by_way_of(self, step: Step, view: View) -> Answer | Native | Events:
        """Let a plugin ask, or answer in the engine's place. Error: `Problem`."""
        started = time.perf_counter()
        try:
            with Deadline(self.left_s + GRACE_S):
                given = await step.plugin.on_ask(view, self)
            if not isinstance(given, Answer | Native | AsyncIterator):
                raise TypeError("on_ask returns what an engine does")
            view.commit()
        except Problem:
            view.discard()
            raise
        except EngineError as error:
            view.discard()
            raise self._run.engine_problem(error) from None
        except (Exception, asyncio.CancelledError) as error:  # a plugin may raise anything; what it means is policy
            view.discard()
            if self._problem is not None:
                raise self._problem from None
            if isinstance(error, TimeoutError) and not self.left_s:
                raise Problem("engine_timeout") from None
            if isinstance(error, asyncio.CancelledError):
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                error = RuntimeError("cancelled itself")
            step.failed("on_ask", self._run.exchange, started, error, view.shadow)
            if self.asked:
                # What the engine gave is lost with the plugin, and it is not asked twice.
                raise Problem("plugin_fault") from None
            return await self()
        seconds = time.perf_counter() - started - self._spent_s
        view.seconds += seconds
        decision = "allow" if self.asked else "respond"
        self._run.exchange.trace.append(
            Trace(step.name, "on_ask", max(0.0, seconds) * 1000, decision, "", 0, view.shadow)
        )
        if view.shadow and not self.asked:
            return await self()
        return given
