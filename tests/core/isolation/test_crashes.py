"""A process that crashes, hangs, fills its memory or talks nonsense costs the exchanges that are in it, and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from tests.core.isolation.flats import another, apart, instance, proxy
from tests.core.isolation.guests import MEETING
from tests.kit import exchange, request, saying
from tests.lengths import times

from yumen import CannotStart
from yumen.isolation import conversation as conversation_module
from yumen.isolation import keeper as keeper_module
from yumen.isolation.wire import Measured, encode
from yumen.step import Step
from yumen.testing import completion

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def guest(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Step]:
    """The guest, whose process the tests end in many ways."""
    async with apart(tmp_path_factory.mktemp("guest"), memory_mib=512) as found:
        yield found


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next process begins soon, however many have ended early in this file, and a hang is noticed early."""
    monkeypatch.setattr(keeper_module, "STEADY_S", 0.0)
    monkeypatch.setattr(conversation_module, "HANG_S", 0.2)
    monkeypatch.setattr(keeper_module, "LOOK_S", 0.1)


def policy(step: Step, **knobs: Any) -> Step:
    """The same plugin under other knobs."""
    return Step(instance(**knobs), step.plugin)


async def send(step: Step, text: str, **more: Any) -> Any:
    return await exchange([step], saying(completion("fine")), request(text), **more)


@pytest.mark.parametrize(
    ("text", "on_error"), [("crash", "closed"), ("bomb", "open"), ("busy", "closed"), ("share", "closed")]
)
async def test_on_error_decides(guest: Step, text: str, on_error: Any) -> None:
    """A crash, a full memory and a hook that never ends are faults, which `on_error` decides; another process begins.

    The gateway's loop does everything else meanwhile.
    """
    pid = await another(guest, None)
    step = policy(guest, on_error=on_error, timeout_ms=1000 if text == "busy" else 30_000)
    task = asyncio.create_task(send(step, f"{text} 请"))
    turns = 0
    while not task.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 20 or text != "busy"
    outcome = await task
    assert outcome.code == "plugin_fault" if on_error == "closed" else outcome.content == "fine"
    await another(guest, pid)
    assert (await send(guest, "heron")).content == "fine"


async def test_killed_in_mid_hook(guest: Step) -> None:
    """A process that is killed ends all hooks that are in it at once, and those that begin before the next one is there."""
    pid = await another(guest, None)
    waiting = [asyncio.create_task(send(guest, "slow")) for _ in range(5)]
    await asyncio.sleep(0.2)
    with capture_logs() as logs:
        os.kill(pid, signal.SIGKILL)
        assert [(await one).code for one in waiting] == ["plugin_fault"] * 5
        assert (await send(guest, "hello")).code == "plugin_fault"
        assert "ended" in await guest.plugin.ready()
        await another(guest, pid)
    assert [one["how"] for one in logs if one["event"] == "plugin_process_ended"] == ["SIGKILL"]
    assert (await send(guest, "hello")).content == "fine"
    assert await guest.plugin.ready() == ""


async def test_how_it_ended_is_known(guest: Step) -> None:
    """A process that one of its plugin's own tasks ends is logged with its status, and not as if it had been killed."""
    pid = await another(guest, None)
    with capture_logs() as logs:
        assert (await send(guest, "own task")).code == "plugin_fault"
        await another(guest, pid)
    assert [one["how"] for one in logs if one["event"] == "plugin_process_ended"] == ["status 3"]


async def test_notes_that_are_lost_are_a_fault(guest: Step) -> None:
    """An exchange that began with a process which has ended cannot go on with another one, which knows nothing of it."""
    pid = await another(guest, None)

    async def end() -> None:
        os.kill(pid, signal.SIGKILL)
        await another(guest, pid)

    engine = saying(end, completion("fine"))
    outcome = await exchange([guest], engine, request("hello"), timeout_ms=60_000)
    assert outcome.code == "plugin_fault"
    assert (await send(guest, "hello")).content == "fine"


async def test_a_late_hook_does_not_cost_the_process(guest: Step) -> None:
    """A hook that waits too long is cancelled; the process goes on, since it can still be spoken to."""
    pid = await another(guest, None)
    outcome = await send(policy(guest, timeout_ms=50), "slow")
    assert outcome.code == "plugin_fault"
    assert (await send(guest, "hello")).content == "fine"
    await asyncio.sleep(0.3)
    assert proxy(guest).pid == pid


async def test_hooks_wait_side_by_side(guest: Step) -> None:
    """Hooks that wait are in the process at once: each of these goes on when the last of them has come."""
    await another(guest, None)
    outcomes = await asyncio.gather(*(send(guest, "meet") for _ in range(MEETING)))
    assert {one.content for one in outcomes} == {"fine"}


