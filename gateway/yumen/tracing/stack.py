"""Tells by a thread's stack whose code it runs: the instance, the hook, and the line of the plugin.

The functions of the core that call somebody else's code know for whom they do, so nothing has to be noted on the way: an
exchange pays nothing for this, and a hook that waited and goes on is found as well as one that never did.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from itertools import takewhile
from types import FrameType
from typing import Any, NamedTuple

from yumen import registry
from yumen.tracing.running import running

CORE = "yumen"
Whose = tuple[str, str]
# How deep a stack is looked at; recursion goes a thousand deep.
FRAMES_MAX = 2000
ENGINE = "engine "
# What runs a loop: innermost it waits for work. (uvloop has no frames, so there it is whoever runs that.)
LOOPS = frozenset({"uvloop", "granian"})
LOOP_MODULES = frozenset({"asyncio.events", "asyncio.base_events", "asyncio.runners", "yumen.strays"})
DEBUGGERS = frozenset({"bdb", "pdb", "pydevd", "_pydevd_bundle", "debugpy"})


class Found(NamedTuple):
    """`plugin` is an instance, or what else is at work; empty where it is the core. `at` is `file:line`."""

    plugin: str
    hook: str
    at: str
    distribution: str


def _instance(names: Mapping[str, Any]) -> str:
    return str(names["self"].name)


def _part(names: Mapping[str, Any]) -> str:
    return str(names["what"]).removeprefix("plugin ")


# By module and function: for whom, and in which hook. tests/core/tracing has one test for each.
CALLERS: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Whose]] = {
    ("yumen.step", "Step.call"): lambda names: (_instance(names), str(names["hook"])),
    ("yumen.step", "Step.wants_whole"): lambda names: (_instance(names), "whole"),
    ("yumen.asking", "Asking.by_way_of"): lambda names: (str(names["step"].name), "on_ask"),
    ("yumen.chain", "Run.ask"): lambda names: (f"{ENGINE}{names['target'].name}", "generate"),
    ("yumen.streaming", "StreamRun._relay"): lambda names: (f"{ENGINE}{names['exchange'].engine}", "generate"),
    ("yumen.parts", "_begun"): lambda names: (_part(names), "start"),
    ("yumen.stopping", "_stopped"): lambda names: (_part(names), "stop"),
    ("yumen.parts", "_forgotten"): lambda names: (str(names["name"]), "on_erase"),
    ("yumen.runtime", "Runtime.note"): lambda names: (str(names["name"]), "on_operation"),
    ("yumen.readiness", "_answer"): lambda names: (_part(names), "ready"),
    ("yumen.admin.plugins", "_answered"): lambda names: (str(names["name"]), "admin"),
}


class Level(NamedTuple):
    """One level of a stack as it was when it was looked at; the frame itself may go on."""

    frame: FrameType
    module: str
    line: int

    @property
    def root(self) -> str:
        return self.module.partition(".")[0]

    @property
    def at(self) -> str:
        return f"{self.frame.f_code.co_filename}:{self.line}"


def find(thread_id: int) -> Found | None:
    """Whose code a thread runs; None where its loop waits for work, or a debugger has stopped it."""
    step, levels = running.step, _levels(thread_id)
    if not levels or _waits(levels) or any(level.root in DEBUGGERS for level in levels):
        return None
    inside: list[Level] = []
    for level in levels:
        if step is not None and level.root == CORE:
            return _found(step.name, "stream", inside or [level])
        called = CALLERS.get((level.module, level.frame.f_code.co_qualname))
        if called is not None:
            try:
                plugin, hook = called(level.frame.f_locals)
            except LookupError:
                continue  # it has not come so far, or is past it
            if inside or not plugin.startswith(ENGINE):
                return _found(plugin, hook, inside or [level])
            break  # the core is at work on what the engine gave
        if level.root != CORE:
            inside.append(level)
    # A task of a plugin's own, or a callback: whose, its module tells.
    task = list(takewhile(lambda level: not _runs_loop(level), levels))
    for level in task:
        offered = {one for one in registry.listings("plugin") if _within(level.module, one.target)}
        if len(offered) == 1:
            owner = offered.pop()
            return Found(owner.name, "task", level.at, owner.distribution)
    core = next((level for level in task if level.root == CORE), None)
    return Found("", "", (core or _own(task)).at, "")


def _waits(levels: list[Level]) -> bool:
    """Whether a loop waits for work. Others wait by `selectors` too: `subprocess` does."""
    selects = levels[0].module == "selectors" and len(levels) > 1
    return _runs_loop(levels[1] if selects else levels[0])


def _runs_loop(level: Level) -> bool:
    return level.root in LOOPS or level.module in LOOP_MODULES


def _found(plugin: str, hook: str, inside: list[Level]) -> Found:
    """`inside` are the levels of a call, the innermost first."""
    level = _own(inside)
    return Found(plugin, hook, level.at, registry.owner(level.module))


def _own(inside: list[Level]) -> Level:
    """The innermost level of whoever stands outermost: others are of libraries that it uses."""
    own = inside[-1].root
    return next(level for level in inside if level.root == own)


def _levels(thread_id: int) -> list[Level]:
    """The stack of a thread, the innermost level first."""
    levels: list[Level] = []
    frame = sys._current_frames().get(thread_id)
    while frame is not None and len(levels) < FRAMES_MAX:
        levels.append(Level(frame, str(frame.f_globals.get("__name__", "")), frame.f_lineno))
        frame = frame.f_back
    return levels


def _within(module: str, target: str) -> bool:
    """Whether a module is that of an entry point, or below its package."""
    package = target.partition(":")[0]
    return module == package or module.startswith(f"{package}.")
