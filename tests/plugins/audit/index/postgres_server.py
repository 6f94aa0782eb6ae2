"""A real PostgreSQL server for tests, which may stop and come back."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

READY_S = 30.0
PASSWORD = "not-to-be-seen-5f1c"


class PostgresServer:
    """Runs `postgres` in a folder of its own, on a free port of 127.0.0.1. Where it is not installed, tests are skipped, or,
    with YUMEN_REQUIRE_SERVICES=1, fail.
    """

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._folder = Path(tempfile.mkdtemp(prefix="yumen-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        # It refuses to run as root.
        self._user = "nobody" if os.geteuid() == 0 else None

    @property
    def url(self) -> str:
        """Its address, with a password."""
        return f"postgresql://yumen:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start, and wait until it answers. The first time it makes its files."""
        data = self._folder / "data"
        if not data.exists():
            password = self._folder / "password"
            password.write_text(PASSWORD)
            if self._user:
                entry = pwd.getpwnam(self._user)
                for path in (self._folder, password):
                    os.chown(path, entry.pw_uid, entry.pw_gid)
            making = [_binary("initdb"), "-D", str(data), "-U", "yumen", "--pwfile", str(password), "-N"]
            making += ["-A", "scram-sha-256", "-E", "UTF8", "--locale", "C"]
            subprocess.run(making, user=self._user, check=True, capture_output=True)
        command = [_binary("postgres"), "-D", str(data), "-p", str(self.port), "-h", "127.0.0.1", "-F"]
        command += ["-k", str(self._folder)]
        silent = subprocess.DEVNULL
        self._process = subprocess.Popen(command, user=self._user, stdout=silent, stderr=silent)
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            try:
                psycopg.connect(self.url).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("postgres did not start")

    def stop(self) -> None:
        """Stop it at once; what was committed is there when it starts again."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(1)
            except subprocess.TimeoutExpired:  # somebody is connected
                self._process.send_signal(2)
                self._process.wait()
            self._process = None

    def remove(self) -> None:
        """Stop it, and remove its files."""
        self.stop()
        shutil.rmtree(self._folder)

    def execute(self, sql: str) -> list[tuple[object, ...]]:
        """What a statement answers that nothing of ours sends."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []


def _binary(name: str) -> str:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(installed[-1]) if installed else shutil.which(name)
    if found is None:
        why = f"{name} is not installed (apt-get install postgresql)"
        if os.environ.get("YUMEN_REQUIRE_SERVICES") == "1":
            pytest.fail(why)
        pytest.skip(why)
    return found
