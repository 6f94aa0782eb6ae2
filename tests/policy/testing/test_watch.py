"""`yumen policy test --watch`: a real process, real files, and an end by Ctrl-C."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.policy.testing.bench import case, chain, plugin, write
from tests.serving import PROGRAM

GOOD = case("hello", expect={"decision": "allow"})
BAD = case("hello", expect={"decision": "block"})
FILES = {"gateway.yaml": chain("limits"), "limits.yaml": plugin("limits")}
WAIT_S = 60


def _hear_ctrl_c() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so does what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Watching:
    """The process, and the lines that it prints."""

    def __init__(self, folder: Path) -> None:
        command = [PROGRAM, "policy", "test", str(folder), "--watch"]
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, preexec_fn=_hear_ctrl_c
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def until(self, part: str) -> str:
        """The next line that holds this."""
        while (line := self._lines.get(timeout=WAIT_S)) is not None:
            if part in line:
                return line
        raise AssertionError(f"it ended without saying {part}")

    def end(self) -> int:
        """Press Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        return status

    def close(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    """A process that watches a bundle whose one case passes."""
    running = Watching(write(tmp_path, GOOD, files=FILES))
    yield running
    running.close()


@pytest.mark.slow
def test_it_runs_again_when_a_file_changes(tmp_path: Path, watching: Watching) -> None:
    """A change is noticed, a bundle that does not hold ends nothing, nor does one that is gone; Ctrl-C ends with 0."""
    watching.until("1 case: 1 passed, 0 failed")
    watching.until("Waiting for a change")
    folder = write(tmp_path, BAD, files=FILES)
    assert watching.until("1 case: ") == "1 case: 0 passed, 1 failed"
    watching.until("Waiting for a change")
    (folder / "limits.yaml").write_text("version: 1\nplugin: limitz\n")
    watching.until("policy.plugin")
    watching.until("Waiting for a change")
    folder.rename(tmp_path / "away")
    watching.until("bundle.not-found")
    watching.until("Waiting for a change")
    (tmp_path / "away").rename(folder)
    watching.until("policy.plugin")
    watching.until("Waiting for a change")
    write(tmp_path, GOOD, GOOD, files=FILES)
    watching.until("2 cases: 2 passed, 0 failed")
    watching.until("Waiting for a change")
    assert watching.end() == 0


@pytest.mark.slow
def test_what_a_bundle_extends_is_watched_too(tmp_path: Path) -> None:
    """A change below is a change."""
    base = write(tmp_path, GOOD, files=FILES)
    child = tmp_path / "child"
    child.mkdir()
    (child / "gateway.yaml").write_text('version: 1\nextends: "../bundle"\n')
    running = Watching(child)
    try:
        running.until("1 case: 1 passed")
        running.until("Waiting for a change")
        write(tmp_path, GOOD, BAD, files=FILES)
        running.until("2 cases: 1 passed, 1 failed")
        assert running.end() == 0
    finally:
        running.close()
    assert base.is_dir()
