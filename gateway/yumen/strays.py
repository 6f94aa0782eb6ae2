"""What goes wrong in a worker where nobody waits for it: in tasks and callbacks of plugins, in threads, in finalizers.

Python prints such errors with their messages, which may hold what the plugin was looking at, and ends the process for a
`SystemExit` or `KeyboardInterrupt` of any task or callback. Here they are logged by type and place, and the worker goes on.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
import warnings
from collections.abc import Iterable
from functools import partial
from types import CodeType
from typing import Any, Literal, TextIO

from yumen import registry
from yumen.telemetry import error_name, log, place, type_name

Where = Literal["loop", "task", "callback", "thread", "finalizer"]
# How much of a traceback is looked at for whose it is; recursion makes a thousand levels.
LEVELS_MAX = 100


def contain(loop: asyncio.AbstractEventLoop) -> None:
    """Keep a loop that does not run yet, and the process around it, from what nobody waits for.

    A signal still ends the process: servers take signals by handlers of their own, and not as `KeyboardInterrupt`.
    """
    run = loop.run_forever

    def run_forever() -> None:
        while True:
            try:
                run()
                return
            except (SystemExit, KeyboardInterrupt) as error:
                tell(log, "loop", error)

    # Whoever serves has made the loop already. What has raised is out of its queue, so it can be run again.
    loop.run_forever = run_forever  # type: ignore[method-assign]
    hear(loop, log)


def hear(loop: asyncio.AbstractEventLoop, log: Any) -> None:
    """Have `log` told, instead of Python, what nobody waits for in a loop and in the process around it."""
    loop.set_exception_handler(partial(_of_loop, log))
    threading.excepthook = partial(_of_thread, log)
    sys.unraisablehook = partial(_of_finalizer, log)
    warnings.showwarning = partial(_of_warning, log)


def tell(log: Any, where: Where, error: BaseException) -> None:
    """Log an error that nobody has waited for."""
    at, distribution = origin(error)
    log.error("unhandled", where=where, error=error_name(error), at=at, distribution=distribution)


def origin(error: BaseException) -> tuple[str, str]:
    """The innermost place of a plugin or engine that an error has come through, and whose that is; else where it arose."""
    owners: dict[str, str] = {}
    at, distribution = place(error), ""
    for frame, line in _levels(error):
        module = str(frame.f_globals.get("__name__", ""))
        known = owners.get(module)
        if known is None:
            known = owners[module] = registry.owner(module)
        if known:
            at, distribution = f"{frame.f_code.co_filename}:{line}", known
    return at, distribution


def _levels(error: BaseException) -> Iterable[tuple[Any, int]]:
    """The first levels of a traceback and the last, the outermost first."""
    levels = list(traceback.walk_tb(error.__traceback__))
    return levels if len(levels) <= LEVELS_MAX else [*levels[: LEVELS_MAX // 2], *levels[-LEVELS_MAX // 2 :]]


def _of_loop(log: Any, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """See `asyncio.loop.set_exception_handler`; the message of a context shows arguments."""
    error = context.get("exception")
    waiting = context.get("task") or context.get("future")
    where: Where = "callback" if waiting is None else "task"
    if isinstance(error, BaseException):
        tell(log, where, error)
        return
    # Such as a task that is destroyed while it waits.
    code = getattr(getattr(waiting, "get_coro", lambda: None)(), "cr_code", None)
    at = f"{code.co_filename}:{code.co_firstlineno}" if isinstance(code, CodeType) else ""
    log.error("unhandled", where=where, error="", at=at, distribution="")


def _of_thread(log: Any, failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None and not isinstance(failed.exc_value, SystemExit):
        tell(log, "thread", failed.exc_value)


def _of_finalizer(log: Any, failed: Any) -> None:
    """See `sys.unraisablehook`."""
    if failed.exc_value is not None:
        tell(log, "finalizer", failed.exc_value)


def _of_warning(
    log: Any, message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None,
    line: str | None = None,
) -> None:  # fmt: skip
    """See `warnings.showwarning`; Python shows a warning of one place once."""
    log.warning("python_warning", error=type_name(category), at=f"{filename}:{lineno}")
