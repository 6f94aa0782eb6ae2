"""`yumen serve` before it serves: what it refuses, and what it prints once."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.serving import PROGRAM, Gateway, free_port

from yumen import Secret
from yumen.cli.serve import is_loopback
from yumen.identity import Keys


def serve(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Start it where it has to refuse; hangs, and so fails, where it does not."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("YUMEN_")}
    return subprocess.run(
        [PROGRAM, "serve", *arguments],
        env={**clean, "YUMEN_DATA": str(folder / "data"), "YUMEN_PORT": str(free_port()), **env},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gateway.example"])  # it must be refused
def test_an_open_bind_without_keys_is_refused(tmp_path: Path, host: str) -> None:
    """Nobody else's machine reaches a gateway for which nobody has made a key on purpose."""
    result = serve(tmp_path, "--host", host)
    assert result.returncode == 1
    assert f"refusing to bind {host} without keys" in result.stderr
    assert "yumen keys create --tenant T --app A" in result.stderr
    assert not (tmp_path / "data" / "ledger").exists()


def test_a_policy_that_does_not_hold_is_refused(tmp_path: Path) -> None:
    """Serving begins with the same check as `yumen policy check`, and the same lines."""
    (tmp_path / "gateway.yaml").write_text("version: 1\nengines: {}\nroutes: []\n")
    result = serve(tmp_path, "--policies", str(tmp_path))
    assert result.returncode == 2
    assert "gateway.yaml:3:9: policy.bounds" in result.stderr


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"YUMEN_APP_KEY": "short"}, "YUMEN_APP_KEY"),
        ({"YUMEN_APP_KEY": "the-same-key-000", "YUMEN_ADMIN_KEY": "the-same-key-000"}, "are the same"),
        ({"YUMEN_DATA": "/proc/none"}, "YUMEN_DATA"),
    ],
)
def test_what_else_cannot_be(tmp_path: Path, env: dict[str, str], says: str) -> None:
    """A sentence on what to do, exit 1, and no traceback."""
    result = serve(tmp_path, **env)
    assert result.returncode == 1
    assert says in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.server
def test_what_plugins_refuse_is_said_in_a_sentence(tmp_path: Path) -> None:
    """A worker whose plugin cannot start ends the server, with the plugin's own words.

    Nobody is told that it serves, and there is no key that nobody was shown: only the one that the environment fixes.
    """
    result = serve(tmp_path, YUMEN_WORKERS="2", YUMEN_ADMIN_KEY="fixed-admin-key")
    assert result.returncode == 1
    assert "serves bundle" not in result.stdout + result.stderr
    assert "curl" not in result.stdout + result.stderr
    assert [entry.role for entry in Keys.open(tmp_path / "data", Secret.open(tmp_path / "data")).list()] == ["admin"]
    assert "yumen: plugin limits: rate limits need a store that all 2 workers share; run one worker" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.server
def test_a_ledger_that_cannot_be_begun_is_said_in_a_sentence(tmp_path: Path) -> None:
    """Without a ledger the gateway does not serve."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ledger").write_text("in the way")
    result = serve(tmp_path)
    assert result.returncode == 1
    assert "yumen: plugin audit: " in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


@pytest.mark.server
def test_first_keys_are_shown_once_and_the_printed_line_works(tmp_path: Path) -> None:
    """A first start prints both keys and a curl line; the line works as it is; a second start prints no key."""
    gateway = Gateway(tmp_path, YUMEN_APP_KEY="", YUMEN_ADMIN_KEY="").start()
    try:
        printed = gateway.log
        assert re.search(r"new admin key \(shown only now\): ym-\S+", printed)
        line = next(line for line in printed.splitlines() if line.strip().startswith("curl "))
        reply = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30, check=True).stdout
        assert "13812345678" in reply
        gateway.stop()
        gateway.start()
        again = gateway.log[len(printed) :]
        assert "shown only now" not in again
        assert "$YUMEN_APP_KEY" in again
        assert "ym-" not in again
    finally:
        gateway.stop()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.1", False), ("localhost.example", False)],
)  # fmt: skip
def test_loopback(host: str, loopback: bool) -> None:
    """Only what nobody else can reach counts as loopback."""
    assert is_loopback(host) is loopback
