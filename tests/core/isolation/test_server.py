"""A real gateway whose masking plugin has a process of its own: callers notice nothing, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import APIStatusError, OpenAI
from tests.serving import Gateway
from tests.upstream import Upstream

pytestmark = pytest.mark.server
GATEWAY = """version: 1
engines:
  llm: {adapter: openai, base_url: "${env:YUMEN_UPSTREAM}", egress: remote}
routes:
  - id: chat
    match: {paths: [/v1/chat/completions]}
    engine: llm
    chain: [anonymize]
"""
TEXT = "我的电话是13987654321, mail li.na@example.com"


@pytest.fixture
def gateway(tmp_path: Path, upstream: Upstream) -> Iterator[Gateway]:
    """A gateway with this bundle."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "gateway.yaml").write_text(GATEWAY)
    (bundle / "anonymize.yaml").write_text("version: 1\nplugin: anonymize\nisolation: process\ntimeout_ms: 30000\n")
    running = Gateway(tmp_path, YUMEN_UPSTREAM=upstream.url, YUMEN_POLICIES=str(bundle), TMPDIR=str(tmp_path))
    yield running.start()
    running.stop()


def ask(gateway: Gateway, stream: bool) -> str:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as openai:
        if not stream:
            reply = openai.chat.completions.create(model="echo", messages=[{"role": "user", "content": TEXT}])
            return reply.choices[0].message.content or ""
        chunks = openai.chat.completions.create(model="echo", messages=[{"role": "user", "content": TEXT}], stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def children(gateway: Gateway) -> list[int]:
    """The processes of a gateway's plugins: they have little of its environment, and TMPDIR is part of that."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes()
            environment = (folder / "environ").read_bytes()
        except (OSError, NotADirectoryError):
            continue
        if b"yumen.isolation.child" in command and str(gateway.data_dir.parent).encode() in environment:
            found.append(int(folder.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked for in /proc")
def test_callers_notice_nothing(gateway: Gateway) -> None:
    """Plain and streamed replies are restored, the process is replaced when it is killed, and ends with the gateway."""
    assert ask(gateway, stream=False).endswith(TEXT)
    assert ask(gateway, stream=True).endswith(TEXT)
    (pid,) = children(gateway)
    os.kill(pid, signal.SIGKILL)
    until = time.monotonic() + 60
    while True:
        try:
            assert ask(gateway, stream=True).endswith(TEXT)
            break
        except APIStatusError as error:
            assert error.code == "plugin_fault"
            assert time.monotonic() < until
            time.sleep(0.05)
    (other,) = children(gateway)
    assert other != pid
    gateway.stop()
    assert "plugin_process_ended" in gateway.log
    assert "13987654321" not in gateway.log
    while Path(f"/proc/{other}").exists():
        assert time.monotonic() < until + 60
        time.sleep(0.05)
