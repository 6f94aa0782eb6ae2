"""Asks plugins, engines and the store how they are, for `/readyz`: each once at a time, and nobody for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from yumen.foreign import contained, pass_on
from yumen.telemetry import error_name, log

READY_S = 5.0
LATE = f"it has not said how it is in {READY_S:g} s"
# How long whoever has been cancelled may take to end.
END_S = 1.0
REASON_CHARS_MAX = 500


class Asked(NamedTuple):
    """A question under way, and the time of the event loop from which on nobody waits for its answer any more."""

    task: asyncio.Task[str]
    until: float


class Readiness:
    """Who asks at the same time shares the answers. Whoever does not come to an end is not asked again before."""

    def __init__(self) -> None:
        # One for each part at most.
        self._asked: dict[str, Asked] = {}

    async def reasons(self, questions: Mapping[str, Callable[[], Awaitable[str]]]) -> dict[str, str]:
        """Why each of those asked cannot work at the moment, by its name; empty for one that can."""
        asked = {what: self._ask(what, question) for what, question in questions.items()}
        now = asyncio.get_running_loop().time()
        awaited = {one.task: one.until - now for one in asked.values() if one.until > now}
        if awaited:
            await asyncio.wait(awaited, timeout=max(awaited.values()))
        return {what: _said(one.task) for what, one in asked.items()}

    async def close(self) -> None:
        """Wait for no answer any more; one that does not even end then is logged."""
        left = {one.task: what for what, one in self._asked.items() if not one.task.done()}
        self._asked.clear()
        for task in left:
            task.cancel()
        if left:
            _, running = await asyncio.wait(left, timeout=END_S)
            for task in running:
                log.error("ready_does_not_end", what=left[task])

    def _ask(self, what: str, question: Callable[[], Awaitable[str]]) -> Asked:
        asked = self._asked.get(what)
        if asked is None or asked.task.done():
            until = asyncio.get_running_loop().time() + READY_S + END_S
            asked = self._asked[what] = Asked(asyncio.create_task(_answer(question, what)), until)
        return asked


def _said(task: asyncio.Task[str]) -> str:
    return task.result() if task.done() and not task.cancelled() else LATE


async def _answer(question: Callable[[], Awaitable[str]], what: str) -> str:
    """Why something cannot work; `what` is for whoever looks at the stack (`yumen.tracing.stack`)."""
    limit = asyncio.timeout(READY_S)
    try:
        async with limit:
            return str(await contained(question()))[:REASON_CHARS_MAX]
    except BaseException as error:  # a plugin may raise anything
        pass_on(error)
        late = isinstance(error, TimeoutError) and limit.expired()
        return LATE if late else f"asking failed with {error_name(error)}"
