"""The header Server-Timing (W3C), which browsers and other tools draw: for developers only, it tells who is at work."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yumen.chain import Run

# What a name in a header may not hold; names of instances do not, as long as they come from a policy.
UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
NAME_CHARS_MAX = 100
# Beyond the longest chain.
ENTRIES_MAX = 64


def server_timing(run: Run) -> bytes:
    """Milliseconds by instance in the order of the chain, then of the engine, and of all, as far as it has gone.

    A stream's header leaves before the stream: it has the request's hooks, and the time until the engine began to answer.
    """
    parts = [_part(step.name, view.seconds * 1000) for step, view in run.ran[:ENTRIES_MAX]]
    engine_ms = run.exchange.timings_ms.get("engine")
    if engine_ms is not None:
        parts.append(_part("engine", engine_ms))
    parts.append(_part("total", (time.perf_counter() - run.started) * 1000))
    return ", ".join(parts).encode("ascii")


def _part(name: str, ms: float) -> str:
    return f"{UNSAFE.sub('_', name[:NAME_CHARS_MAX])};dur={ms:.3f}"
