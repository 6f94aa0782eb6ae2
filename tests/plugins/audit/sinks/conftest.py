"""What tests of sinks talk to."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.audit.sinks.carrying import Lines
from tests.plugins.audit.sinks.collector import Collector


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that takes everything, until it is told otherwise."""
    server = Collector()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ledger(tmp_path: Path) -> Lines:
    """A ledger without records."""
    return Lines(tmp_path / "ledger")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture(scope="session")
def _s3_server() -> Iterator[str]:
    """The URL of an S3 server of moto's, in a thread of its own."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(_s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of that server, which is empty, with a credential in the environment."""
    from boto3.session import Session

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with urllib.request.urlopen(urllib.request.Request(f"{_s3_server}/moto-api/reset", method="POST")):
        client = Session().client("s3", endpoint_url=_s3_server, region_name="us-east-1")
    yield client
    client.close()
