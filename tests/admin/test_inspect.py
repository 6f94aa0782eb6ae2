"""What plugins show to operators: parameters, files, and nothing that anybody on the way may store."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from tests.admin.desk import call, key_with_rights, notes, served
from tests.reload.live import wait
from tests.serving import ADMIN_KEY, APP_KEY, Gateway

pytestmark = pytest.mark.server

GATEWAY = """version: 1
engines: {assistant: {adapter: faq, egress: local}}
routes:
  - {id: chat, match: {paths: [/v1/chat/completions]}, engine: assistant, chain: [notes, desk, second, anomaly]}
"""
ANOMALY = "version: 1\nplugin: anomaly\nconfig: {rules: [{id: r, when: request.chars > 9999, then: flag}]}\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = served(
        tmp_path_factory.mktemp("desk"),
        gateway=GATEWAY,
        notes="version: 1\nplugin: notes\nconfig: {refuse: refused}\n",
        desk="version: 1\nplugin: desk\n",
        second="version: 1\nplugin: desk\n",
        anomaly=ANOMALY,
    )
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def privileged(running: Gateway) -> str:
    return key_with_rights(running)


def test_parameters_reach_every_instance(running: Gateway) -> None:
    """Without `instance` all are asked the same and answer by instance; with it one alone, which is not told of it."""
    reply, body = call(running, "GET", f"/admin/desk?a=1&b={quote('名字 +&')}&c=")
    asked = {"asked": {"a": "1", "b": "名字 +&", "c": ""}}
    assert (reply.status, json.loads(body)) == (200, {"desk": asked, "second": asked})
    reply, body = call(running, "GET", "/admin/desk?a=1&instance=second")
    assert json.loads(body) == {"second": {"asked": {"a": "1"}}}


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("a=1&a=2", 400, "twice"),
        ("&".join(f"p{number}=1" for number in range(17)), 400, "At most 16"),
        ("a=" + "x" * 201, 400, "At most 16"),
        ("x" * 201 + "=a", 400, "At most 16"),
        ("a=%ff", 400, "cannot be read"),
        ("a", 400, "cannot be read"),
        ("instance=nobody", 404, ""),
        ("instance=desk&file=wrong", 400, "`file` is one of: whole, broken, 名字"),
        ("instance=desk&file=none", 404, ""),
        ("instance=desk&file=fault", 502, ""),
        ("file=whole", 400, "say which with `instance`: desk, second"),
    ],
)
def test_what_cannot_be_asked_is_refused(running: Gateway, query: str, status: int, says: str) -> None:
    """Nobody guesses which of two parameters counts, and errors say what is wrong, but never what a plugin choked on."""
    reply, body = call(running, "GET", f"/admin/desk?{query}")
    assert reply.status == status, body
    assert says in json.loads(body)["error"]["message"]
    assert b"13987650123" not in body
    assert "13987650123" not in running.log


def test_a_file_is_sent_to_be_kept(running: Gateway) -> None:
    """It comes whole, with its type, as an attachment under its name, in Chinese as well."""
    reply, body = call(running, "GET", "/admin/desk?instance=desk&file=whole")
    assert reply.status == 200
    assert body == b"".join(b"%04d\n" % number for number in range(200))
    assert reply.headers["content-type"].startswith("application/jsonl")
    assert reply.headers["content-disposition"] == 'attachment; filename="export.jsonl"'
    reply, _ = call(running, "GET", f"/admin/desk?instance=desk&file={quote('名字')}")
    assert reply.headers["content-disposition"] == f"attachment; filename*=UTF-8''{quote('导出')}.jsonl"


def test_a_file_that_breaks_does_not_look_whole(running: Gateway) -> None:
    """The connection breaks off in its midst, so that no client takes what it has for all; the log has no words of it."""
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        call(running, "GET", "/admin/desk?instance=desk&file=broken")
    assert "download_broke" in running.log
    assert "13987650123" not in running.log
    assert "broken" in (running.data_dir / "closed").read_text()


def test_a_client_that_leaves_ends_it(running: Gateway) -> None:
    """Nobody goes on making a file that nobody takes, and what it is made from is closed."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    connection.request(
        "GET", "/admin/desk?instance=desk&file=endless", headers={"authorization": f"Bearer {ADMIN_KEY}"}
    )
    assert connection.getresponse().read(5) == b"0000\n"
    connection.close()
    closed = running.data_dir / "closed"
    wait(lambda: closed.exists() and "endless" in closed.read_text())


