"""A real NATS server with JetStream for tests, which may stop, hang and come back with what it stored."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

READY_S = 20.0
STREAM, SUBJECT = "AUDIT", "yumen.audit"


class NatsServer:
    """Runs `nats-server`, with that configuration, on a free port of 127.0.0.1.

    Where it is not installed, tests are skipped, or, with YUMEN_REQUIRE_SERVICES=1, fail.
    """

    def __init__(self, folder: Path, token: str = "", config: str = "") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._folder = folder
        self._token = token
        self._config = config
        self._tls: ssl.SSLContext | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        binary = shutil.which("nats-server")
        if binary is None:
            why = "nats-server is not installed (apt-get install nats-server)"
            if os.environ.get("YUMEN_REQUIRE_SERVICES") == "1":
                pytest.fail(why)
            pytest.skip(why)
        command = [binary, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self._folder)]
        command += ["--auth", self._token] if self._token else []
        if self._config:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "nats.conf").write_text(self._config)
            command += ["-c", str(self._folder / "nats.conf")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            with socket.socket() as asking:
                if asking.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError("nats-server did not start")

    def stop(self) -> None:
        """Kill it; what it acknowledged stays in its folder."""
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

    def make_stream(self, trusted: Path | None = None) -> None:
        """Make the stream that takes the subject. `trusted`: the certificate of a server that speaks TLS alone."""
        self._tls = ssl.create_default_context(cafile=trusted) if trusted else None
        asyncio.run(self._make())

    def messages(self) -> list[tuple[str, bytes]]:
        """What the stream holds, in order: the id and content of each message."""
        return asyncio.run(self._messages())

    async def _client(self) -> Any:
        import nats

        return await nats.connect(self.url, token=self._token or None, tls=self._tls)

    async def _make(self) -> None:
        client = await self._client()
        await client.jetstream().add_stream(name=STREAM, subjects=[SUBJECT])
        await client.close()

    async def _messages(self) -> list[tuple[str, bytes]]:
        client = await self._client()
        stream = client.jetstream()
        state = (await stream.stream_info(STREAM)).state
        seqs = range(state.first_seq, state.last_seq + 1) if state.messages else ()
        found = [await stream.get_msg(STREAM, seq) for seq in seqs]
        await client.close()
        return [(message.headers["Nats-Msg-Id"], message.data) for message in found]
