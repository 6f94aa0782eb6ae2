"""Whether a hook that is cancelled ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from yumen.testing.calls import chat
from yumen.testing.conformance.examples import TEXTS
from yumen.testing.conformance.faults import ONE_TURN, PLACES
from yumen.testing.conformance.subject import Asked, Subject
from yumen.testing.conformance.verdict import Fails, check

# How long an exchange may go on after it is cancelled; it closes what it has open.
ENDS_S = 5.0
# How often in a row the same cancellation may get lost. Some HTTP clients lose one that comes just when an answer does,
# which is not the plugin's doing; who catches it catches it every time.
LOST_MAX = 3
GOES_ON = "an exchange that is cancelled goes on"


@check(
    "fault.heed",
    "A hook that is cancelled ends: it keeps no cancellation to itself.",
    "Catch `Exception` and never `BaseException` around an await, or raise again what is an `asyncio.CancelledError`.",
)
async def fault_heed(subject: Subject) -> None:
    for example in subject.examples:
        async with subject.harness(example) as harness:
            for stream in (False, True):
                asked = Asked(chat(TEXTS[1], stream=stream), ("one", ONE_TURN, "two"))
                try:
                    await _every_place(partial(subject.ask, harness, asked))
                except Fails:
                    # Whatever waits for it from now on may wait for ever.
                    subject.hung = fault_heed.id
                    raise


async def _every_place(ask: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Cancel an exchange after one turn of the loop, one more after two, and so on, to its end. Error: `Fails`."""
    for turns in range(1, PLACES):
        for lost in range(LOST_MAX):
            task = asyncio.create_task(ask())
            for _ in range(turns):
                await asyncio.sleep(0)
            if task.done():
                if lost:
                    break  # it went on to its end once, and now it was there sooner
                return
            task.cancel()
            await asyncio.wait({task}, timeout=ENDS_S)
            if not task.done():
                raise Fails(f"{GOES_ON}: a hook keeps the cancellation to itself, and waits again")
            if task.cancelled():
                break
        else:
            raise Fails(f"{GOES_ON} to its end: a hook keeps the cancellation to itself")
