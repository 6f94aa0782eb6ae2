"""Whatever a plugin does, its checks come to an end, and what they changed meanwhile is as before."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.testing.conformance.bad_base import Bad

from yumen import Erasure, Exchange, Host
from yumen.testing.conformance import examine, running
from yumen.testing.conformance.output import listening
from yumen.testing.conformance.running import abandoned


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody waits for what is known not to end; and nothing is left to other tests."""
    monkeypatch.setattr(running, "CHECK_S", 0.5)
    monkeypatch.setattr(running, "GRACE_S", 0.05)
    Endless.ends = False
    yield
    Endless.ends = True
    while abandoned:
        loop = abandoned.pop()
        loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
        loop.close()


class Endless(Bad):
    """Does not end, whoever cancels it."""

    ends = True

    async def on_erase(self, erasure: Erasure) -> int:
        while not Endless.ends:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue
        return 0


def test_what_swallows_its_cancellation_hangs_nobody() -> None:
    """A check that cannot be ended is left behind, with a verdict."""
    (found,) = examine(Endless, only=["erase.counts"], measure=False).verdicts
    assert (found.verdict, found.what) == ("fails", "it has not ended after 0 seconds")
    assert len(abandoned) == 1


def test_a_plugin_hangs_once() -> None:
    """What would hang in every check is waited for in the first, and said of the others."""

    class Hanging(Bad):
        async def stop(self) -> None:
            await asyncio.sleep(3600)

    report = examine(Hanging, only=["schema.default", "hooks.sound", "text.out"], measure=False)
    assert not report.ok
    assert [one.verdict for one in report.verdicts] == ["fails", "not reached", "not reached"]
    assert "schema.default" in report.verdicts[1].what
    assert not abandoned


def test_a_task_that_exits_is_a_verdict() -> None:
    """A plugin's own task cannot end the command with the exit status of its choice."""

    class Exiting(Bad):
        async def start(self, host: Host) -> None:
            asyncio.get_running_loop().call_soon(sys.exit, 0)

    (found,) = examine(Exiting, only=["schema.default"], measure=False).verdicts
    assert (found.verdict, "ends the whole process" in found.what) == ("fails", True)


def test_an_edit_that_nobody_can_read_is_said_in_words() -> None:
    """Whoever edits a name is told so, and not at which line of the gateway that is found out."""

    class Naming(Bad):
        manifest = Bad.manifest.__class__(name="bad", version="1", sees="raw", mutates=True)

        async def on_request(self, exchange: Exchange) -> None:
            for text in exchange.texts:
                text.replace(0, len(text.value), "!\x00 {")

    found = examine(Naming, only=["state.tenants"], measure=False).verdicts[0]
    assert (found.verdict, found.what) == ("fails", running.UNREADABLE)


THREAD = """
import asyncio, sys, time
from yumen import Manifest, NoConfig, Plugin
from yumen.cli.plugins import check
from yumen.testing.conformance import running

class Blocked(Plugin[NoConfig]):
    manifest = Manifest(name="blocked", version="1", sees="raw")

    async def on_request(self, exchange):
        await asyncio.to_thread(time.sleep, 600)

running.CHECK_S = running.GRACE_S = 0.5
sys.modules["blocked"] = sys.modules["__main__"]
check.check(["blocked:Blocked", "--only", "hooks.sound", "--json"])
"""


def test_the_command_waits_for_no_thread(tmp_path: Path) -> None:
    """Python waits at its end for every thread of a pool: the command says what failed, and ends."""
    script = tmp_path / "blocked.py"
    script.write_text(THREAD)
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, '"verdict":"fails"' in ended.stdout) == (2, True), ended.stderr


def test_what_is_said_is_heard_and_then_as_before(capfd: pytest.CaptureFixture[str]) -> None:
    """Every way of saying something is heard, threads' included, and none of it gets out."""
    logger, stdout, level = logging.getLogger("house"), sys.stdout, logging.getLogger().level
    for say, place in (
        (lambda: print("猎鹰 falcon"), "standard output or error"),
        (lambda: os.write(2, "猎鹰 falcon".encode()), "standard output or error"),
        (lambda: sys.stderr.write("猎鹰 falcon"), "standard output or error"),
        (lambda: subprocess.run([sys.executable, "-c", "print('falcon')"], check=True), "standard output or error"),
        (lambda: logger.debug("%s", "猎鹰 falcon"), "a record of `logging`"),
        (lambda: warnings.warn("猎鹰 falcon", stacklevel=1), "a warning"),
    ):
        with listening() as output:
            thread = threading.Thread(target=say)
            thread.start()
            thread.join()
        assert place in output.holding(["falcon"])
        assert output.holding(["heron", "苍鹭"]) == []
    assert (sys.stdout, logging.getLogger().level) == (stdout, level)
    assert "falcon" not in "".join(capfd.readouterr())
    print("heard again")
    assert capfd.readouterr().out == "heard again\n"
