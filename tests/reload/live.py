"""A running gateway whose policy changes: what asks the control plane, and clients that ask all the time."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.serving import ADMIN_KEY, Gateway

PHONE = "13987650123"
LIMITS = "version: 1\nplugin: limits\nconfig: {requests_per_minute: 0, concurrent: %d}\n"
FILES = {
    "gateway": """version: 1
engines: {llm: {adapter: openai, egress: remote, base_url: "${env:YUMEN_UPSTREAM}"}}
routes:
  - id: chat
    match: {paths: [/v1/chat/completions]}
    engine: llm
    chain: [audit, limits, anonymize]
""",
    "audit": """version: 1
plugin: audit
tests:
  - name: every exchange has a record
    request: {text: 你好}
    expect: {audit: {outcome: ok}}
""",
    "limits": LIMITS % 1000,
    "anonymize": """version: 1
plugin: anonymize
config:
  detect: [cn.mobile, email]
tests:
  - name: 手机号码 never reach the engine
    request: {text: "我的电话是13812345678，帮我查快递"}
    expect: {forwarded: {excludes: ["13812345678"]}, restored: true}
""",
}


def admin(gateway: Gateway, method: str, path: str, key: str = ADMIN_KEY) -> tuple[int, Any]:
    """Status and body of a request to the control plane."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=90)
    try:
        connection.request(method, path, headers={"authorization": f"Bearer {key}"} if key else {})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def reload(gateway: Gateway) -> tuple[int, Any]:
    return admin(gateway, "POST", "/admin/policy/reload")


def shown(gateway: Gateway) -> Any:
    status, body = admin(gateway, "GET", "/admin/policy")
    assert status == 200
    return body


def wait(until: Callable[[], Any], seconds: float = 30) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.05)


def ask(connection: http.client.HTTPConnection, gateway: Gateway, **body: object) -> http.client.HTTPResponse:
    content = {"model": "echo", "messages": [{"role": "user", "content": f"我的电话是{PHONE}"}], **body}
    connection.request("POST", "/v1/chat/completions", json.dumps(content), {"authorization": f"Bearer {gateway.key}"})
    return connection.getresponse()


class Load:
    """Clients that ask all the time, half of them for streams.

    `hashes` counts replies by policy, `wrong` holds what failed; each client waits `pause_s` seconds between two requests.
    """

    def __init__(self, gateway: Gateway, clients: int = 4, pause_s: float = 0.0) -> None:
        self.gateway = gateway
        self._pause_s = pause_s
        self.hashes: dict[str, int] = {}
        self.wrong: list[str] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number % 2 == 1,)) for number in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def answered(self) -> int:
        return sum(self.hashes.values())

    def _run(self, streamed: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=30)
        while not self._over.is_set():
            try:
                reply = ask(connection, self.gateway, stream=streamed)
                body = reply.read()
            except (OSError, http.client.HTTPException) as error:
                self.wrong.append(repr(error))
                return
            whole = body.endswith(b"data: [DONE]\n\n") if streamed else PHONE.encode() in body
            with self._lock:
                name = reply.headers["x-policy-hash"]
                self.hashes[name] = self.hashes.get(name, 0) + 1
                if reply.status != 200 or not whole:
                    self.wrong.append(f"{reply.status} {body[:200]!r}")
            time.sleep(self._pause_s)
        connection.close()


def write(folder: Path, **files: str) -> None:
    """Give files of a bundle another content."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content)
