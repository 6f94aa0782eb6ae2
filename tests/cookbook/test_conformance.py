"""The plugins of the cookbook are held to what every plugin is held to."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

import pytest
from tests.cookbook.test_package import ENTRIES, plugin_of
from yumen_cookbook.moderation import Moderation

from yumen.testing.conformance import Example, examine

pytestmark = pytest.mark.slow


class Answers(BaseHTTPRequestHandler):
    """A moderation service that flags nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = b'{"flagged": false}'
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """It keeps silent."""


def serve(told: Connection) -> None:
    """Serve on a free port, and tell which."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        told.send(server.server_address[1])
        server.serve_forever()


@pytest.fixture
def url() -> Iterator[str]:
    """Where such a service is: in a process of its own, since its threads and connections would count as left behind."""
    mine, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=[its], daemon=True)
    process.start()
    yield f"http://127.0.0.1:{mine.recv()}/"
    process.terminate()
    process.join()


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_it_conforms(name: str) -> None:
    """No check fails with the examples of its package, as `yumen plugins check` takes them."""
    report = examine(plugin_of(name), measure=False)
    assert report.ok, [one for one in report.verdicts if one.verdict == "fails"]


def test_moderation_conforms(url: str) -> None:
    """No check fails where its service answers, either."""
    example = Example(config={"url": url, "timeout_s": 10}, texts=["hello", "你好"])
    report = examine(Moderation, [example], measure=False)
    assert report.ok, [one for one in report.verdicts if one.verdict == "fails"]
