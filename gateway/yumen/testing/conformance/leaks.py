"""Started and stopped a hundred times, nothing adds up."""

from __future__ import annotations

import gc
import sys
import tracemalloc
import weakref
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from yumen.testing.conformance.subject import Subject
from yumen.testing.conformance.verdict import check, demand, none_of
from yumen.testing.conformance.watch import held, more_than

# The memory of the last ones is measured, so many at a time, when all that is made once has been made. What else happens in
# the process may take some meanwhile; a leak takes it every time.
MEASURED, TIMES = 3, 5
BYTES_MAX = 2_000


@check(
    "leak.start_stop",
    "After a hundred starts and stops no task, thread, open file or instance is left, and memory has not grown.",
    "End in `stop` what `start` begins; keep no instance in the class, the module or a callback.",
)
async def leak_start_stop(subject: Subject) -> None:
    example = subject.examples[0]
    bundle = subject.harness(example).bundle
    # One is at work all the while, so that what instances share need not be made anew a hundred times.
    async with subject.harness(example), subject.without(example) as harness:
        made: list[weakref.ref[Any]] = []
        await _rounds(subject, harness, bundle, made, 2)
        before = held()
        await _rounds(subject, harness, bundle, made, subject.starts - MEASURED * 2 - 2)
        each = await _left_by_each(partial(_rounds, subject, harness, bundle, made, MEASURED))
        none_of(await more_than(before), "it leaves")
        alive = sum(one() is not None for one in made)
        demand(alive <= 1, f"{alive} of {len(made)} instances are still referred to")
        demand(each <= BYTES_MAX, f"each start leaves {each} bytes")


async def _left_by_each(starts: Callable[[], Awaitable[None]]) -> int:
    """How many bytes a start leaves, at the least."""
    tracemalloc.start()
    try:
        await starts()
        least, before = sys.maxsize, _traced()
        for _ in range(TIMES):
            await starts()
            now = _traced()
            least, before = min(least, (now - before) // MEASURED), now
            if least <= BYTES_MAX:
                break
        return least
    finally:
        tracemalloc.stop()


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def _rounds(subject: Subject, harness: Any, bundle: Any, made: list[weakref.ref[Any]], count: int) -> None:
    for _ in range(count):
        runtime = await harness.start(bundle)
        plugin = next(
            step.plugin for chain in runtime.chains.values() for step in chain.steps if step.name == subject.name
        )
        made.append(weakref.ref(plugin))
        del plugin
        await runtime.stop()
        del runtime
