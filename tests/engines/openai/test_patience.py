"""The timer of a stream: it must cancel what waits too long, and never anything else."""

from __future__ import annotations

import asyncio

import pytest

from yumen_engines.openai.patience import Patience


async def test_what_waits_too_long_times_out() -> None:
    """The wait ends with a TimeoutError, and the task is not left half cancelled."""
    patience = Patience()
    with pytest.raises(TimeoutError):
        await patience.wait(asyncio.sleep(5), 0.02)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    patience.close()


async def test_many_short_waits_may_together_be_long() -> None:
    """Each wait has its own time, though there is one timer."""
    patience = Patience()
    for number in range(6):
        assert await patience.wait(asyncio.sleep(0.02, number), 0.08) == number
    patience.close()


async def test_a_later_wait_may_be_shorter() -> None:
    """A timer set for long does not keep a short wait from ending."""
    patience = Patience()
    await patience.wait(asyncio.sleep(0), 60)
    with pytest.raises(TimeoutError):
        await patience.wait(asyncio.sleep(5), 0.02)
    patience.close()


async def test_time_between_waits_does_not_count() -> None:
    """A consumer that takes its time is not a silent upstream."""
    patience = Patience()
    await patience.wait(asyncio.sleep(0), 0.02)
    await asyncio.sleep(0.06)
    await patience.wait(asyncio.sleep(0.01), 0.5)
    patience.close()


async def test_a_cancellation_from_outside_stays_one() -> None:
    """Only its own cancellation becomes a TimeoutError."""
    patience = Patience()
    waiting = asyncio.ensure_future(patience.wait(asyncio.sleep(5), 5))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    patience.close()


async def test_both_at_once_is_a_cancellation() -> None:
    """Where somebody else cancels in the same moment, the cancellation wins."""
    patience = Patience()
    loop = asyncio.get_running_loop()
    waiting = asyncio.ensure_future(patience.wait(loop.create_future(), 5))
    await asyncio.sleep(0)
    patience._until = 0.0
    patience._fire()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    patience.close()


async def test_closing_ends_the_wait_of_another_task() -> None:
    """Whoever waits is let go when the stream is closed under him."""
    patience = Patience()
    waiting = asyncio.ensure_future(patience.wait(asyncio.sleep(5), 5))
    await asyncio.sleep(0.01)
    patience.close()
    with pytest.raises(TimeoutError):
        await waiting
