"""Crashes and leaving clients: what was acknowledged is in the ledger, and nobody keeps working for somebody who left."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import ledgers
from tests.serving import Gateway
from tests.upstream import Upstream

pytestmark = pytest.mark.server
CLIENTS = 8


def ask(connection: http.client.HTTPConnection, gateway: Gateway, **body: object) -> http.client.HTTPResponse:
    content = {"model": "echo", "messages": [{"role": "user", "content": "我的电话是13987650123"}], **body}
    headers = {"authorization": f"Bearer {gateway.key}"}
    connection.request("POST", "/v1/chat/completions", json.dumps(content), headers)
    return connection.getresponse()


def hammer(gateway: Gateway, receipts: list[str], streamed: bool) -> None:
    """Ask until the gateway is gone; note the receipt of every exchange that was answered whole."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    try:
        while True:
            reply = ask(connection, gateway, stream=streamed)
            body = reply.read()
            if reply.status == 200 and (not streamed or body.endswith(b"data: [DONE]\n\n")):
                receipts.append(reply.headers["x-audit-receipt"])
    except (OSError, http.client.HTTPException):
        return
    finally:
        connection.close()


@pytest.mark.slow
def test_kill_under_load_loses_nothing_acknowledged(tmp_path: Path, upstream: Upstream) -> None:
    """The process is killed again and again under load; every acknowledged exchange is there, and verify holds."""
    bundle = tmp_path / "bundle"
    gateway = Gateway(tmp_path, YUMEN_UPSTREAM=upstream.url, YUMEN_POLICIES=str(bundle))
    assert gateway.yumen("init", str(bundle)).returncode == 0
    (bundle / "limits.yaml").write_text("version: 1\nplugin: limits\nconfig: {requests_per_minute: 0}\n")
    receipts: list[str] = []
    for round_number in range(3):
        gateway.start()
        clients = [
            threading.Thread(target=hammer, args=(gateway, receipts, index % 2 == 1)) for index in range(CLIENTS)
        ]
        for one in clients:
            one.start()
        time.sleep(0.4 + 0.4 * round_number)
        gateway.stop(signal.SIGKILL)
        for one in clients:
            one.join()
    gateway.start()
    gateway.stop()
    verified = gateway.yumen("audit", "verify")
    assert verified.returncode == 0, verified.stdout
    ledger = gateway.ledger()
    assert len(receipts) > 50
    assert [receipt for receipt in receipts if receipt.encode() not in ledger] == []
    assert b"13987650123" not in ledger


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Gateway]:
    """The starter bundle in front of a recording upstream."""
    made = Gateway(tmp_path_factory.mktemp("leaving"), YUMEN_UPSTREAM=upstream.url).start()
    # In a process's first seconds the server does not always tell that a client has left; docs/limits.md says so.
    time.sleep(3)
    yield made
    made.stop()


def left(gateway: Gateway) -> int:
    """How many exchanges ended because the client was gone."""
    return sum(record.get("outcome") == "client_disconnect" for record in ledgers.records(gateway.data_dir))


@pytest.mark.parametrize(("model", "streamed"), [("stall-3", True), ("hang", True), ("hang", False)])
def test_a_client_that_leaves_ends_the_upstream_call(
    gateway: Gateway, upstream: Upstream, model: str, streamed: bool
) -> None:
    """When the client is gone the exchange ends, is recorded as such, and a stream's upstream call is cancelled."""
    upstream.clear()
    before = left(gateway)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    if model.startswith("stall"):
        ask(connection, gateway, model=model, stream=True).read(10)
    else:
        headers = {"authorization": f"Bearer {gateway.key}"}
        body = {"model": model, "stream": streamed, "messages": [{"role": "user", "content": "hi"}]}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        time.sleep(0.6)
    assert connection.sock is not None
    connection.sock.close()
    connection.close()
    if model.startswith("stall"):
        assert upstream.wait_disconnect()
    until = time.monotonic() + 20
    while left(gateway) == before and time.monotonic() < until:
        time.sleep(0.05)
    assert left(gateway) == before + 1


def test_an_unwritable_ledger_stops_traffic(tmp_path: Path, upstream: Upstream) -> None:
    """When the disk refuses to take records, exchanges fail with `ledger_unavailable`; nothing passes unrecorded."""
    import resource

    gateway = Gateway(tmp_path, YUMEN_UPSTREAM=upstream.url)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The child inherits a limit on the size of files, as a full disk would have it: the ledger runs into it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (250_000, limits[1]))
    try:
        gateway.start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    try:
        codes = ["ok"]
        while codes[-1] == "ok" and len(codes) < 500:
            reply = ask(connection, gateway)
            body = json.loads(reply.read())
            codes.append(body["error"]["code"] if reply.status != 200 else "ok")
        assert len(codes) > 10
        assert codes[-1] == "ledger_unavailable"
        asked = len(upstream.requests)
        reply = ask(connection, gateway)
        assert (reply.status, json.loads(reply.read())["error"]["code"]) == (503, "ledger_unavailable")
        assert len(upstream.requests) == asked
        assert gateway.get("/readyz")[0] == 503
    finally:
        connection.close()
        gateway.stop()


@pytest.mark.slow
def test_workers_end_with_their_server(tmp_path: Path) -> None:
    """When the server process is killed alone, its worker goes too, and the next start takes the same ledger over."""
    gateway = Gateway(tmp_path).start()
    assert gateway.process is not None
    server = gateway.process.pid
    (worker,) = [int(one) for one in Path(f"/proc/{server}/task/{server}/children").read_text().split()]
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=20)
    receipt = ask(connection, gateway).headers["x-audit-receipt"]
    connection.close()
    gateway.process.kill()
    gateway.process.wait()
    until = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{worker}").exists()
    gateway.start()
    try:
        assert gateway.yumen("audit", "show", receipt).returncode == 0
        assert len(ledgers.writers(gateway.data_dir)) == 1
        assert gateway.yumen("audit", "verify").returncode == 0
    finally:
        gateway.stop()
