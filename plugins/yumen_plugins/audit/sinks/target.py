"""What sinks carry, from where, and to what."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec

BACKOFF_S, BACKOFF_S_MAX = 0.5, 60.0

# Makes a line, without a newline, of a record.
Format = Callable[[dict[str, Any]], bytes]


class Item(msgspec.Struct, frozen=True):
    """A record at its place in the ledger: `log` is `<writer>/<class>`, `seq` the index of its leaf."""

    log: str
    seq: int
    record: dict[str, Any]


class Source(Protocol):
    """Where records are read. It blocks for a short time, and any thread may use it."""

    def read(self, after: dict[str, int], limit: int) -> Sequence[Item]:
        """`limit` records, or fewer where there are no more; those of a log in order.

        `after` says by log which `seq` is wanted next, 0 if missing. One that is no longer there is passed over.
        """
        ...


@runtime_checkable
class Sized(Protocol):
    """A source that also knows how long its logs are; with it a sink knows how far behind it is, and a log that shrank."""

    def sizes(self) -> Mapping[str, int]:
        """The number of leaves by log."""
        ...


class Batch(msgspec.Struct, frozen=True):
    """Records of one log, in order: each with its `seq` and its line, which has no newline. Never empty."""

    log: str
    lines: Sequence[tuple[int, bytes]]

    @property
    def first(self) -> int:
        return self.lines[0][0]

    @property
    def last(self) -> int:
        return self.lines[-1][0]

    @property
    def body(self) -> bytes:
        """All lines, each ended by a newline."""
        return b"".join(line + b"\n" for _, line in self.lines)


class Unreached(Exception):
    """The target did not take it, and may take it later. `kind` is a word or two without anything of a payload or URL."""

    def __init__(self, kind: str, wait_s: float = 0.0) -> None:
        super().__init__(kind)
        self.kind = kind
        self.wait_s = wait_s


class Refused(Exception):
    """The target will not take it before somebody does something: `fix` says what."""

    def __init__(self, kind: str, fix: str) -> None:
        super().__init__(f"{kind}; {fix}")
        self.kind = kind
        self.fix = fix


class Target(Protocol):
    """Where batches go. Both methods run in the event loop of the sink's own thread, so they may block for a while."""

    async def deliver(self, batch: Batch) -> None:
        """Return when the target has it for good. Errors: `Unreached`, `Refused`."""
        ...

    async def close(self) -> None:
        """Let go of connections. Never fails."""
        ...


def backoff_s(attempt: int) -> float:
    """How many seconds to wait after a failed attempt, the first being 1: half to all of a time that doubles up to 60 s.

    After Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): "equal jitter".
    """
    ceiling_s = min(BACKOFF_S * 2 ** min(attempt - 1, 16), BACKOFF_S_MAX)
    return random.uniform(ceiling_s / 2, ceiling_s)  # noqa: S311 - spreads retries, guards nothing


def errno_of(error: OSError) -> str:
    """The name of an error of the system, without the path that is in its message."""
    return errno.errorcode.get(error.errno or 0, type(error).__name__)
