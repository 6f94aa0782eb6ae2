"""NATS JetStream: acknowledged by the stream, each record once, in order, whatever the server does."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.plugins.audit.sinks.carrying import (
    FOREVER,
    FORMATS,
    HALF_A_YEAR,
    Lines,
    carried,
    cursor,
    exchange,
    only,
    wait_for,
)
from tests.plugins.audit.sinks.nats_server import STREAM, SUBJECT, NatsServer

from yumen import CannotStart
from yumen_plugins.audit.sinks import NatsSink, Sinks, target

Start = Callable[..., Sinks]


@contextmanager
def running(server: NatsServer) -> Iterator[NatsServer]:
    """It runs for as long as this does."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


def sink(server: NatsServer, **more: Any) -> NatsSink:
    """A sink to the stream of a server."""
    said = {"name": "siem", "servers": (server.url,), "subject": SUBJECT, "stream": STREAM, "flush_s": 0.02}
    return NatsSink(**{**said, "timeout_s": 1.0, **more})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """A server with a stream."""
    with running(NatsServer(tmp_path / "jetstream")) as made:
        made.make_stream()
        yield made


@pytest.fixture
def start(server: NatsServer, ledger: Lines, data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts a sink to the server that soon tries again; it is stopped after the test."""
    monkeypatch.setattr(target, "BACKOFF_S", 0.01)
    started: list[Sinks] = []

    def begin(**more: Any) -> Sinks:
        sinks = Sinks([sink(server, **more)], ledger, FORMATS, data)
        sinks.start()
        started.append(sinks)
        return sinks

    yield begin
    for sinks in started:
        sinks.stop()


def test_every_record_is_a_message(start: Start, server: NatsServer, ledger: Lines, data: Path) -> None:
    """Its id is its place in the ledger, and its content its line."""
    ledger.fill(FOREVER, 0, 20)
    ledger.fill(HALF_A_YEAR, 0, 5)
    start(batch_records=7)
    wait_for(lambda: cursor(data) == {FOREVER: 20, HALF_A_YEAR: 5})
    messages = server.messages()
    assert [name for name, _ in messages[:20]] == [f"{FOREVER}/{seq}" for seq in range(20)]
    assert carried(line for _, line in messages) == {FOREVER: list(range(20)), HALF_A_YEAR: list(range(5))}
    assert "我的快递到哪了？".encode() in messages[0][1]


def test_what_is_sent_again_is_stored_once(start: Start, server: NatsServer, ledger: Lines, data: Path) -> None:
    """A cursor that a crash left behind makes all of it come again, and the stream knows it by its id."""
    ledger.fill(FOREVER, 0, 10)
    sinks = start()
    wait_for(lambda: cursor(data) == {FOREVER: 10})
    assert sinks.stop()
    (data / "sinks" / "siem.json").unlink()
    start()
    wait_for(lambda: cursor(data) == {FOREVER: 10})
    assert len(server.messages()) == 10


@pytest.mark.parametrize("fault", ["killed", "hanging"])
def test_a_server_that_goes_and_comes_back(
    start: Start, server: NatsServer, ledger: Lines, data: Path, fault: str
) -> None:
    """Nothing is lost or comes out of order where the server dies or hangs in the middle."""
    ledger.fill(FOREVER, 0, 2_000)
    sinks = start(batch_records=50)
    wait_for(lambda: cursor(data).get(FOREVER, 0) >= 100)
    server.stop() if fault == "killed" else server.hang()
    wait_for(lambda: only(sinks).state == "failing")
    assert only(sinks).last_error in ("connection", "timeout")
    assert cursor(data)[FOREVER] < 2_000
    server.start() if fault == "killed" else server.go_on()
    wait_for(lambda: cursor(data) == {FOREVER: 2_000})
    seqs = carried(line for _, line in server.messages())[FOREVER]
    assert sorted(set(seqs)) == list(range(2_000))
    assert seqs == sorted(seqs)


def test_a_stream_that_is_not_there_is_waited_for(start: Start, server: NatsServer, ledger: Lines, data: Path) -> None:
    """A subject that no stream takes is no success: without an acknowledgement nothing counts as carried."""
    ledger.fill(FOREVER, 0, 1)
    sinks = start(subject="yumen.elsewhere")
    wait_for(lambda: only(sinks).state == "failing")
    assert (only(sinks).last_error, cursor(data)) == ("no stream", {})


def test_another_stream_is_refused(start: Start, ledger: Lines, data: Path) -> None:
    """Records go where the policy says, or nowhere."""
    ledger.fill(FOREVER, 0, 1)
    sinks = start(stream="OTHER")
    wait_for(lambda: only(sinks).state == "stopped")
    assert only(sinks).last_error.startswith("jetstream ")
    assert cursor(data) == {}


def test_a_record_that_is_too_large_stops_the_sink(start: Start, ledger: Lines, data: Path) -> None:
    """It is not left out, and the status says what to do."""
    ledger.add(FOREVER, [exchange(0, "长" * 400_000)])
    sinks = start()
    wait_for(lambda: only(sinks).state == "stopped")
    assert (only(sinks).last_error, only(sinks).fix) == ("record too large", "raise `max_payload` of the server")


def test_a_hanging_server_does_not_delay_stopping(start: Start, server: NatsServer, ledger: Lines) -> None:
    """Stopping takes less than five seconds, whatever the timeout."""
    server.hang()
    ledger.fill(FOREVER, 0, 1)
    sinks = start(timeout_s=60.0)
    time.sleep(0.3)
    began = time.monotonic()
    assert sinks.stop()
    assert time.monotonic() - began < 5


def test_a_token_is_needed_and_is_not_told(
    tmp_path: Path, ledger: Lines, data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong token stops the sink, the right one carries, and neither status nor log holds one."""
    ledger.fill(FOREVER, 0, 3)
    states: list[str] = []
    with running(NatsServer(tmp_path / "guarded", token="s3cret-right")) as server:
        server.make_stream()
        for token in ("s3cret-wrong", "s3cret-right"):
            monkeypatch.setenv("NATS_TOKEN", token)
            sinks = Sinks([sink(server, token_env="NATS_TOKEN")], ledger, FORMATS, data)
            sinks.start()
            wait_for(lambda: only(sinks).state == "stopped" or cursor(data))  # noqa: B023 - called in this turn only
            states.append(f"{only(sinks).state} {only(sinks).last_error}")
            assert "s3cret" not in str(sinks.status())
            assert sinks.stop()
    assert states == ["stopped not authorized", "running "]
    assert "s3cret" not in caplog.text


def test_a_user_that_may_not_publish_stops_the_sink(tmp_path: Path, ledger: Lines, data: Path) -> None:
    """The server does not answer such a message, and still the status says what is wrong."""
    users = 'authorization {users: [{user: a, password: b, permissions: {publish: "elsewhere"}}]}\nno_auth_user: a\n'
    ledger.fill(FOREVER, 0, 1)
    with running(NatsServer(tmp_path / "guarded", config=users)) as server:
        sinks = Sinks([sink(server)], ledger, FORMATS, data)
        sinks.start()
        wait_for(lambda: only(sinks).state == "stopped")
        assert (only(sinks).last_error, cursor(data)) == ("not permitted", {})
        assert sinks.stop()


def certificate(folder: Path) -> tuple[Path, Path]:
    """Files with a certificate for 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "日志")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    shapes = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(*shapes))
    return folder / "cert.pem", folder / "key.pem"


@pytest.mark.parametrize(
    ("encrypted", "trusted", "carries"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_tls_is_what_it_says(
    tmp_path: Path, ledger: Lines, data: Path, encrypted: bool, trusted: bool, carries: bool
) -> None:
    """With `tls://` records go to a server that proves who it is, and never in the clear to one without TLS."""
    cert, key = certificate(tmp_path)
    config = f"tls {{cert_file: '{cert}', key_file: '{key}'}}\n" if encrypted else ""
    ledger.fill(FOREVER, 0, 1)
    with running(NatsServer(tmp_path / "jetstream", config=config)) as server:
        server.make_stream(cert if encrypted else None)
        servers = (f"tls://127.0.0.1:{server.port}",)
        sinks = Sinks([sink(server, servers=servers, ca_file=str(cert) if trusted else "")], ledger, FORMATS, data)
        sinks.start()
        wait_for(lambda: only(sinks).state in ("failing", "stopped") or cursor(data))
        assert (cursor(data) == {FOREVER: 1}) == carries
        assert sinks.stop()
        assert bool(server.messages()) == carries


@pytest.mark.parametrize("missing", ["nats.aio.client", "nkeys"])
def test_a_missing_package_is_named(
    ledger: Lines, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """With the line that installs it."""
    (tmp_path / "creds").write_text("")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(CannotStart, match=r"pip install 'yumen\[nats\]'"):
        Sinks([sink(NatsServer(data), credentials_file=str(tmp_path / "creds"))], ledger, FORMATS, data)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"servers": ("nats://user:s3cret@a",)}, "holds a user or password"),
        ({"servers": ("http://a",)}, "not an absolute nats:// or tls:// URL"),
        ({"token_env": "NO_SUCH_TOKEN"}, "NO_SUCH_TOKEN; set it"),
        ({"credentials_file": "/nowhere/creds"}, "check `credentials_file`"),
        ({"servers": ("tls://a",), "ca_file": "/nowhere/ca"}, "check `ca_file`"),
    ],
)
def test_what_cannot_work_is_refused_at_start(ledger: Lines, data: Path, more: dict[str, Any], why: str) -> None:
    """Before anything is carried, in words that help and hold no secret."""
    with pytest.raises(CannotStart, match=why) as refused:
        Sinks([sink(NatsServer(data), **more)], ledger, FORMATS, data)
    assert "s3cret" not in str(refused.value)
