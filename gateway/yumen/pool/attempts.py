"""Asks one replica once: everything that can come of it is counted, and what comes out is a reply or an `EngineError`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec

from yumen.engine import Engine, EngineError, Native
from yumen.exchange import Answer
from yumen.foreign import tamed
from yumen.pool.lease import Lease, LeasedStream, verdict
from yumen.pool.member import AVOID_S_MAX
from yumen.telemetry import wordless

# Replies after which another replica may be asked: each says "not me, not now".
ELSEWHERE = frozenset({429, 502, 503, 504})
OVERLOADED = frozenset({429, 503})


class Ask(msgspec.Struct, frozen=True):
    """What is asked: `call` asks an engine; `key` is what stickiness goes by; `deadline` is a `Host.monotonic` time."""

    call: Callable[[Engine[Any]], Awaitable[Any]]
    streamed: bool
    deadline: float
    key: str


def elsewhere(result: object) -> bool:
    """Whether a reply is one after which another replica may be asked."""
    return isinstance(result, Native) and result.status in ELSEWHERE


async def attempt(ask: Ask, lease: Lease, clock: Callable[[], float], abandoned: Callable[[Any], None]) -> Any:
    """Ask the replica of a lease. Error: `EngineError`."""
    task = asyncio.current_task()
    cancels = task.cancelling() if task is not None else 0
    try:
        result = await tamed(lambda: ask.call(lease.member.engine))
    except EngineError as error:
        lease.end(verdict(error))
        raise
    except asyncio.CancelledError:
        if task is not None and task.cancelling() <= cancels:
            lease.end("failed")
            raise EngineError("it cancelled itself") from None
        # Who asked cancels at the deadline, which is the replica's fault; before it they have just left.
        lease.end("failed" if clock() >= ask.deadline else "unknown")
        raise
    except TimeoutError:
        lease.end("failed")
        raise EngineError("no answer in time", timeout=True) from None
    except Exception as error:  # an engine is somebody else's code
        lease.end("failed")
        raise EngineError(f"it raised {wordless(error)}") from None
    except BaseException:
        lease.end("unknown")
        raise
    return _taken(result, lease, clock, abandoned)


def _taken(result: Any, lease: Lease, clock: Callable[[], float], abandoned: Callable[[Any], None]) -> Any:
    """What an engine returned, a stream with its lease. Error: `EngineError` for what is no reply at all."""
    if isinstance(result, AsyncIterator):
        lease.began()
        return LeasedStream(result, lease, abandoned)
    if isinstance(result, Native):
        _judge(result, lease, clock)
    elif isinstance(result, Answer | Mapping):
        lease.end("answered")
    else:
        lease.end("failed")
        abandoned(result)
        raise EngineError("it returned what is no reply")
    return result


def _judge(reply: Native, lease: Lease, clock: Callable[[], float]) -> None:
    delay_s = _retry_after_s(reply) if reply.status in OVERLOADED else None
    if delay_s is not None:
        lease.member.avoid(delay_s, clock())
    if reply.status == 429 or delay_s is not None:
        lease.end("overloaded")
    else:
        lease.end("failed" if reply.status >= 500 else "answered")


def _retry_after_s(reply: Native) -> float | None:
    """The seconds of a `Retry-After`; the form with a date is not read (RFC 9110, 10.2.3)."""
    value = next((value for name, value in reply.headers.items() if name.lower() == "retry-after"), "")
    return min(float(value[:9]), AVOID_S_MAX) if value.isascii() and value.isdigit() else None
