"""What a plugin holds and where it reaches: tasks, threads and open files; files written, connections and programs begun."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import sys
import threading
import types
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yumen.parts import InstanceHost, Parts
from yumen.plugin import Plugin
from yumen.view import View

# How long what was begun may take to end.
WAIT_S, LOOK_S = 2.0, 0.005
# A leak grows every time; what is opened once, and lazily, does not.
ROUNDS = 3
# How much of what a plugin refers to is looked through.
OBJECTS_MAX = 200_000
DESCRIPTORS = Path("/proc/self/fd")
THREADS = Path("/proc/self/task")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
OUTWARD = {"socket.connect", "socket.sendto", "socket.sendmsg"}
PROGRAMS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty"}
# What belongs to the interpreter and its modules, and is nobody's memory.
SHARED = (
    types.ModuleType, type, types.FunctionType, types.BuiltinFunctionType, types.CodeType, types.FrameType,
    InstanceHost, Parts, View, asyncio.AbstractEventLoop,
)  # fmt: skip


def held() -> Counter[str]:
    """What this process holds now: tasks, timers, threads, child processes and open files, as names, each so many times."""
    found: Counter[str] = Counter()
    for task in asyncio.all_tasks():
        if task is not asyncio.current_task() and not task.done():
            found[f"task {getattr(task.get_coro(), '__qualname__', 'without a name')}"] += 1
    loop: Any = asyncio.get_running_loop()
    found.update(f"timer {_called(one)}" for one in getattr(loop, "_scheduled", ()) if not one.cancelled())
    known = threading.enumerate()
    own = _loops_own(loop)
    found.update(f"thread {re.sub(r'[0-9]+', '', one.name)}" for one in known if one not in own)
    if bare := _bare_threads({one.native_id for one in known}):
        found["thread that Python does not list"] = bare
    if children := _children():
        found["child process"] = children
    found.update(f"file {_named(one)}" for one in _descriptors())
    return found


def _called(timer: Any) -> str:
    """The function of a timer; where it lies in a task, whose name says more, that is told already."""
    function = timer._callback
    return getattr(function, "__qualname__", type(function).__name__)


def _loops_own(loop: Any) -> Collection[threading.Thread]:
    """The threads of `asyncio.to_thread`: the loop makes one whenever none is idle, up to a bound."""
    executor = getattr(loop, "_default_executor", None)
    return getattr(executor, "_threads", ())


def _bare_threads(known: Collection[int | None]) -> int:
    """How many threads were begun without the module `threading`, by native libraries too."""
    if not THREADS.is_dir():
        return 0
    return sum(int(one) not in known for one in os.listdir(THREADS))


def _children() -> int:
    """How many processes have been begun and not been waited for; none where this machine does not say."""
    found = 0
    for one in os.listdir(THREADS) if THREADS.is_dir() else ():
        try:
            found += len((THREADS / one / "children").read_text().split())
        except OSError:  # a thread that has ended, or a machine that does not say
            continue
    return found


def _descriptors() -> Iterator[str]:
    """Where each open file leads; nothing where this machine does not say."""
    for one in os.listdir(DESCRIPTORS) if DESCRIPTORS.is_dir() else ():
        try:
            target = os.readlink(DESCRIPTORS / one)
        except OSError:  # the one that listed them
            continue
        if not target.startswith(f"/proc/{os.getpid()}/"):
            yield target


def _named(target: str) -> str:
    """A socket by its kind; a file by its name alone, since each harness has a folder of its own."""
    return target.split(":")[0] if ":[" in target else Path(target).name


async def more_than(before: Counter[str]) -> list[str]:
    """What is held beyond `before`, and stays."""
    ends = asyncio.get_running_loop().time() + WAIT_S
    while more := held() - before:
        if asyncio.get_running_loop().time() > ends:
            return sorted(f"{count} more: {name}" for name, count in more.items())
        gc.collect()
        await asyncio.sleep(LOOK_S)
    return []


async def left_by(rounds: Callable[[], Awaitable[None]]) -> list[str]:
    """What each round of something leaves behind anew."""
    await rounds()
    more: list[str] = []
    for _ in range(ROUNDS):
        before = held()
        await rounds()
        more = await more_than(before)
        if not more:
            return []
    return more


class Reach:
    """What was opened for writing, connected to and begun, while it was watched."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.connections: set[str] = set()
        self.programs: set[str] = set()

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """See `sys.addaudithook`."""
        if event == "open":
            path, mode, flags = arguments
            writes = bool(flags & WRITING) if isinstance(flags, int) else False
            if isinstance(path, str | bytes) and (writes or (isinstance(mode, str) and set(mode) & set("wax+"))):
                self.files.add(os.path.abspath(os.fsdecode(path)))
        elif event == "sqlite3.connect" and arguments[0] not in (":memory:", b":memory:"):
            self.files.add(os.path.abspath(os.fsdecode(arguments[0])))
        elif event in OUTWARD:
            self.connections.add(str(arguments[1]))
        elif event in PROGRAMS:
            self.programs.add(event)

    def outside(self, folder: Path) -> list[str]:
        """The files that lie outside a folder; bytecode that an import leaves, and devices, are none."""
        return sorted(
            one
            for one in self.files
            if not Path(one).is_relative_to(folder) and "__pycache__" not in one and not one.startswith("/dev/null")
        )


# An audit hook cannot be taken away again, so there is one, and it asks who watches.
_watching: list[Reach] = []
_hooked = False


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    for one in _watching:
        one.note(event, arguments)


@contextmanager
def reach() -> Iterator[Reach]:
    """Watch this process."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_note)
        _hooked = True
    watched = Reach()
    _watching.append(watched)
    try:
        yield watched
    finally:
        _watching.remove(watched)


def remembers(plugin: Plugin[Any], values: Collection[str]) -> bool:
    """Whether one of some values stands in a text that a plugin refers to, itself or by its class."""
    classes = [one for one in type(plugin).__mro__ if one is not Plugin and issubclass(one, Plugin)]
    waiting: list[Any] = [vars(plugin), *(dict(vars(one)) for one in classes)]
    known = {id(one) for one in waiting}
    raw = [value.encode() for value in values]
    while waiting and len(known) < OBJECTS_MAX:
        one = waiting.pop()
        if isinstance(one, str) and any(value in one for value in values):
            return True
        if isinstance(one, bytes | bytearray) and any(value in one for value in raw):
            return True
        for next_ in gc.get_referents(one):
            if id(next_) not in known and not isinstance(next_, SHARED):
                known.add(id(next_))
                waiting.append(next_)
    return False
