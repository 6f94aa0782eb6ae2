"""`Deadline` ends waiting as `asyncio.timeout` does, and takes no cancellation for its own that is somebody else's.

A deadline of 0 seconds passes at the next turn of the loop, so nothing here depends on how fast the machine is.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect

import pytest

from yumen.deadline import Deadline
from yumen.foreign import contained

LATE = 3600.0


async def turns(count: int = 5) -> None:
    """Let the loop run what is due."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_waiting_beyond_the_deadline_is_a_timeout() -> None:
    """Waiting ends with `TimeoutError`, and the task can go on waiting afterwards."""
    with pytest.raises(TimeoutError), Deadline(0):
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await turns()


async def test_what_is_in_time_passes_and_leaves_no_timer() -> None:
    """A block that ends in time gives its result, and nothing is cancelled later."""
    with Deadline(LATE):
        await turns()
        result = "done"
    assert result == "done"
    with Deadline(0):
        pass
    await turns()


async def test_an_error_inside_passes() -> None:
    """An error of the block itself is not touched."""
    with pytest.raises(ValueError, match="mine"), Deadline(LATE):
        raise ValueError("mine")


async def test_a_timeout_of_the_block_itself_is_not_this_deadlines() -> None:
    """An inner deadline passes, the outer one goes on: only the inner block ends."""
    with Deadline(LATE):
        with pytest.raises(TimeoutError), Deadline(0):
            await asyncio.Event().wait()
        await turns()
        after = True
    assert after


async def test_an_outer_deadline_ends_the_inner_block_as_a_cancellation() -> None:
    """The inner block sees a cancellation, not a timeout: its own time is not over."""
    seen: list[type[BaseException]] = []

    async def inner() -> None:
        try:
            with Deadline(LATE):
                await asyncio.Event().wait()
        except BaseException as error:
            seen.append(type(error))
            raise

    with pytest.raises(TimeoutError), Deadline(0):
        await inner()
    assert seen == [asyncio.CancelledError]


async def test_a_cancellation_from_outside_stays_one() -> None:
    """Who cancels the task gets a cancelled task, not one that reports a timeout."""
    inside = asyncio.Event()

    async def wait() -> None:
        with Deadline(LATE):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_cancellation_from_outside_wins_over_the_deadline() -> None:
    """Cancelled by somebody and late at once, the task is cancelled: shutting down must not look like a slow plugin."""

    async def wait() -> None:
        with Deadline(0):
            try:
                await asyncio.Event().wait()
            finally:
                # The deadline has passed by now; the other cancellation comes while the block is being left.
                task.cancel()

    task = asyncio.create_task(wait())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_task_that_was_cancelled_before_still_has_deadlines() -> None:
    """While a cancelled task cleans up, a deadline of its own ends the cleaning as a timeout."""
    cleaned: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            try:
                with Deadline(0):
                    await asyncio.Event().wait()
            except TimeoutError:
                cleaned.append("in time")

    task = asyncio.create_task(wait())
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned == ["in time"]


async def test_a_block_that_swallows_the_cancellation_leaves_the_task_usable() -> None:
    """A block that catches the deadline's cancellation and returns is let go on, and the task is not marked for good."""
    swallowed = False
    with Deadline(0):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            swallowed = True
    task = asyncio.current_task()
    assert task is not None
    assert (swallowed, task.cancelling()) == (True, 0)
    await turns()


async def test_an_error_raised_in_answer_to_the_cancellation_passes() -> None:
    """What a block raises while it is being ended is its own error."""

    async def inner() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("on the way out") from None

    with pytest.raises(ValueError, match="on the way out"), Deadline(0):
        await inner()
    await turns()


async def test_deadlines_of_two_tasks_do_not_meet() -> None:
    """One task's deadline ends that task alone."""

    async def late() -> str:
        with Deadline(0):
            await asyncio.Event().wait()
        return "never"

    async def early() -> str:
        with Deadline(LATE):
            await turns(20)
        return "done"

    results = await asyncio.gather(late(), early(), return_exceptions=True)
    assert isinstance(results[0], TimeoutError)
    assert results[1] == "done"


async def test_what_eats_every_cancellation_is_left() -> None:
    """A coroutine of somebody else's that goes on whatever happens is cancelled twice, then nobody drives it any more."""
    eaten: list[str] = []

    async def eats() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                eaten.append("cancelled")

    coroutine = eats()
    with pytest.raises(TimeoutError), Deadline(0, 0):
        await contained(coroutine)
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED
    task = asyncio.current_task()
    assert task is not None
    assert (eaten, task.cancelling()) == (["cancelled"], 0)
    await turns()


async def test_a_cancellation_from_outside_is_not_lost_on_what_eats_it() -> None:
    """A client that leaves while a hook eats cancellations is still known to have left when the hook is given up."""

    async def eats() -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async def wait() -> None:
        with Deadline(0.01, 0):
            await contained(eats())

    task = asyncio.create_task(wait())
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
