"""Connections on which nothing comes must not keep others out."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator

import pytest
from tests.serving import Gateway

# More than the server took at a time when it took only as many as wait in the kernel.
IDLE = 1_100
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for so many sockets in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4 * IDLE:
        pytest.skip("this process may not open as many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4 * IDLE), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.server
@pytest.mark.usefixtures("many_files")
def test_silent_connections_keep_nobody_out(falling: Gateway) -> None:
    """Whoever has no key and sends nothing cannot fill the server: others are answered meanwhile."""
    with contextlib.ExitStack() as held:
        for _ in range(IDLE):
            held.enter_context(socket.create_connection(("127.0.0.1", falling.port), timeout=10))
        assert falling.get("/healthz")[0] == 200


@pytest.mark.server
def test_only_http_1_is_spoken(falling: Gateway) -> None:
    """While a server waits to see which HTTP is spoken no time runs, so that silence would never end: it does not wait."""
    with socket.create_connection(("127.0.0.1", falling.port), timeout=10) as client:
        client.sendall(PREFACE)
        assert not client.recv(100).startswith(b"\x00\x00")
