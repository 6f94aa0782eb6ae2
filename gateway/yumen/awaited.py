"""What of the plugin contract has no `await` in it, for plugins that must be waited for: those in a process of their own.

A plugin that is here is called, and never waited for. One that is elsewhere is asked first, by whoever can wait; what came
back is then taken by the same calls, so that every check of the core stands where it stands for any other plugin.
"""

from __future__ import annotations

import time
from typing import Any

from yumen.deadline import Deadline
from yumen.exchange import Block, Exchange
from yumen.foreign import pass_on
from yumen.plugin import MaskingFilter, Plugin


class AwaitedFilter(MaskingFilter):
    """A filter that is elsewhere: `asked` is awaited with every piece before `feed` and `finish` are called with it.

    `hold_max` is known once it has answered (`opened`). `absent`: there is no filter for this channel after all.
    """

    def __init__(self) -> None:
        self.hold_max = 0
        self.opened = False
        self.absent = False
        # Whether it has been asked about the piece that comes next, and how long that took.
        self.answered = False
        self.seconds = 0.0
        self._out: str | Block = ""
        self._masked = ""
        self._error: BaseException | None = None

    async def ask(self, text: str, *, last: bool) -> tuple[str | Block, str]:
        """What goes on of a piece, or the end of the stream, and what of it is ready masked; sets what is said above."""
        raise NotImplementedError

    async def asked(self, text: str, *, last: bool, timeout_s: float) -> None:
        """Ask, and keep what comes of it: a late answer, or none, is what `feed` raises."""
        started = time.perf_counter()
        try:
            with Deadline(timeout_s):
                self._out, self._masked = await self.ask(text, last=last)
        except BaseException as error:  # a process may end in any way, and so may what the plugin raises
            pass_on(error)
            self._error = error
        self.seconds = time.perf_counter() - started
        self.answered = True

    def feed(self, text: str) -> str | Block:
        """What came of the piece. Errors: what came in its place."""
        self.answered = False
        error, self._error = self._error, None
        if error is not None:
            raise error
        out, self._out = self._out, ""
        return out

    def finish(self) -> str | Block:
        """What came of the end, where `feed` has not returned that already. Errors: as of `feed`."""
        return self.feed("")

    def masked(self) -> str:
        masked, self._masked = self._masked, ""
        return masked


class AwaitedPlugin(Plugin[Any]):
    """A plugin that is elsewhere; its filters are `AwaitedFilter`s."""

    async def awaited_whole(self, exchange: Exchange) -> bool:
        """What `whole` says there."""
        return False
