"""The threads in which models are asked, and what becomes of their errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from yumen import EngineError

T = TypeVar("T")


class Threads:
    """A fixed number of threads. Work that has begun goes on when nobody waits for it any more."""

    def __init__(self, count: int, name: str) -> None:
        self.executor = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """Do something in one of the threads. Error: `EngineError`, which names the kind of what was raised there."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.executor, work)
        except EngineError:
            raise
        except Exception as error:  # the libraries' own words might hold text
            raise EngineError(f"the model failed with {type(error).__name__}") from None

    async def close(self) -> None:
        """End the threads when what has begun is done."""
        await asyncio.to_thread(self.executor.shutdown, cancel_futures=True)
