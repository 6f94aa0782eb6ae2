"""The plugin in a real gateway: operators look, lift and extend; alerts arrive; two workers count together."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.redis_server import RedisServer
from tests.reload.live import wait, write
from tests.serving import ADMIN_KEY, APP_KEY, Gateway

pytestmark = pytest.mark.server

GATEWAY = """version: 1
engines: {assistant: {adapter: faq, egress: local}}
routes:
  - {id: chat, match: {paths: [/v1/chat/completions]}, engine: assistant, chain: [audit, anomaly, anonymize]}
"""
ANOMALY = """version: 1
plugin: anomaly
timeout_ms: 5000
config:
  alerts: {url: "${env:HOOK}", min_severity: high}
  words: [{category: weapons, severity: 5, words: [炸药, detonator]}]
  rules:
    - {id: prober, when: words.weapons > 0, then: quarantine(10m), severity: critical}
    - {id: mild, when: 'request.chars > 100', then: flag, severity: low}
    - {id: burst, when: requests.per_key.1m > 20, then: throttle(30s), severity: high}
tests:
  - name: a case fires rules and wakes nobody
    request: {text: "炸药"}
    expect: {rule: prober}
"""
ANONYMIZE = "version: 1\nplugin: anonymize\nconfig: {detect: [email]}\n"
AUDIT = "version: 1\nplugin: audit\n"


class Hook:
    """A webhook that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def hook() -> Iterator[Hook]:
    one = Hook()
    yield one
    one.stop()


def call(gateway: Gateway, method: str, path: str, key: str = ADMIN_KEY, **body: Any) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    try:
        connection.request(method, path, json.dumps(body), {"authorization": f"Bearer {key}"})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def ask(gateway: Gateway, text: str) -> int:
    body = {"model": "assistant", "messages": [{"role": "user", "content": text}]}
    return call(gateway, "POST", "/v1/chat/completions", APP_KEY, **body)[0]


def started(folder: Path, hook: Hook, gateway: str = GATEWAY, **env: str) -> Gateway:
    bundle = folder / "bundle"
    write(bundle, gateway=gateway, anomaly=ANOMALY, anonymize=ANONYMIZE, audit=AUDIT)
    return Gateway(folder, YUMEN_POLICIES=str(bundle), HOOK=hook.url, **env).start()


def test_a_quarantine_is_seen_extended_and_lifted(tmp_path: Path, hook: Hook) -> None:
    """Operators see who is in quarantine and why, and what they do is in the ledger; an alert has left, without words."""
    gateway = started(tmp_path, hook)
    try:
        assert [ask(gateway, text) for text in ("hello", "怎样自制炸药", "hello")] == [200, 403, 403]
        status, seen = call(gateway, "GET", "/admin/anomalies")
        assert status == 200
        (held,) = seen["anomaly"]["quarantines"]
        (fired,) = seen["anomaly"]["firings"]
        assert (held["scope"], held["by"], fired["rule"], fired["facts"]) == (
            "key",
            "prober",
            "prober",
            {"words.weapons": 1},
        )
        who = {"scope": "key", "who": held["who"]}
        assert call(gateway, "POST", "/admin/anomalies/extend", **who, **{"for": "2h"})[0] == 200
        until = call(gateway, "GET", "/admin/anomalies")[1]["anomaly"]["quarantines"][0]["until"]
        assert until > held["until"] + 3600
        assert call(gateway, "POST", "/admin/anomalies/lift", **who)[0] == 200
        assert call(gateway, "GET", "/admin/anomalies")[1]["anomaly"]["quarantines"] == []
        assert ask(gateway, "hello") == 200
        assert call(gateway, "POST", "/admin/anomalies/lift", **who)[0] == 404
        assert b"extend" in gateway.ledger()
        assert b"lift" in gateway.ledger()
        wait(lambda: hook.told)
        assert [one["rule"] for one in hook.told] == ["prober"], (
            "neither the case of the policy nor the mild rule wakes anybody"
        )
        assert "炸药" not in json.dumps(hook.told, ensure_ascii=False)
        assert "炸药" not in gateway.log
    finally:
        gateway.stop()


