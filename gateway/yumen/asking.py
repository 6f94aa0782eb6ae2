"""Asks the engine of one exchange, by way of the plugin that stands before it, if one does."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from yumen.deadline import Deadline
from yumen.engine import EngineError, Events, Native, RequestRefused
from yumen.errors import Problem
from yumen.exchange import Answer, Trace
from yumen.foreign import called, contained, pass_on
from yumen.telemetry import error_name, log, metrics, place

if TYPE_CHECKING:
    from yumen.chain import Run
    from yumen.step import Step
    from yumen.target import Target
    from yumen.view import View

# How long a plugin may go on, once the time for the engine is over, to give what it has; and how long closing may take.
GRACE_S = 1.0
BUSY = "The engine behind this gateway has too much to do; try again later."
Given = Answer | Native | Events


class Asking:
    """See `yumen.plugin.Ask`."""

    def __init__(self, run: Run, target: Target) -> None:
        self._run = run
        self._target = target
        self._ends = time.monotonic() + run.chain.route.timeout_ms / 1000
        self._spent_s = 0.0
        self._given: Given | None = None
        self._problem: Problem | None = None
        self.asked = False

    @property
    def left_s(self) -> float:
        """Seconds until the engine's time is over; at least 0."""
        return max(0.0, self._ends - time.monotonic())

    async def __call__(self) -> Given:
        """Ask. Errors: `Problem`; RuntimeError the second time."""
        if self.asked:
            raise RuntimeError("the engine has been asked already")
        self.asked = True
        started = time.perf_counter()
        try:
            self._given = await self._either()
        except Problem as problem:
            self._problem = problem
            raise
        finally:
            self._spent_s = time.perf_counter() - started
        return self._given

    async def _either(self) -> Given:
        """What the engine gives, or the route's other one where it fails.

        Error: `Problem` engine_unavailable or engine_timeout; others where the request is not what the engine takes, or a
        plugin ends the exchange.
        """
        run, target = self._run, self._target
        try:
            return await run.ask(target, self.left_s)
        except EngineError as error:
            problem = run.engine_problem(error)
            if isinstance(error, RequestRefused) or not self.left_s:
                raise problem from None
        try:
            return await run.ask(_instead(run, target, problem), self.left_s)
        except EngineError as error:
            raise problem if isinstance(error, RequestRefused) else run.engine_problem(error) from None
        finally:
            if target.egress == "remote":
                run.exchange.egress = "remote"  # text has left this machine, whoever answers

    async def by_way_of(self, step: Step, view: View) -> Given:
        """Let a plugin ask, or answer in the engine's place. Error: `Problem`."""
        run = self._run
        # The key of what is kept and the record of what is sent rest on the request as it is now.
        run.exchange.leaving = True
        started = time.perf_counter()
        given: Given | None = None
        try:
            with Deadline(self.left_s + GRACE_S):
                given = await contained(step.plugin.on_ask(view, self))
            if self._problem is not None:
                # Whatever kept the request from its engine, a verdict of policy among it, is not for a plugin to undo.
                raise self._problem
            if not isinstance(given, Answer | Native | AsyncIterator):
                raise TypeError("on_ask returns what an engine does")
            view.commit()
        except BaseException as error:  # a plugin may raise anything; what it means is policy
            view.discard()
            await close_stream(given, run.exchange.id)
            await close_stream(self._given, run.exchange.id)
            return await self._without(step, view, started, error)
        seconds = max(0.0, time.perf_counter() - started - self._spent_s)
        view.seconds += seconds
        decision, rule = ("allow", "") if self.asked else ("respond", view.answered_by)
        run.exchange.trace.append(Trace(step.name, "on_ask", seconds * 1000, decision, rule, 0, view.shadow))
        if view.shadow and not self.asked:
            await close_stream(given, run.exchange.id)
            return await self()
        if view.shadow and isinstance(self._given, Answer | Native):
            # A stream comes by way of the plugin in shadow too, or it could not look at it.
            await close_stream(given, run.exchange.id)
            return self._given
        if given is not self._given and step.manifest.sees == "raw":
            # Its words may be raw text, whatever the engine was given.
            run.author = step
        return given

    async def _without(self, step: Step, view: View, started: float, error: BaseException) -> Given:
        """What comes of an exchange whose plugin failed. Errors: `Problem`; what is meant for whoever awaits it."""
        pass_on(error)
        if self._problem is not None:
            raise self._problem from None
        if isinstance(error, EngineError) and not view.shadow:
            raise self._run.engine_problem(error) from None
        if isinstance(error, TimeoutError) and not self.left_s:
            raise Problem("engine_timeout") from None
        step.failed("on_ask", self._run.exchange, started, error, view.shadow)
        if not self.asked:
            return await self()
        if isinstance(self._given, Answer | Native):
            return self._given
        # A stream is lost with the plugin that had it in hand, and the engine is not asked twice.
        raise Problem("plugin_fault")


def departed(run: Run) -> Target:
    """The engine that an exchange leaves for: the route's other one where its own cannot say what answers.

    Error: `Problem`.
    """
    try:
        return run.depart()
    except EngineError as error:
        return _instead(run, run.chain.target_of(run.exchange), run.engine_problem(error))


def _instead(run: Run, target: Target, problem: Problem) -> Target:
    """The route's other engine, for which an exchange leaves where one has failed.

    Error: `problem`, the failure's, where there is no other; `Problem` where the exchange may not leave for it.
    """
    other = run.chain.fallback_of(target, run.exchange.dialect)
    if other is None:
        raise problem from None
    run.exchange.fell_back = True
    metrics.fell_back(target.name, other.name)
    try:
        return run.depart(other)
    except EngineError as error:
        raise run.engine_problem(error) from None


def problem_of(error: BaseException, engine: str, **about: str) -> Problem:
    """What the caller is told about a failed engine; the log gets the rest, without payload, and what it is `about`."""
    if isinstance(error, RequestRefused):
        return Problem(error.code, str(error), param=error.param)
    detail = str(error)[:200] if isinstance(error, EngineError) else f"at {place(error)}"
    log.warning("engine_failed", **about, engine=engine, error=error_name(error), detail=detail)
    if not isinstance(error, EngineError):
        return Problem("engine_timeout" if isinstance(error, TimeoutError) else "engine_unavailable")
    if error.retry_after_s is not None:
        return Problem("engine_unavailable", BUSY, retry_after_s=error.retry_after_s, status=503)
    return Problem("engine_timeout" if error.timeout else "engine_unavailable")


async def close_stream(given: object, exchange_id: str) -> None:
    """Close what an engine or plugin gave, where it is a stream, that nobody will read."""
    close = getattr(given, "aclose", None)
    if close is None:
        return
    try:
        with Deadline(GRACE_S):
            await called(close)
    except BaseException as error:  # somebody else's code; it must not hide why nobody reads the stream
        pass_on(error)
        log.warning("engine_close_failed", exchange=exchange_id, error=error_name(error))
