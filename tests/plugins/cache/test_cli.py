"""`yumen cache`: every answer that is none ends in a sentence and an exit status, and the key goes nowhere else.

A gateway that answers as it should stands in tests/e2e/test_cache.py; the servers here do what no gateway does.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from yumen import CannotStart, Settings
from yumen_plugins.cache import cli as cli_module
from yumen_plugins.cache.cli import cache, client
from yumen_plugins.cache.cli.client import Client, address

KEY = "admin-key-0123456789"
DONE = {"tenant": "acme", "subject": "*", "older_than_s": "0", "purged": 2}
STATS = {
    "cache": {
        "lookups": {"acme": {"hit exact": 3, "miss absent": 1}, "甲方": {"bypass no-store": 1}},
        "memory": {"entries": 7, "tenants": {"acme": {"bytes": 1024}}},
        "shared": None,
    }
}


class Server:
    """Answers every request with the same, and remembers what it was sent."""

    def __init__(self) -> None:
        self.status, self.headers, self.body = 200, dict[str, str](), b"{}"
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.asked.append((self.command, self.path, dict(self.headers), body))
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            do_GET = do_POST = _answer

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def says(self, answer: object, status: int = 200, **headers: str) -> None:
        self.status, self.headers = status, headers
        self.body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


def run(*arguments: str, key: str = KEY, settings: Settings | None = None, said: str | None = None) -> Result:
    """Run a command; what the whole command line would print on standard error stands there too."""
    obj = settings or Settings(admin_key=key)
    try:
        return CliRunner().invoke(cache, list(arguments), obj=obj, input=said, catch_exceptions=False)
    except CannotStart as error:
        result = CliRunner().invoke(click.Command("none"), [])
        result.exit_code, result.stderr_bytes = 1, str(error).encode()
        return result


def test_statistics_are_shown_by_tenant_and_part(server: Server) -> None:
    """For eyes a row for each reason, with its share; for programs the gateway's answer as it is."""
    server.says(STATS)
    shown = run("stats", "--url", server.url)
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["cache", "acme", "hit", "exact", "3", "75.0%"] in [[c for c in line if c != "│"] for line in lines]
    assert "甲方" in shown.stdout
    assert "tenants.acme.bytes" in shown.stdout
    assert json.loads(run("stats", "--url", server.url, "--json").stdout) == STATS
    assert server.asked[0][:2] == ("GET", "/admin/cache")
    assert server.asked[0][2]["authorization"] == f"Bearer {KEY}"


def test_a_purge_says_what_is_meant(server: Server) -> None:
    """Every option reaches the gateway as it was written, in the body and never in an address that others log."""
    server.says(DONE)
    done = run(
        "purge", "--tenant", "甲方", "--subject", "李 娜&", "--older-than", "2h", "--instance", "second", "--yes",
        "--url", f"{server.url}/behind/",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    method, path, _, body = server.asked[0]
    assert (method, path) == ("POST", "/behind/admin/cache/purge")
    assert json.loads(body) == {"tenant": "甲方", "subject": "李 娜&", "older_than": "2h", "instance": "second"}
    assert run("purge", "--all", "--yes", "--json", "--url", server.url).stdout.strip() == json.dumps(DONE).replace(
        " ", ""
    )
    assert json.loads(server.asked[1][3]) == {"all": "true"}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--subject", "s"],
        ["--subject", "s", "--all"],
        ["--all", "--tenant", "t"],
        ["--all", "--older-than", "1h"],
        ["--tenant", "t", "--older-than", "1 hour"],
        ["--older-than", "0s"],
    ],
)
def test_what_is_not_clear_is_not_sent(server: Server, arguments: list[str]) -> None:
    """Exit status 2, and the gateway hears nothing."""
    result = run("purge", *arguments, "--yes", "--url", server.url)
    assert result.exit_code == 2
    assert "Error: " in result.stderr
    assert server.asked == []


def test_nobody_there_to_ask_is_no_yes(server: Server) -> None:
    """Without --yes a script purges nothing."""
    result = run("purge", "--all", "--url", server.url, said="y\n")
    assert (result.exit_code, server.asked) == (1, [])
    assert "--yes" in result.stderr


@pytest.mark.parametrize(("said", "status"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_a_person_is_asked(server: Server, monkeypatch: pytest.MonkeyPatch, said: str, status: int) -> None:
    """What will go is said in full before it does; anything but yes leaves it."""
    server.says(DONE)
    monkeypatch.setattr(cli_module, "_is_terminal", lambda: True)
    result = run("purge", "--tenant", "acme", "--subject", "李娜", "--older-than", "7d", "--url", server.url, said=said)
    assert result.exit_code == status
    assert "the subject 李娜 of the tenant acme that are older than 7d" in result.stderr
    assert len(server.asked) == (1 if status == 0 else 0)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({**DONE, "purged": None, "left": "the store \x1b[2Jwas away"}, "the store ?[2Jwas away"),
        ({**DONE, "under_way": True}, "goes on"),
        ({}, "may be left"),
        ({"purged": "2"}, "may be left"),
    ],
)
def test_what_may_be_left_is_no_success(server: Server, answer: dict[str, Any], says: str) -> None:
    """Exit status 2, and a sentence that no terminal acts on."""
    server.says(answer)
    result = run("purge", "--all", "--yes", "--url", server.url)
    assert result.exit_code == 2
    assert says in result.stderr
    assert "\x1b" not in result.output


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, {"error": {"message": "This key is not known here."}}, "401: This key is not known here."),
        (400, {"error": {"message": "no \x1b]0;such\x07 thing"}}, "400: no ?]0;such? thing"),
        (404, {"error": {"message": "There is nothing at this path."}}, "no plugin of its policy"),
        (503, b"<html>", "503: Service Unavailable"),
        (302, b"", "302: Found"),
        (200, b"<html>welcome</html>", "is no gateway"),
        (200, b"[1]", "is no gateway"),
        (200, b'{"a": ' * 2000, "is no gateway"),
        (500, {"error": {"message": ["x"]}}, "500: Internal Server Error"),
    ],
)
def test_an_answer_that_is_none_is_a_sentence(server: Server, status: int, body: object, says: str) -> None:
    """Exit status 1; the gateway's own words where it has some, and nothing of them that a terminal would act on."""
    server.says(body, status, location="http://127.0.0.1:9/elsewhere")
    result = run("stats", "--url", server.url)
    assert result.exit_code == 1
    assert says in result.stderr
    assert KEY not in result.output
    assert len(server.asked) == 1


