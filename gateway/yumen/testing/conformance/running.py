"""Runs the checks on a plugin, one after the other, each in an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from typing import Any

import msgspec

from yumen.errors import CannotStart, PolicyError, Problem
from yumen.plugin import Plugin
from yumen.telemetry import error_name, place
from yumen.testing.conformance.costs import Cost, costs
from yumen.testing.conformance.every import CHECKS
from yumen.testing.conformance.examples import Example
from yumen.testing.conformance.subject import STARTS, UNSTARTED, Isolation, Subject
from yumen.testing.conformance.verdict import Came, Check, DoesNotApply, Fails, NotReached, Verdict

# A plugin that hangs must not hang its check, and what is then cancelled has so long to end.
CHECK_S, GRACE_S = 120.0, 2.0
UNREADABLE = (
    "what it makes of a request or reply cannot be read any more: it edits a name, or leaves no JSON where some was"
)
# A verdict, and what was seen.
Seen = tuple[Came, str]
# The loops in which something goes on that nothing can end; one for each plugin at the most, or a few.
abandoned: list[asyncio.AbstractEventLoop] = []


class Report(msgspec.Struct, frozen=True):
    """What came of all checks of one plugin; `ok` where none fails."""

    plugin: str
    version: str
    ok: bool
    verdicts: tuple[Verdict, ...]
    costs: tuple[Cost, ...] = ()


def examine(
    plugin: type[Plugin[Any]],
    examples: Sequence[Example] = (),
    only: Collection[str] = (),
    *,
    measure: bool = True,
    starts: int = STARTS,
    isolation: Isolation = "none",
) -> Report:
    """Run the checks, those of `only` where some are named, and, where none fails, `measure` what the hooks cost.

    `examples` take the place of the package's own; `starts` is how often it is started where leaks are looked for. With
    `isolation` the plugin is in a process of its own; four checks look into the gateway's alone, and do not apply then.

    Error: KeyError for an id that is none.
    """
    subject = Subject(plugin, examples, starts, isolation)
    verdicts = tuple(judged(subject, CHECKS[one]) for one in (only or CHECKS))
    ok = all(one.verdict != "fails" for one in verdicts)
    measured = tuple(asyncio.run(costs(subject))) if measure and ok else ()
    return Report(subject.name, plugin.manifest.version, ok, verdicts, measured)


def judged(subject: Subject, check: Check) -> Verdict:
    """Run one check to its verdict. Whatever the plugin does, it is a verdict, and within `CHECK_S` and a little more.

    Where the plugin has hung, the checks after it are not run: each would take as long, and say the same.
    """
    if subject.hung and subject.hung != check.id:
        return Verdict(
            check.id,
            check.rule,
            "not reached",
            f"it does not end, as {subject.hung} has found, and may not here",
            check.mend,
        )
    came, what = ended(_judged(subject, check), subject, check.id)
    return Verdict(check.id, check.rule, came, what, check.mend if came in ("fails", "not reached") else "")


def ended(judging: Coroutine[Any, Any, Seen], subject: Subject, name: str) -> Seen:
    """Have a check judged in an event loop of its own, which is left behind where what runs in it does not end.

    `asyncio.run` would wait for whoever catches its cancellation, and for threads, and so might never return.
    """
    runner = asyncio.Runner()
    try:
        verdict = runner.run(_limited(judging))
    except SystemExit:
        return "fails", "a task or callback of its own ends the whole process"
    finally:
        _close(runner.get_loop())
    if verdict is None:
        subject.hung = name
        return "fails", f"it has not ended after {CHECK_S:.0f} seconds"
    return verdict


async def _limited(judging: Coroutine[Any, Any, Seen]) -> Seen | None:
    """The verdict, or None where there is none in time; what goes on all the same is left to itself."""
    task = asyncio.create_task(judging)
    await asyncio.wait({task}, timeout=CHECK_S)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.wait({task}, timeout=GRACE_S)
    return None


async def _judged(subject: Subject, check: Check) -> Seen:
    try:
        await check.run(subject)
    except Fails as fails:
        return "fails", str(fails)
    except DoesNotApply as why:
        return "does not apply", str(why)
    except NotReached as why:
        return "not reached", str(why)
    except (PolicyError, CannotStart):
        return "not reached", UNSTARTED
    except Problem:
        return "fails", UNREADABLE
    except BaseException as error:  # a plugin may raise anything
        if _interrupted(error):
            raise
        return "fails", f"it raises {error_name(error)} at {place(error)}"
    return "holds", ""


def _interrupted(error: BaseException) -> bool:
    """Whether the check is to end, and not the plugin's doing."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop in which everything ends. Another is kept: to let go of it would have what hangs there go on."""
    try:
        ends = loop.run_until_complete(_all_end(loop))
    except BaseException:  # what ends may raise anything
        ends = False
    finally:
        asyncio.set_event_loop(None)
    if ends:
        loop.close()
    else:
        abandoned.append(loop)


async def _all_end(loop: asyncio.AbstractEventLoop) -> bool:
    """Cancel what is left, and say whether it has ended."""
    left = {one for one in asyncio.all_tasks(loop) if one is not asyncio.current_task()}
    for one in left:
        one.cancel()
    ending = {asyncio.create_task(loop.shutdown_asyncgens()), asyncio.create_task(loop.shutdown_default_executor())}
    _, still = await asyncio.wait(left | ending, timeout=GRACE_S)
    return not still
