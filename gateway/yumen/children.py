"""Processes that the gateway starts for itself: the wait for their end, and what is said of it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess

# How long one has to end after its last word, so that its own status is known and not that of being killed.
ENDING_S = 0.05
LOOK_S = 0.002


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
