"""What is left behind, and how it goes on, after others have failed: clients, engines, the store, a start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import msgspec

from yumen.engine import EngineError
from yumen.errors import CannotStart
from yumen.runtime import Runtime
from yumen.testing.calls import chat
from yumen.testing.conformance.examples import TEXTS
from yumen.testing.conformance.subject import Asked, Subject
from yumen.testing.conformance.verdict import check, demand, none_of
from yumen.testing.conformance.watch import left_by
from yumen.testing.engine import Pause, Piece
from yumen.testing.harness import Harness

# At so many places of an exchange its task is cancelled.
PLACES = 24
ONE_TURN = Pause(0)
SLOWLY: tuple[Piece, ...] = ("one", ONE_TURN, "two", ONE_TURN, "three")
NEVER: tuple[Piece, ...] = (Pause(),)
BROKEN: tuple[tuple[Piece, ...], ...] = (
    (EngineError("away"),),
    (EngineError("late", timeout=True),),
    (ValueError("no engine raises this"),),
    ("some", EngineError("away")),
    ("some", ONE_TURN, ValueError("no engine raises this")),
)
MEND = "Close in `finally` what a hook opens, await what it begins, and end in `stop` what `start` begins."


def _calls() -> list[Any]:
    return [chat(TEXTS[1]), chat(TEXTS[0], stream=True)]


async def _survives(subject: Subject, rounds: Callable[[Harness], Awaitable[None]]) -> None:
    """Rounds of something: none leaves anything behind, and afterwards the plugin works as before."""
    for example in subject.examples:
        async with subject.harness(example) as harness:
            asked = Asked(_calls()[0])
            before = await subject.ask(harness, asked)
            none_of(await left_by(partial(rounds, harness)), "it leaves behind, each time")
            engine = harness.engine
            demand(engine.streams_begun == engine.streams_ended, "it leaves a stream of the engine open")
            after = await subject.ask(harness, asked)
            # It may well have counted what was asked, and decide otherwise now.
            decided = any(one.decision in ("block", "respond") for one in subject.own(after))
            demand(
                decided or after.code == before.code, f"afterwards it ends with `{after.code or 'ok'}`, unlike before"
            )
            failed = [one.hook for one in subject.faults([after]) if not subject.faults([before])]
            none_of(failed, "afterwards it fails in")


@check("fault.engine", "An engine that fails, before its answer or within it, leaves nothing behind.", MEND)
async def fault_engine(subject: Subject) -> None:
    async def rounds(harness: Harness) -> None:
        for says in BROKEN:
            for call in _calls():
                await subject.ask(harness, Asked(call, says))

    await _survives(subject, rounds)


@check("fault.leave", "A client that leaves, at whatever piece of the reply, leaves nothing behind.", MEND)
async def fault_leave(subject: Subject) -> None:
    async def rounds(harness: Harness) -> None:
        plain, streamed = _calls()
        for after in range(4):
            await subject.ask(harness, Asked(streamed.leaving(after), SLOWLY))
        for call in (plain, streamed):
            await subject.ask(harness, Asked(call.leaving(0), NEVER))

    await _survives(subject, rounds)


@check("fault.cancel", "An exchange that is cancelled, wherever it waits, leaves nothing behind.", MEND)
async def fault_cancel(subject: Subject) -> None:
    async def rounds(harness: Harness) -> None:
        for call in _calls():
            for turns in range(PLACES):
                if await _cancelled(subject.ask(harness, Asked(call, SLOWLY)), turns):
                    break

    await _survives(subject, rounds)


async def _cancelled(asking: Coroutine[Any, Any, Any], turns: int) -> bool:
    """Cancel something after so many turns of the loop; whether it had ended by then."""
    task = asyncio.create_task(asking)
    for _ in range(turns):
        await asyncio.sleep(0)
    ended = task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return ended


@check(
    "fault.store",
    "While the store cannot be reached nothing is left behind, and afterwards the plugin works again.",
    MEND,
)
async def fault_store(subject: Subject) -> None:
    async def rounds(harness: Harness) -> None:
        with harness.store_outage():
            for call in _calls():
                await subject.ask(harness, Asked(call))

    await _survives(subject, rounds)


@check(
    "start.again",
    "A start that fails or is cancelled leaves nothing behind, and the next one works.",
    "Open in `start` so that what fails half-way is closed (`AsyncExitStack`), and let `stop` do without `start`.",
)
async def start_again(subject: Subject) -> None:
    for example in subject.examples:
        bundle = subject.harness(example).bundle
        async with subject.without(example) as harness:
            whole = harness.settings
            # A file stands where the folder should.
            broken = msgspec.structs.replace(whole, data_dir=harness.data_dir / "secret")

            async def rounds(
                harness: Harness = harness, broken: Any = broken, whole: Any = whole, bundle: Any = bundle
            ) -> None:
                harness.parts.settings = broken
                await _started(harness.start(bundle))
                harness.parts.settings = whole
                for turns in range(4):
                    await _started(harness.start(bundle), turns)
                runtime = await harness.start(bundle)
                await runtime.stop()

            try:
                left = await left_by(rounds)
            except CannotStart as error:
                left = [f"nothing, but then it does not start: {str(error)[:120]}"]
            none_of(left, "a start that failed leaves")
            stuck = [str(one.get("error")) for one in harness.log if one.get("event") == "stop_failed"]
            none_of(stuck, "`stop` after such a start raises")


async def _started(starting: Coroutine[Any, Any, Runtime], turns: int | None = None) -> None:
    """Start, cancelled after some turns, and stop what has started all the same."""
    task = asyncio.create_task(starting)
    if turns is not None:
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
    try:
        runtime = await task
    except (CannotStart, asyncio.CancelledError):
        return
    await runtime.stop()
