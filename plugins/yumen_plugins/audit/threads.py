"""Threads for work that waits for a disk, so that what takes long here keeps nothing else waiting for a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Done = TypeVar("Done")


class Threads:
    """So many threads, which begin when they are needed. `name` is what a debugger calls them."""

    def __init__(self, count: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, work: Callable[Arguments, Done], *arguments: Arguments.args, **named: Arguments.kwargs) -> Done:
        """What a function returns that runs in one of the threads; it goes on where nobody waits for it any more."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*arguments, **named))

    def close(self) -> None:
        """Begin nothing more, and let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)
