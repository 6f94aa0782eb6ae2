"""Faults of somebody else's code: plugins, engines and what they hand out may raise anything, and end their own call only.

`SystemExit` and `KeyboardInterrupt` would end the process if a task let them out, and every other `BaseException` would pass
the handlers that keep an exchange recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar

from yumen.deadline import OVERDUE
from yumen.telemetry import error_name

ResultT = TypeVar("ResultT")


def pass_on(error: BaseException) -> None:
    """To be called with whatever somebody else's coroutine raised: what is left afterwards is its own fault.

    Errors: `error` itself where it is meant for whoever awaits: the task is cancelled, or the coroutine closed.
    """
    if isinstance(error, GeneratorExit):
        raise error
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise error


def interrupted(error: BaseException) -> None:
    """To be called by a command, before everything else, with whatever somebody else's code raised.

    The first Ctrl-C of its operator is a cancellation of the main task (`asyncio.Runner`), which that code may swallow or
    not come to; the second one is raised wherever the process is.

    Errors: `error` itself where it is that second one.
    """
    task = asyncio.current_task()
    if isinstance(error, KeyboardInterrupt) and task is not None and task.cancelling():
        raise error


def end_if_cancelled() -> None:
    """To be called by a command that seldom waits for anything: what it runs may have swallowed a cancellation.

    Errors: `asyncio.CancelledError` where the task has been cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def advance(step: Callable[[Any], Any], argument: Any) -> tuple[bool, Any]:
    """Take a coroutine one step further: whether it has ended, and its result or what it waits for.

    What it raises is its own: a `GeneratorExit` of it must not be taken for the closing of the coroutine around it.
    """
    try:
        return False, step(argument)
    except StopIteration as finished:
        return True, finished.value
    except GeneratorExit as error:
        raise RuntimeError("it raised GeneratorExit") from error


@types.coroutine
def resume(coroutine: Coroutine[Any, Any, Any], waited_for: Any) -> Generator[Any, Any, Any]:
    """Go on with a coroutine that was already started, handing what it waits for to the event loop."""
    finished = False
    while not finished:
        try:
            sent = yield waited_for
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as error:  # cancellation and timeouts must reach the hook
            if isinstance(error, asyncio.CancelledError) and error.args == (OVERDUE,):
                _leave(coroutine)
                raise
            finished, waited_for = advance(coroutine.throw, error)
        else:
            finished, waited_for = advance(coroutine.send, sent)
    return waited_for


def _leave(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Let go of a coroutine that has been cancelled and goes on: nobody drives it any more, so it cannot go on either."""
    with contextlib.suppress(BaseException):  # it may ignore that it is closed, too
        coroutine.close()


async def called(function: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Call something of somebody else's and await it; what it raises at once, and a `GeneratorExit`, are its own as well."""
    coroutine = _called(function)
    finished, result = advance(coroutine.send, None)
    value: ResultT = result if finished else await resume(coroutine, result)
    return value


async def _called(function: Callable[[], Awaitable[ResultT]]) -> ResultT:
    return await function()


async def following(events: AsyncIterator[ResultT]) -> ResultT | None:
    """What an iterator of somebody else's gives next, None at its end; what it raises is its own.

    Error: TypeError where it gives None.
    """
    try:
        item = await called(events.__anext__)
    except StopAsyncIteration:
        return None
    if item is None:
        raise TypeError("an iterator of events gave None")
    return item


def contained(awaitable: Awaitable[ResultT]) -> Coroutine[Any, Any, ResultT]:
    """Await something of somebody else's, whose `GeneratorExit` is then its own."""
    return called(lambda: awaitable)


async def tamed(call: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Await what `call` gives, of somebody else's, in a task of ours or where only an `Exception` is expected.

    A task that lets `SystemExit` or `KeyboardInterrupt` out ends the event loop. Error: `RuntimeError` in the place of
    what is no `Exception`, cancellation aside.
    """
    try:
        return await contained(call())
    except (Exception, asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:
        raise RuntimeError(f"it raised {error_name(error)}") from None
