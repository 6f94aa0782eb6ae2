"""A real gateway process for tests: `yumen serve` on a free port, with its data and log in a temporary folder."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests import ledgers

APP_KEY = "test-app-key-0123456789abcdef"
ADMIN_KEY = "test-admin-key-0123456789abcdef"
PROGRAM = str(Path(sys.executable).with_name("yumen"))


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Gateway:
    """One server process; `start` and `stop` may be called again and again on the same data."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.data_dir = folder / "data"
        self.log_path = folder / "gateway.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = APP_KEY
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("YUMEN_")},
            "YUMEN_DATA": str(self.data_dir),
            "YUMEN_PORT": str(self.port),
            "YUMEN_APP_KEY": APP_KEY,
            "YUMEN_ADMIN_KEY": ADMIN_KEY,
            **env,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Gateway:
        """Start the process and wait until it is ready."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "serve"], env=self.env, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f"the gateway ended with {self.process.returncode}:\n{self.log}")
            try:
                urllib.request.urlopen(self.url + "/readyz", timeout=2).close()
                return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise AssertionError(f"the gateway did not become ready:\n{self.log}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process and all its workers."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
            self.process = None

    @property
    def log(self) -> str:
        """Everything that the process has written."""
        return self.log_path.read_text(errors="replace")

    def ledger(self) -> bytes:
        """Every byte below the data directory's ledger, and every record with its texts."""
        return ledgers.contents(self.data_dir)

    def get(self, path: str, key: str = "") -> tuple[int, str]:
        """Status and body of a GET, with a key or without one."""
        asked = urllib.request.Request(self.url + path, headers={"authorization": f"Bearer {key}"} if key else {})
        try:
            with urllib.request.urlopen(asked, timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def trusted_key(self) -> str:
        """A new key that no rate limit holds back."""
        made = self.yumen("keys", "create", "--tenant", "trusted", "--app", "tests", "--trusted", "--json")
        assert made.returncode == 0, made.stderr
        key: str = json.loads(made.stdout)["key"]
        self.wait_for_key(key)
        return key

    def wait_for_key(self, key: str, path: str = "/v1/models") -> None:
        """Wait until the running process knows a new key, which it looks for once a second; the key opens `path`."""
        until = time.monotonic() + 60
        while self.get(path, key)[0] == 401:
            assert time.monotonic() < until, "the key never became known"
            time.sleep(0.1)

    def yumen(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line on the same data."""
        return subprocess.run(
            [PROGRAM, *arguments], env=self.env, capture_output=True, text=True, timeout=60, check=False
        )