@pytest.mark.skipif(sys.platform != "linux", reason="the system refuses processes on Linux only")
async def test_it_can_start_no_processes(guest: Step) -> None:
    """A plugin that would fork without end is refused the first one, and threads it may have.

    Nor may it signal or read other processes, or outlive the gateway; itself it may signal.
    """
    await another(guest, None)
    outcome = await send(guest, "fork")
    assert outcome.code == "plugin_fault"
    assert outcome.exchange.trace[0].reason == "PermissionError"
    code = (
        "import threading, subprocess, os, sys; from yumen.isolation.child.confine import bound; bound(1 << 30)\n"
        "done = []; thread = threading.Thread(target=done.append, args=(1,)); thread.start(); thread.join(); assert done\n"
        "for start in (os.fork, lambda: subprocess.run(['/bin/true']), lambda: os.execv('/bin/true', ['true']),\n"
        "              lambda: os.posix_spawn('/bin/true', ['true'], {})):\n"
        "    try: start()\n"
        "    except PermissionError: continue\n"
        "    sys.exit(1)\n"
        "import ctypes, errno, signal; libc = ctypes.CDLL(None, use_errno=True)\n"
        "parent, me = os.getppid(), os.getpid(); room = ctypes.create_string_buffer(64)\n"
        "for call in (lambda: libc.prctl(1, 0), lambda: libc.kill(parent, 0), lambda: libc.tgkill(parent, parent, 0),\n"
        "             lambda: libc.kill(-1, 0), lambda: libc.ptrace(16, parent, 0, 0),\n"
        "             lambda: libc.process_vm_readv(parent, room, 1, room, 1, 0), lambda: libc.sigqueue(parent, 0, 0)):\n"
        "    ctypes.set_errno(0)\n"
        "    if call() != -1 or ctypes.get_errno() != errno.EPERM: sys.exit(2)\n"
        "got = []; signal.signal(signal.SIGUSR1, lambda *_: got.append(1))\n"
        "os.kill(me, signal.SIGUSR1); signal.raise_signal(signal.SIGUSR1)\n"
        "if len(got) != 2 or libc.prctl(15, b'name') != 0: sys.exit(3)\n"
    )
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == 0


async def test_nonsense_ends_the_process(guest: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that says what it must not, or too much, is ended, and nothing is raised in the loop."""
    plugin = proxy(guest)
    for body in (b"\xc1", b"\x92\xa4told\x01"):
        pid = await another(guest, None)
        link = plugin._conversation()._orders
        link.data_received(len(body).to_bytes(4, "little") + body)
        assert plugin.pid is None
        await another(guest, pid)
    pid = await another(guest, None)
    # Few enough for a slow machine to take all of them within two seconds.
    monkeypatch.setattr(conversation_module, "ASIDES_MAX", 100)
    body = encode(Measured("count", "talk", 1.0, {}))
    with capture_logs() as logs:
        plugin._conversation()._orders.data_received((len(body).to_bytes(4, "little") + body) * 300)
        await another(guest, pid)
    assert [one["how"] for one in logs if one["event"] == "plugin_process_ended"] == ["nonsense: OverflowError"]
    assert (await send(guest, "hello")).content == "fine"


async def test_a_crash_loop_does_not_spin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that end early follow one another later and later, up to a limit."""
    monkeypatch.setattr(keeper_module, "STEADY_S", 60.0)
    waits: list[float] = []
    sleep = asyncio.sleep

    class Waiting:
        """The keeper's `asyncio`, whose sleeps are noted and short."""

        def __getattr__(self, name: str) -> Any:
            return getattr(asyncio, name)

        async def sleep(self, seconds: float) -> None:
            waits.append(seconds)
            if len(waits) > 12:
                await sleep(3600)
            await sleep(0)

    async with apart(tmp_path) as step:
        monkeypatch.setattr(keeper_module, "asyncio", Waiting())
        monkeypatch.setattr(conversation_module.Conversation, "begin", _never)
        os.kill(await another(step, None), signal.SIGKILL)
        async with asyncio.timeout(30):
            while len(waits) <= 12:
                await sleep(0.01)
    assert waits[0] <= 0.15
    assert all(one <= 45 for one in waits)
    assert waits[-1] >= 15


async def _never(*_: Any) -> Any:
    raise CannotStart("not today")


async def test_nothing_is_left(tmp_path: Path) -> None:
    """Starting and stopping leaves no process, thread, file or task, whether it was asked to stop or had ended before."""
    async with apart(tmp_path):
        pass  # what the first of all opens stays
    before = _held()
    for number in range(times(2, 100)):
        async with apart(tmp_path) as step:
            assert (await send(step, "hello")).content == "fine"
            if number % 2:
                os.kill(await another(step, None), signal.SIGKILL)
    assert _held() == before


def _held() -> tuple[int, int, int, str]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return len(os.listdir("/proc/self/fd")), threading.active_count(), len(asyncio.all_tasks()), children


async def test_a_cancelled_start_leaves_nothing(tmp_path: Path) -> None:
    """A reload that is given up while a process starts leaves none."""
    before = _held()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(_started(tmp_path), 0.1)
    assert _held() == before


async def _started(folder: Path) -> None:
    async with apart(folder):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="the system ends children with their parent on Linux only")
async def test_it_ends_with_the_gateway(tmp_path: Path) -> None:
    """A gateway that is killed leaves no process of a plugin behind."""
    code = (
        "import asyncio, sys; from pathlib import Path; from tests.core.isolation.flats import apart, proxy\n"
        "async def main():\n"
        f"    async with apart(Path({str(tmp_path)!r})) as step:\n"
        "        print(proxy(step).pid, flush=True); await asyncio.sleep(3600)\n"
        "asyncio.run(main())\n"
    )
    root = str(Path(__file__).parents[3])
    gateway = subprocess.Popen(  # noqa: ASYNC220  # returns at once
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root, start_new_session=True
    )
    assert gateway.stdout is not None
    with gateway.stdout:
        pid = int(await asyncio.to_thread(gateway.stdout.readline))
    gateway.kill()
    gateway.wait()
    async with asyncio.timeout(30):
        while _lives(pid):
            await asyncio.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
