"""The threads in which models are asked, and what becomes of their errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

from yumen import EngineError
from yumen_engines.onnx.runtime import NO_MEMORY

T = TypeVar("T")
# How long what has begun may take when nothing new begins any more; what has not ended by then is told to.
CLOSE_S, END_S = 30.0, 10.0
CLOSED = "the model is closed"
# In what ONNX Runtime says of a node that fails, and of one that does so whatever it is given.
NODE_FAILED = "while running"
NOT_THE_VALUES = (NO_MEMORY, "allocate", "CUDA", "CUBLAS", "CUDNN", "TensorRT")


def _nothing() -> None:
    """There is no way to end it."""


async def waited(begun: futures.Future[T], end: Callable[[], None]) -> T:
    """What comes of work in a thread. `end` is called where nobody waits for it any more.

    Errors: `EngineError` where it was closed before its turn; what was raised there.
    """
    try:
        return await asyncio.wrap_future(begun)
    except asyncio.CancelledError:
        end()
        waiting = asyncio.current_task()
        # Not who waits was cancelled, but the work: to them that is an error like any other.
        if begun.cancelled() and waiting is not None and not waiting.cancelling():
            raise EngineError(CLOSED, again=True) from None
        raise


def failed(error: Exception) -> EngineError:
    """What an error is to the gateway: its kind, since the libraries' own words might hold text."""
    if isinstance(error, EngineError):
        return error
    if NO_MEMORY in str(error):
        # So it would on every replica, whoever sends what needs as much.
        return EngineError("the model needs more memory than `arena_bytes_max`", well=True)
    return EngineError(f"the model failed with {type(error).__name__}")


def unfit(error: Exception) -> bool:
    """Whether a run failed for the values that it was given.

    ONNX Runtime has a kind of error for that, and does not keep to it: of shapes that do not go together it says that a node
    has failed. So it does of a device, by its name, and of memory.
    """
    kind, said = type(error).__name__, str(error)
    if kind == "InvalidArgument":
        return True
    return kind == "Fail" and NODE_FAILED in said and not any(one in said for one in NOT_THE_VALUES)


class Threads:
    """A fixed number of threads."""

    def __init__(self, count: int, name: str) -> None:
        self.executor = futures.ThreadPoolExecutor(count, thread_name_prefix=name)
        # What is under way, with what ends it.
        self._begun: dict[futures.Future[Any], Callable[[], None]] = {}

    async def run(self, work: Callable[[], T], end: Callable[[], None] = _nothing) -> T:
        """Do something in one of the threads. `end` is called where nobody waits for it any more.

        Error: `EngineError`, which names the kind of what was raised there.
        """
        try:
            begun = self.executor.submit(work)
        except RuntimeError:
            raise EngineError(CLOSED, again=True) from None
        self._begun[begun] = end
        begun.add_done_callback(self._done)
        try:
            return await waited(begun, end)
        except Exception as error:
            raise failed(error) from None

    def _done(self, begun: futures.Future[Any]) -> None:
        self._begun.pop(begun, None)

    async def close(self) -> None:
        """End the threads when what has begun is done, or does not end."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        if not await self._ended(CLOSE_S):
            for end in tuple(self._begun.values()):
                end()
            await self._ended(END_S)

    async def _ended(self, seconds: float) -> bool:
        under_way = tuple(self._begun)
        if not under_way:
            return True
        return not (await asyncio.to_thread(futures.wait, under_way, seconds)).not_done
