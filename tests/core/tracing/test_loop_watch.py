"""A plugin that stops the event loop is noticed and named, and nobody else is."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.core.tracing import blockers
from tests.core.tracing.blockers import (
    PATIENCE_S,
    SOON_S,
    Blocker,
    BlockingEngine,
    Tasked,
    Watched,
    blocked,
    counted,
    seen,
)

from yumen.admin.plugins import _answered
from yumen.operators import Erasure, Operation
from yumen.testing import Harness, chat
from yumen.tracing import watch
from yumen.tracing.stack import CALLERS, Found, find
from yumen.tracing.watch import LoopWatch

HERE = str(Path(blockers.__file__))


def line(text: str) -> int:
    """The number of the first line of the plugins' file that holds a text."""
    lines = Path(HERE).read_text().splitlines()
    return next(number for number, one in enumerate(lines, 1) if text in one)


@pytest.mark.parametrize("hook", ["on_request", "resumed", "on_ask", "on_complete", "start", "stop"])
async def test_a_hook_that_blocks_is_named(hook: str) -> None:
    """Instance, hook, and the line of the plugin's own module; also of a hook that has waited before, and goes on."""
    before = counted("blocker")
    async with Watched(Harness.of(Blocker, {"hook": hook})) as harness:
        (await harness.ask(chat("你好"))).assert_answered("你好")
        log = harness.log
    (event,) = (one for one in log if one["event"] == "loop_blocked" and one["plugin"] == "blocker")
    assert (event["plugin"], event["hook"]) == ("blocker", "on_request" if hook == "resumed" else hook)
    assert event["at"] == f"{HERE}:{line('assert seen.wait')}"
    assert event["ms"] >= SOON_S * 1000
    assert counted("blocker") == before + 1
    assert "你好" not in str(log)


@pytest.mark.parametrize("hook", ["stream", "feed", "finish", "whole"])
async def test_what_blocks_a_stream_is_named(hook: str) -> None:
    """Filters run in a compiled module that has no frames; nothing may be taken for the engine, or for nobody."""
    async with Watched(Harness.of(Blocker, {"hook": hook})) as harness:
        (await harness.ask(chat("hello", stream=True))).assert_answered("hello")
        events = blocked(harness, "blocker")
    told = {(event["plugin"], event["hook"]) for event in events}
    assert told == {("blocker", "whole" if hook == "whole" else "stream")}
    assert events[0]["at"].startswith(HERE)


@pytest.mark.parametrize("hook", ["on_operation", "on_erase", "admin", "ready"])
async def test_what_operators_ask_for_is_named(hook: str) -> None:
    """An operator's question that blocks stops everybody's exchanges as well."""
    async with Watched(Harness.of(Blocker, {"hook": hook})) as harness:
        if hook == "on_operation":
            await harness.runtime.note(Operation(kind="tested", actor="start", at=0.0))
        elif hook == "on_erase":
            await harness.runtime.erase(Erasure("test"))
        elif hook == "ready":
            await harness.runtime.ready()
        else:
            await _answered(harness.plugin().inspect({}), "blocker")
        (event,) = blocked(harness, "blocker")
    assert event["hook"] == hook


@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_that_blocks_is_named(stream: bool) -> None:
    """A plugin is not blamed for the engine behind it."""
    harness = Harness.of(Blocker, {"hook": "never"})
    harness.engine = BlockingEngine()
    async with Watched(harness):
        (await harness.ask(chat("好", stream=stream))).assert_answered("好")
        (event,) = blocked(harness, "engine engine")
        assert blocked(harness, "blocker") == []
    assert event["hook"] == "generate"


@pytest.mark.parametrize("hook", ["regex", "selectors"])
async def test_what_looks_like_no_call_is_named(hook: str) -> None:
    """A pattern that takes long holds the watch up too, which looks as soon as it can; `subprocess` waits as loops do."""
    async with Watched(Harness.of(Blocker, {"hook": hook})) as harness:
        await harness.ask(chat("a"))
        assert await asyncio.to_thread(seen.wait, PATIENCE_S)
        events = blocked(harness, "blocker")
    assert ("blocker", "on_request") in {(event["plugin"], event["hook"]) for event in events}


async def test_a_task_of_a_plugin_is_not_put_on_a_hook() -> None:
    """What runs beside hooks is reported without blaming the plugin whose hook happens to wait."""
    async with Watched(Harness.of(Tasked)) as harness:
        await asyncio.sleep(0)
        places = [event["at"] for event in blocked(harness, "")]
        assert blocked(harness, "tasked") == []
    assert f"{HERE}:{line('assert seen.wait')}" in places


