"""A running gateway that is traced: what operators and developers get of it, and what nobody else does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.admin.desk import call, install
from tests.reload.live import wait, write
from tests.serving import APP_KEY, Gateway

pytestmark = pytest.mark.server

GATEWAY = """version: 1
engines: {assistant: {adapter: faq, egress: local}}
routes:
  - {id: chat, match: {paths: [/v1/chat/completions]}, engine: assistant, chain: [notes, watcher, naps]}
"""
SLEEPER = """import time
from yumen import Manifest, Plugin


class Sleeper(Plugin):
    manifest = Manifest(name="sleeper", version="1", sees="raw")

    async def on_request(self, exchange):
        if "睡" in exchange.texts[-1].value:
            time.sleep(1)
"""
NOTES = "version: 1\nplugin: notes\n"
NAPS = "version: 1\nplugin: sleeper\ntimeout_ms: 30000\n"
WATCHER = "version: 1\nplugin: anomaly\nconfig: {rules: [{id: long, when: request.chars > 20, then: block}]}\n"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("trace")
    path = install(folder / "site")
    _install_sleeper(folder / "site")
    bundle = folder / "bundle"
    write(bundle, gateway=GATEWAY, notes=NOTES, watcher=WATCHER, naps=NAPS)
    env = {"YUMEN_POLICIES": str(bundle), "PYTHONPATH": path, "YUMEN_TRACE": "plugins", "YUMEN_DEVELOPMENT": "1"}
    gateway = Gateway(folder, **env).start()
    yield gateway
    gateway.stop()


def _install_sleeper(site: Path) -> None:
    info = site / "sleepers-1.0.dist-info"
    info.mkdir()
    (site / "sleepers.py").write_text(SLEEPER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sleepers\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[yumen.plugins]\nsleeper = sleepers:Sleeper\n")


def test_an_exchange_is_told_by_its_id(running: Gateway) -> None:
    """The header says what took how long, the id leads to every hook call, and the words are nowhere."""
    body = {"model": "m", "messages": [{"role": "user", "content": "我的电话是13987650123，这句话很长很长很长"}]}
    reply, _ = call(running, "POST", "/v1/chat/completions", APP_KEY, **body)
    assert reply.status == 403
    timing = reply.headers["server-timing"]
    assert "watcher;dur=" in timing
    assert "total;dur=" in timing
    exchange_id = reply.headers["x-request-id"]
    told, content = call(running, "GET", f"/admin/trace/{exchange_id}")
    assert told.status == 200, content
    traced = json.loads(content)
    assert (traced["id"], traced["outcome"], traced["status"]) == (exchange_id, "policy_blocked", 403)
    assert {"plugin": "watcher", "hook": "on_request", "decision": "block", "rule": "long"}.items() <= next(
        hook for hook in traced["hooks"] if hook["decision"] == "block"
    ).items()
    assert any(line.get("event") == "trace" and line["exchange"] == exchange_id for line in lines(running))
    assert "13987650123" not in running.log + content.decode() + timing
    assert "电话" not in running.log + content.decode()


def lines(gateway: Gateway) -> list[dict[str, object]]:
    """What was logged as JSON."""
    return [json.loads(line) for line in gateway.log.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/admin/trace/" + "0" * 32, APP_KEY, 401),
        ("/admin/trace/" + "0" * 32, "no-such-key", 401),
        ("/admin/trace/" + "0" * 32, None, 404),
        ("/admin/trace/..%2f..%2fetc", None, 404),
        ("/admin/trace/" + "a" * 5000, None, 404),
        ("/admin/trace/%ff%00", None, 404),
        ("/admin/trace/", None, 404),
    ],
)
def test_only_operators_ask_and_for_ids_only(running: Gateway, path: str, key: str | None, status: int) -> None:
    """A trace is for admin keys; whatever stands where an id should is not found, and never an error of ours."""
    reply, body = call(running, "GET", path, *([key] if key else []))
    assert reply.status == status, body
    assert "error" in json.loads(body)


def test_a_plugin_that_stops_the_loop_is_named(running: Gateway) -> None:
    """With the server's own event loop: the instance, its distribution, and the very line; and it is counted."""
    body = {"model": "m", "messages": [{"role": "user", "content": "睡一会儿"}]}
    assert call(running, "POST", "/v1/chat/completions", APP_KEY, **body)[0].status == 200
    wait(lambda: any(line["event"] == "loop_blocked" and line["plugin"] == "naps" for line in lines(running)))
    (line,) = (line for line in lines(running) if line["event"] == "loop_blocked" and line["plugin"] == "naps")
    assert (line["hook"], line["distribution"]) == ("on_request", "sleepers")
    assert str(line["at"]).endswith(f"sleepers.py:{1 + SLEEPER[: SLEEPER.index('time.sleep')].count(chr(10))}")
    assert 'yumen_loop_blocked_total{plugin="naps"} 1.0' in running.get("/metrics")[1]
    assert "睡" not in running.log


def test_it_says_that_it_is_in_development(running: Gateway) -> None:
    """Nobody runs a gateway so by mistake without a word in the log."""
    assert any(line["event"] == "development_mode" for line in lines(running))