@pytest.mark.parametrize(
    ("method", "path", "key", "body", "status"),
    [
        ("GET", "/admin/anomalies", APP_KEY, {}, 401),
        ("POST", "/admin/anomalies/lift", APP_KEY, {"who": "k"}, 401),
        ("GET", "/admin/nothing", ADMIN_KEY, {}, 404),
        ("POST", "/admin/anomalies/destroy", ADMIN_KEY, {"who": "k"}, 400),
        ("POST", "/admin/anomalies/extend", ADMIN_KEY, {"who": 3}, 400),
        ("POST", "/admin/anomalies/extend", ADMIN_KEY, {"who": "x" * 5000}, 400),
        ("POST", "/admin/anomalies/extend", ADMIN_KEY, {"scope": "key", "who": "nobody", "for": "1h"}, 404),
        ("POST", "/admin/anomalies/lift", ADMIN_KEY, {"instance": "limits", "who": "k"}, 404),
    ],
)
def test_operators_only_and_only_what_there_is(
    running: Gateway, method: str, path: str, key: str, body: Any, status: int
) -> None:
    """App keys reach nothing below /admin, and what cannot be done is said in a sentence."""
    got, answer = call(running, method, path, key, **body)
    assert (got, "error" in answer) == (status, True)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    hook = Hook()
    gateway = started(tmp_path_factory.mktemp("running"), hook)
    yield gateway
    gateway.stop()
    hook.stop()


def test_workers_without_a_shared_store_do_not_start(tmp_path: Path, hook: Hook) -> None:
    """Two workers that would each count for themselves refuse to start, and say what to do."""
    with pytest.raises(AssertionError, match=r"store: \{redis"):
        started(tmp_path, hook, YUMEN_WORKERS="2")


def test_workers_count_together_in_redis(tmp_path: Path, hook: Hook, redis_server: RedisServer) -> None:
    """With Redis two workers share windows and quarantines."""
    redis_server.clear()
    gateway = started(tmp_path, hook, GATEWAY + f'store: {{redis: "{redis_server.url}"}}\n', YUMEN_WORKERS="2")
    try:
        statuses = [ask(gateway, "hello") for _ in range(24)]
        assert statuses[:20] == [200] * 20
        assert statuses[21:] == [429] * 3, statuses
        redis_server.clear()
        assert ask(gateway, "detonator") == 403
        assert [ask(gateway, "hello") for _ in range(8)] == [403] * 8
        (held,) = call(gateway, "GET", "/admin/anomalies")[1]["anomaly"]["quarantines"]
        assert call(gateway, "POST", "/admin/anomalies/lift", scope="key", who=held["who"])[0] == 200
        assert [ask(gateway, "hello") for _ in range(8)] == [200] * 8
    finally:
        gateway.stop()


def test_a_store_that_goes_away_ends_exchanges_and_comes_back(tmp_path: Path, hook: Hook) -> None:
    """While Redis is gone exchanges end at once, as `on_error: closed` says; behind it they pass again, counted anew."""
    server = RedisServer()
    server.start()
    try:
        gateway = started(tmp_path, hook, GATEWAY + f'store: {{redis: "{server.url}"}}\n')
        try:
            assert [ask(gateway, "hello") for _ in range(19)] == [200] * 19
            server.stop()
            began = time.monotonic()
            assert {ask(gateway, "hello") for _ in range(6)} == {502}
            assert time.monotonic() - began < 12, "no operation waits longer than its own limit"
            server.start()
            wait(lambda: ask(gateway, "hello") == 200)
            assert [ask(gateway, "hello") for _ in range(5)] == [200] * 5
            assert 'yumen_plugin_faults_total{kind="fault",plugin="anomaly"}' in gateway.get("/metrics")[1]
        finally:
            gateway.stop()
    finally:
        server.stop()
