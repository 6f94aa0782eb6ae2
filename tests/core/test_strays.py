"""What plugins do where nobody waits for it ends no worker, and stands in the log without its words."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
import time
import urllib.request
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from structlog.testing import capture_logs
from tests.core.registry.site import on_path, plugin
from tests.serving import Gateway

from yumen.strays import LEVELS_MAX, contain, origin
from yumen.tracing.stack import find

SECRET = "张三 13987654321"
STRAY = """
import asyncio, signal, threading, time, warnings
SECRET = "张三 13987654321"
class Bad:
    def __del__(self): raise ValueError(SECRET)
def bad(error): raise error
async def later(error): bad(error)
async def never(): await asyncio.get_running_loop().create_future()
def acts():
    loop = asyncio.get_running_loop()
    yield loop.create_task(later(SystemExit(SECRET)))
    yield loop.create_task(later(KeyboardInterrupt(SECRET)))
    yield loop.create_task(later(ValueError(SECRET)))
    yield loop.create_task(never())
    yield loop.call_soon(bad, SystemExit(SECRET))
    yield loop.call_soon(bad, KeyboardInterrupt(SECRET))
    yield loop.call_soon(bad, ValueError(SECRET))
    thread = threading.Thread(target=bad, args=(ValueError(SECRET),), name=SECRET)
    yield thread.start()
    Bad()
    yield warnings.warn(SECRET)
"""
HOOK = """    async def on_request(self, exchange):
        for _ in acts(): await asyncio.sleep(0.01)
"""
GATEWAY = """version: 1
engines:
  a: {adapter: faq, egress: local}
routes:
  - {id: chat, match: {paths: [/v1/chat/completions]}, engine: a, chain: [stray]}
"""
# Beside the task that was destroyed: it has no error.
TOLD = [
    ("loop", "SystemExit"),
    ("loop", "KeyboardInterrupt"),
    ("task", "ValueError"),
    ("loop", "SystemExit"),
    ("loop", "KeyboardInterrupt"),
    ("callback", "ValueError"),
    ("thread", "ValueError"),
    ("finalizer", "ValueError"),
]


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set for a whole process is set back."""
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)


def raises(error: BaseException) -> None:
    raise error


async def later(error: BaseException) -> None:
    raise error


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize("make", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_loop_goes_on(make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Whatever a task or callback raises, all that was due is done, and what is run to its end has its result."""
    done: list[int] = []

    async def main() -> str:
        loop = asyncio.get_running_loop()
        failing = [loop.create_task(later(KeyboardInterrupt(SECRET))) for _ in range(20)]
        for number in range(20):
            loop.call_soon(raises, SystemExit(SECRET))
            loop.call_soon(done.append, number)
            loop.call_later(0.001, done.append, number)
        await asyncio.sleep(0.05)
        assert {type(task.exception()) for task in failing} == {KeyboardInterrupt}
        return "done"

    loop = make()
    contain(loop)
    with capture_logs() as log:
        try:
            assert loop.run_until_complete(main()) == "done"
        finally:
            loop.close()
    assert sorted(done) == sorted([*range(20)] * 2)
    # Of what is raised in one turn, one kind of loop tells the last only.
    assert {event["where"] for event in log} == {"loop"}
    assert SECRET not in str(log)


@pytest.mark.usefixtures("hooks")
def test_a_task_that_is_destroyed_is_told_by_its_place() -> None:
    """What has no error, such as a task that nobody keeps, has at least the place of its function."""
    loop = asyncio.new_event_loop()
    contain(loop)
    with capture_logs() as log:
        task = loop.create_task(asyncio.sleep(3600))
        loop.call_exception_handler({"message": SECRET, "task": task})
        task.cancel()
        loop.run_until_complete(asyncio.wait([task]))
        loop.close()
    assert [(event["where"], event["error"]) for event in log] == [("task", "")]
    assert "/asyncio/tasks.py:" in log[0]["at"]


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize("make", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_loop_that_waits_is_no_alarm(make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Whoever looks for what stops the loop does not take the frame that runs it again for somebody at work."""
    watched = threading.get_ident()

    def look() -> bool:
        for _ in range(1000):
            if find(watched) is None:
                return True
            time.sleep(0.001)
        return False

    async def main() -> bool:
        return await asyncio.to_thread(look)

    loop = make()
    contain(loop)
    try:
        assert loop.run_until_complete(main())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def test_a_deep_traceback_is_bounded() -> None:
    """An endless recursion is told by its ends, and looking who it belongs to is bounded."""

    def deep(depth: int) -> None:
        if depth == 0:
            raise ValueError
        deep(depth - 1)

    with pytest.raises(ValueError, match=r"^$") as raised:
        deep(5 * LEVELS_MAX)
    assert origin(raised.value) == (f"{__file__}:{deep.__code__.co_firstlineno + 2}", "")


@pytest.mark.server
def test_a_worker_goes_on_and_says_whose_it_was(tmp_path: Path) -> None:
    """A real worker survives it all, names place and distribution of each, says no word of it, and still obeys a signal."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "gateway.yaml").write_text(GATEWAY)
    (bundle / "stray.yaml").write_text("version: 1\nplugin: stray\ntimeout_ms: 30000\n")
    with on_path(tmp_path / "site") as site:
        site.add_plugin("stray", plugin("stray", more=STRAY, body=HOOK))
        gateway = Gateway(tmp_path, YUMEN_POLICIES=str(bundle), YUMEN_WATCH="0").start()
        try:
            assert [ask(gateway), ask(gateway)] == [200, 200]
            process = gateway.process
            assert process is not None
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            gateway.stop()
    events = [json.loads(line) for line in gateway.log.splitlines() if line.startswith("{")]
    strays = [event for event in events if event["event"] == "unhandled"]
    told = [(event["where"], event["error"]) for event in strays if event["error"]]
    again = {("task", "SystemExit"), ("task", "KeyboardInterrupt")}
    assert sorted(one for one in told if one not in again) == sorted(TOLD * 2)
    for event in strays:
        assert "acme_stray" in event["at"]
        assert event["distribution"] == ("acme-stray" if event["error"] else "")
    assert [event["error"] for event in events if event["event"] == "python_warning"] == ["UserWarning"]
    assert "13987654321" not in gateway.log
    assert "Traceback" not in gateway.log


def ask(gateway: Gateway) -> int:
    body = json.dumps({"model": "a", "messages": [{"role": "user", "content": SECRET}]}).encode()
    headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
    request: Any = urllib.request.Request(f"{gateway.url}/v1/chat/completions", body, headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        status: int = reply.status
        return status
