"""`/admin/trace/<exchange id>`: every hook call of an exchange, where traces are kept."""

from __future__ import annotations

import os
import re

from litestar import get
from litestar.datastructures import State

from yumen.dataplane import DataPlane
from yumen.errors import Problem
from yumen.tracing.tracer import TRACES_MAX, ExchangeTraced

EXCHANGE_ID = re.compile(r"[0-9a-f]{32}")


@get("/trace/{exchange_id:str}", sync_to_thread=False, summary="What plugins did to an exchange")
def show_trace(exchange_id: str, state: State) -> ExchangeTraced:
    """Answers for the worker that happens to be asked. There is no text of a payload in it.

    Error: `Problem` not_found, with what to do.
    """
    plane: DataPlane = state.plane
    if plane.tracer is None:
        raise Problem("not_found", "Nothing is traced here: start the gateway with YUMEN_TRACE=plugins.")
    if not EXCHANGE_ID.fullmatch(exchange_id):
        raise Problem(
            "not_found", "The id of an exchange is what its reply says in x-request-id: 32 digits from 0 to f."
        )
    traced = plane.tracer.find(exchange_id)
    if traced is None:
        workers = plane.runtime.parts.settings.workers
        others = f" There are {workers}, and another may be asked next time." if workers > 1 else ""
        kept = f"the last {TRACES_MAX} exchanges at most, and this is none of them"
        raise Problem("not_found", f"This worker, process {os.getpid()}, keeps {kept}.{others}")
    return traced