def test_a_redirect_gets_no_key(server: Server) -> None:
    """A reply cannot send the key elsewhere."""
    other = Server()
    try:
        server.says(b"", 307, location=other.url)
        assert run("stats", "--url", server.url).exit_code == 1
        assert other.asked == []
    finally:
        other.stop()


def test_a_proxy_of_the_environment_gets_no_key(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key goes to the gateway and to nothing that the environment puts in between."""
    other = Server()
    try:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, other.url)
        server.says(STATS)
        assert run("stats", "--url", server.url).exit_code == 0
        assert other.asked == []
    finally:
        other.stop()


def test_nobody_there(tmp_path: Path) -> None:
    """The sentence says where it was looked for, and what to do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    result = run("stats", settings=Settings(admin_key=KEY, port=port))
    assert result.exit_code == 1
    assert f"cannot reach a gateway at http://127.0.0.1:{port}" in result.stderr
    assert "--url" in result.stderr


def _silent(connection: socket.socket) -> None:
    connection.recv(1)


def _garbage(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


def _leaves(connection: socket.socket) -> None:
    connection.recv(65536)


@pytest.mark.parametrize(
    ("behaves", "says"), [(_silent, "has not answered"), (_garbage, "does not speak HTTP"), (_leaves, "cannot reach")]
)
def test_what_is_no_gateway(
    behaves: Callable[[socket.socket], None], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something that hangs, speaks another protocol or hangs up ends in a sentence, and in time."""
    monkeypatch.setattr(client, "ANSWER_S", 0.3)
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                behaves(connection)
                if says == "has not answered":
                    done.wait(20)

        thread = threading.Thread(target=serve)
        thread.start()
        result = run("stats", "--url", f"http://127.0.0.1:{listening.getsockname()[1]}")
        done.set()
        thread.join()
    assert result.exit_code == 1
    assert says in result.stderr


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8080", "ftp://h", "file:///etc/passwd", "http://", "http://u:p@h", "http://:p@h", "http://h:x",
     "http://h?a=1", "http://h#a", "http://[::1"],
)  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    """Neither another scheme nor a password in an address is taken; it is not repeated, since it may hold one."""
    with pytest.raises(CannotStart) as raised:
        Client(url, KEY)
    assert "http://HOST:PORT" in str(raised.value)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "[::1]"),
        ("[::]", "[::1]"),
        ("gw.local", "gw.local"),
    ],
)
def test_the_address_of_this_machines_gateway(host: str, shown: str) -> None:
    """What the gateway binds is where it is asked; an address that stands for all is this machine's own."""
    assert address(Settings(host=host, port=81)) == f"http://{shown}:81"


def test_the_key(tmp_path: Path, server: Server) -> None:
    """It comes from a file or the environment, the file first; what is no key is not sent, and never repeated."""
    server.says(STATS)
    (tmp_path / "key").write_text("key-of-the-file-1\n")
    assert run("stats", "--url", server.url, "--key-file", str(tmp_path / "key")).exit_code == 0
    assert server.asked[0][2]["authorization"] == "Bearer key-of-the-file-1"
    for content in ("", "two keys here", "钥匙钥匙钥匙", "x" * 5000, "a\r\nx: y-header"):
        (tmp_path / "key").write_text(content)
        result = run("stats", "--url", server.url, "--key-file", str(tmp_path / "key"), key="")
        assert result.exit_code == 1
        assert not content or content not in result.stderr
    assert run("stats", "--url", server.url, key="").exit_code == 1
    assert run("stats", "--url", server.url, "--key-file", str(tmp_path / "none")).exit_code == 1
    assert len(server.asked) == 1


def test_a_key_in_the_clear_is_said() -> None:
    """Beyond this machine it should not go unencrypted, and whoever runs the command hears of it."""
    with Client("http://10.1.2.3:8080", KEY) as there, Client("https://10.1.2.3", KEY) as safe:
        assert (there.in_clear, safe.in_clear) == (True, False)
    with Client("http://localhost", KEY) as here, Client("http://[::1]:80", KEY) as six:
        assert (here.in_clear, six.in_clear) == (False, False)


@pytest.mark.parametrize(
    "answer", [{"cache": 5}, {"cache": {"lookups": [1]}}, {"cache": {"lookups": {"t": "x"}}}, {"a": {"b": []}}]
)
def test_an_answer_of_another_form_is_no_crash(server: Server, answer: object) -> None:
    """A gateway of another version may say other things."""
    server.says(answer)
    assert run("stats", "--url", server.url).exit_code == 0