async def test_waiting_is_not_blocking() -> None:
    """A hook that waits as it should lets the loop go on, however long it takes."""
    async with Watched(Harness.of(Blocker, {"hook": "slow"})) as harness:
        await harness.ask_all(chat("hello"), chat("你好", stream=True))
        assert blocked(harness, "blocker") == []


def test_a_stopped_machine_is_no_alarm() -> None:
    """A process that was stopped, as by a debugger or with its machine, has blocked nothing."""
    code = """
import asyncio, sys
from structlog.testing import capture_logs
from yumen.tracing.watch import LoopWatch
async def main():
    watch = LoopWatch(0.05, 0.05)
    watch.start()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await asyncio.sleep(0.3)
    watch.stop()
with capture_logs() as log:
    asyncio.run(main())
print(log)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGCONT)
    out, _ = process.communicate("\n", timeout=60)
    assert out == "[]\n"


def test_a_debugger_is_no_alarm() -> None:
    """Whoever stands in a breakpoint has not written a slow plugin."""
    found: list[Found | None] = []

    def look() -> None:
        found.append(find(threading.get_ident()))

    look()
    exec(compile("look()", "pdb.py", "exec"), {"__name__": "pdb", "look": look})
    assert found[0] is not None
    assert found[1] is None


def test_one_hook_is_logged_once_a_minute() -> None:
    """A plugin that blocks at every exchange does not fill the log, and every time is counted."""
    quiet = LoopWatch()
    with capture_logs() as log:
        for at in (0.0, 1.0, 59.0, 60.0):
            quiet._report(Found("甲", "on_request", "a.py:1", "a"), 0.3, at)
        for number in range(3 * watch.KNOWN_MAX):
            quiet._report(Found("乙", str(number), "a.py:1", "a"), 0.3, 61.0)
    assert [event["unlogged"] for event in log if event["plugin"] == "甲"] == [0, 2]
    assert len(quiet._logged) <= watch.KNOWN_MAX
    assert counted("甲") == 4


async def test_a_watch_leaves_nothing_behind() -> None:
    """A hundred watches leave no thread and no timer, and stopping twice, or without a start, is nothing."""
    threads, one = threading.active_count(), LoopWatch()
    one.stop()
    for _ in range(100):
        one.start()
        one.stop()
    one.stop()
    assert threading.active_count() == threads
    assert one._timer is None


def test_a_deep_stack_is_bounded() -> None:
    """A stack that changes, has gone, or is deeper than anybody reads is no error."""
    assert find(-1) is None
    deep: list[Found | None] = []

    def dig(depth: int) -> None:
        if depth:
            dig(depth - 1)
        else:
            deep.append(find(threading.get_ident()))

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        dig(5_000)
    finally:
        sys.setrecursionlimit(limit)
    assert deep[0] is not None


def test_every_caller_is_there() -> None:
    """The core's functions are looked for by name: one that was renamed would be missed without a word."""
    for module, name in CALLERS:
        owner = importlib.import_module(module)
        for part in name.split("."):
            owner = getattr(owner, part)
        assert owner.__module__ == module


def test_what_holds_the_interpreter_is_told_meanwhile(tmp_path: Path) -> None:
    """A pattern of `re` lets no thread look; where all are is said all the same, and no text of anybody."""
    pattern = tmp_path / "pattern.py"
    pattern.write_text("import re\ndef slow(text): return re.match('(a+)+$', text)\n")
    code = """
import asyncio, sys
from pattern import slow
from yumen.tracing.watch import LoopWatch
async def main():
    watch = LoopWatch(60.0, 60.0, standing_s=0.2)
    watch.start()
    slow("a" * 80 + "b")
asyncio.run(main())
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
    )  # fmt: skip
    assert process.stderr is not None
    try:
        said = ""
        while "pattern.py" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert 'pattern.py", line 2 in slow' in said
    assert "aaaa" not in said


async def test_a_loop_that_turns_prints_no_stacks(capfd: pytest.CaptureFixture[str]) -> None:
    """The stacks are for a loop that stands still, and a watch that has ended leaves no timer of the process behind."""
    one = LoopWatch(60.0, 60.0, standing_s=1.5)
    one.start()
    await asyncio.sleep(2.0)
    one.stop()
    assert "Timeout" not in capfd.readouterr().err
