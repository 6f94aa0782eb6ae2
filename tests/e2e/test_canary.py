"""Canaries: a marker in every field of every kind of request, and then a look everywhere that must not know it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator

import pytest
from tests.dialects.test_openai import FIELDS, MARK
from tests.serving import Gateway
from tests.upstream import Upstream

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Gateway]:
    """The starter bundle in front of a recording upstream, logging everything that it can be told to log."""
    folder = tmp_path_factory.mktemp("canary")
    running = Gateway(folder, YUMEN_UPSTREAM=upstream.url, YUMEN_LOG_LEVEL="debug").start()
    yield running
    running.stop()


def post(gateway: Gateway, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    connection.request("POST", path, body, {"authorization": f"Bearer {gateway.key}", **headers})
    reply = connection.getresponse()
    out = reply.status, reply.read() + str(reply.getheaders()).encode()
    connection.close()
    return out


def test_no_marker_is_anywhere_but_with_the_client(gateway: Gateway, upstream: Upstream) -> None:
    """A personal datum in any field reaches neither the upstream, nor the ledger, the log, the metrics or an error."""
    upstream.clear()
    canaries: list[str] = []

    def canary() -> str:
        canaries.append(f"canary-{len(canaries)}@example.com")
        return canaries[-1]

    errors = []
    for body in FIELDS:
        for more in ({}, {"stream": True}, {"model": "status-400"}, {"model": "status-503"}, {"n": 99}, {"model": 5}):
            sent = json.dumps({**body, **more}, ensure_ascii=False).replace(MARK, canary())
            status, reply = post(gateway, "/v1/chat/completions", sent.encode())
            if status >= 400 and more:
                errors.append(reply)
    for path, field in (("/v1/completions", "prompt"), ("/v1/embeddings", "input")):
        post(gateway, path, json.dumps({"model": "m", field: canary()}).encode())
    post(gateway, "/v1/chat/completions", json.dumps({**FIELDS[0], "model": canary()}).encode())
    post(gateway, f"/v1/{canary()}", b"{}")
    post(gateway, f"/v1/chat/completions?x={canary()}", json.dumps(FIELDS[0]).encode())
    post(gateway, "/v1/chat/completions", json.dumps(FIELDS[0]).encode(), cookie=canary(), **{"x-any": canary()})
    post(gateway, "/v1/chat/completions", canary().encode())
    post(gateway, "/v1/chat/completions", b"{}", authorization=f"Bearer {canary()}")
    gateway.stop()

    kept = {
        "ledger": gateway.ledger(),
        "log": gateway.log.encode(),
        "upstream": b"".join(seen.body + str(seen.headers).encode() + seen.path.encode() for seen in upstream.requests),
        "errors": b"".join(errors),
    }
    assert len(upstream.requests) > 3 * len(FIELDS)
    for name, content in kept.items():
        assert b"canary-" not in content, (name, content[max(0, content.index(b"canary-") - 300) :][:600])
    assert gateway.yumen("audit", "verify").returncode == 0
