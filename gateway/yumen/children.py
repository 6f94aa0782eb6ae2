"""Processes that the gateway starts for itself: their end, also with their parent, the wait for it, and a word for it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys

# How long one has to end after its last word, so that its own status is known and not that of being killed.
ENDING_S = 0.05
LOOK_S = 0.002
# `prctl(2)`: the signal that a process gets when its parent has gone.
PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Let the system end this process when its parent has gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit(1)


async def reaped(process: subprocess.Popen[bytes]) -> int:
    """Wait for one that ends; its exit status, negative for a signal."""
    while (status := process.poll()) is None:  # noqa: ASYNC110  # waiting in a thread would take one for good
        await asyncio.sleep(LOOK_S)
    return status


def how(status: int) -> str:
    """An exit status for people: the name of a signal, or a number."""
    if status < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-status).name
    return f"status {status}"
