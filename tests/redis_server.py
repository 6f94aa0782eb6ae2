"""A real Redis server for tests, which may stop, hang and come back."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest
from redis import Redis

READY_S = 20.0


class RedisServer:
    """Runs `redis-server` in memory on a free port of 127.0.0.1. Where it is not installed, tests are skipped, or, with
    YUMEN_REQUIRE_SERVICES=1, fail.
    """

    def __init__(self, password: str = "") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.password = password
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address, without the password."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, and wait until it answers."""
        binary = shutil.which("redis-server")
        if binary is None:
            why = "redis-server is not installed (apt-get install redis-server)"
            if os.environ.get("YUMEN_REQUIRE_SERVICES") == "1":
                pytest.fail(why)
            pytest.skip(why)
        command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command += ["--dir", tempfile.gettempdir(), *(["--requirepass", self.password] if self.password else [])]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            with socket.socket() as asking:
                if asking.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def stop(self) -> None:
        """Stop it; everything in it is lost."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """Take connections and answer nothing, until `go_on`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> Redis:
        """A plain client, to look at what is there."""
        return Redis(port=self.port, password=self.password or None)

    def clear(self) -> None:
        """Forget everything."""
        with self.client() as client:
            client.flushall()

    def everything(self) -> bytes:
        """All keys and values, as bytes."""
        parts: list[bytes] = []
        with self.client() as client:
            for key in client.scan_iter():
                parts.append(bytes(key))
                kind = client.type(key)
                parts += list(client.lrange(key, 0, -1)) if kind == b"list" else [client.get(key) or b""]
        return b"\n".join(parts)
