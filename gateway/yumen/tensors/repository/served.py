"""A version of a model while it serves: who uses it, and its end, which comes once and after all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType

from yumen.batching import Batcher
from yumen.foreign import tamed
from yumen.tensors.models import TensorModel
from yumen.tensors.repository.config import Labels
from yumen.tensors.types import Signature

# How long a version that has been replaced waits for requests that use it, which have deadlines of their own.
RETIRE_S = 900.0


class Served:
    """Use it within `with`; whatever begins so finds it open, and ends before it is closed."""

    def __init__(
        self,
        model: TensorModel,
        batcher: Batcher,
        *,
        name: str,
        version: str,
        signature: Signature,
        labels: Labels,
        now: Callable[[], float],
    ) -> None:
        self.model = model
        self.batcher = batcher
        self.name = name
        self.version = version
        self.signature = signature
        self.labels = labels
        # When it has answered last, in seconds since the epoch; 0 for never.
        self.answered_at = 0.0
        self._now = now
        self._users = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Served:
        self._users += 1
        self._idle.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._users -= 1
        if not self._users:
            self._idle.set()
        if kind is None:
            self.answered_at = self._now()

    def hurry(self, seconds: float) -> None:
        """Wait for those who use it not longer than so many seconds from now; where it waits less already, that holds."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._idle.set)

    async def close(self) -> None:
        """Close it, once, when nobody uses it, or after `RETIRE_S` seconds. Goes on when nobody waits for it."""
        if self._closing is None:
            self.hurry(RETIRE_S)
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._idle.wait()
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self.batcher.close()
        finally:
            await tamed(self.model.close)
