"""Imports somebody else's module, in the thread that asks for it, under the eyes of another one.

A module may raise `SystemExit` or `KeyboardInterrupt`, or never come to an end. Nothing stops an import that hangs, but the
end of its process, and a process that is about to start has nothing to lose: there a sentence says why. A gateway that
serves does not get so far: what a reload brings has been imported before in the process of `yumen.proof`, which is ended.

It is not done in a thread of its own that could be left behind: native libraries that were imported by a thread which has
ended crash in the processes that are forked afterwards (seen with pyreqwest 0.11).
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from yumen.errors import words_of
from yumen.telemetry import warn

# How long an import may take before it is named, and before nobody waits for it any more.
SLOW_S = 2.0
LIMIT_S = 60.0
REASON_CHARS_MAX = 300
TYPE_CHARS_MAX = 100


class ImportFailed(Exception):
    """A module could not be imported; the message says why, in one line."""


def run(load: Callable[[], Any], who: str) -> Any:
    """What `load` returns, which imports something; `who` names it. Error: `ImportFailed`."""
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(done, who, not _serving()), name=f"import {who}", daemon=True)
    watcher.start()
    try:
        return load()
    except BaseException as error:  # importing runs somebody else's code
        raise ImportFailed(f"cannot be imported: {reason(error)}") from None
    finally:
        done.set()
        # A process that is forked next must not find it half-way.
        watcher.join()


def _watch(done: threading.Event, who: str, may_end: bool) -> None:
    if done.wait(SLOW_S):
        return
    warn("import_slow", f"{who} has been importing for {SLOW_S:g} s", what=who, seconds=SLOW_S)
    if may_end and not done.wait(LIMIT_S - SLOW_S):
        sys.stderr.write(f"yumen: {who} has not been imported after {LIMIT_S:g} s\n")
        sys.stderr.flush()
        os._exit(1)


def _serving() -> bool:
    """Whether exchanges may be under way in this process: in this thread, or beside it."""
    if threading.current_thread() is not threading.main_thread():
        return True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def reason(error: BaseException) -> str:
    """What an error says, in one bounded line that can stand in a diagnostic, and where in the module it was raised."""
    words = " ".join(words_of(error).split()).replace(";", ",")[:REASON_CHARS_MAX]
    at, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        at = at if file == __file__ or "importlib" in file else f" (at {file}:{trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(error).__name__[:TYPE_CHARS_MAX]}{f': {words}' if words else ''}{at}"