def test_a_plugin_without_parameters_says_so(running: Gateway) -> None:
    """Anomaly takes none, and does not pass over one that somebody thinks it takes."""
    assert call(running, "GET", "/admin/anomalies")[0].status == 200
    reply, body = call(running, "GET", "/admin/anomalies?rule=r")
    assert reply.status == 400
    assert "takes no parameters" in json.loads(body)["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "key"),
    [
        ("GET", "/admin/", ""),
        ("GET", "/admin/desk", ""),
        ("GET", "/admin/policy", ""),
        ("GET", "/admin/openapi.json", ""),
        ("GET", "/admin/desk?instance=desk&file=whole", ""),
        ("GET", "/admin/desk?a=1&a=1", ""),
        ("GET", "/admin/desk", APP_KEY),
        ("GET", "/admin/none/such/page", ""),
        ("PUT", "/admin/desk", ""),
        ("POST", "/admin/desk/do", ""),
        ("GET", "/administration", ""),
    ],
)
def test_no_reply_may_be_stored(running: Gateway, method: str, path: str, key: str) -> None:
    """Every reply of the control plane, also a refusal, tells browsers and proxies to keep nothing."""
    reply, _ = call(running, method, path, *([key] if key else []))
    assert reply.headers.get_all("cache-control") == ["no-store"]


def test_a_right_is_asked_for(running: Gateway, privileged: str) -> None:
    """A key without the right is refused with 403 and the plugin's sentence; with it the deed is on record before."""
    reply, body = call(running, "POST", "/admin/desk/do", instance="desk")
    assert reply.status == 403
    assert json.loads(body)["error"]["code"] == "forbidden"
    assert json.loads(body)["error"]["message"] == "this key may not do it; 请找管理员"
    assert not [one for one in notes(running) if one["kind"] == "do"]
    reply, body = call(running, "POST", "/admin/desk/do", privileged, instance="desk")
    assert reply.status == 200
    (noted,) = [one for one in notes(running) if one["kind"] == "do"]
    assert noted["actor"] == json.loads(body)["done"]
    assert noted["details"] == {"plugin": "desk", "number": "1"}


def test_of_several_one_is_named(running: Gateway, privileged: str) -> None:
    """What would be done to one of several instances is refused unless it is named, so that nobody takes it for all."""
    before = notes(running)
    reply, body = call(running, "POST", "/admin/desk/do", privileged)
    assert (reply.status, b"`instance`: desk, second" in body) == (400, True)
    assert notes(running) == before


def test_what_cannot_be_recorded_is_not_done(running: Gateway, privileged: str) -> None:
    """Where the ledger refuses, the operator gets 503 and nothing else."""
    reply, body = call(running, "POST", "/admin/desk/refused", privileged, instance="desk")
    assert (reply.status, json.loads(body)["error"]["code"]) == (503, "ledger_unavailable")


def test_a_ledger_that_cannot_be_written_is_named(running: Gateway, privileged: str) -> None:
    """A plugin that keeps the ledger itself says by the error's code that it cannot; what else the error says stays here."""
    reply, body = call(running, "POST", "/admin/desk/unwritten", privileged, instance="desk")
    assert (reply.status, json.loads(body)["error"]["code"]) == (503, "ledger_unavailable")
    assert b"13987650123" not in body
    assert "13987650123" not in running.log


def test_the_system_s_refusal_is_no_refusal_of_ours(running: Gateway, privileged: str) -> None:
    """A file that the plugin may not open is its fault, and says nothing about what the operator may do."""
    reply, body = call(running, "POST", "/admin/desk/open", privileged, instance="desk")
    assert (reply.status, json.loads(body)["error"]["code"]) == (502, "plugin_fault")
