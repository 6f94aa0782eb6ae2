"""The masking plugin in a process of its own, end to end: what policy proves of it holds there as well."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from yumen.policy.load import load_bundle
from yumen.policy.testing import run_cases

GATEWAY = """version: 1
engines:
  llm: {adapter: openai, egress: remote, base_url: "http://127.0.0.1:9/v1"}
routes:
  - id: chat
    match: {paths: [/v1/chat/completions]}
    engine: llm
    chain: [anonymize]
"""
ANONYMIZE = """version: 1
plugin: anonymize
isolation: process
memory_mib: 1024
config:
  detect: [cn.mobile, email, ip]
  action: {default: pseudonym, ip: block}
tests:
  - name: a phone next to Han characters is masked and restored
    request: {text: "我的电话是13812345678，帮我查快递"}
    expect: {forwarded: {excludes: ["13812345678"]}, findings: [cn.mobile], restored: true}
  - name: a stream is restored and no place at which it is cut matters
    request: {text: "write to li.na@example.com"}
    stream: true
    every_split: true
    expect: {forwarded: {excludes: ["li.na"]}, restored: true}
  - name: what is blocked is blocked
    request: {text: "ping 192.0.2.17"}
    expect: {decision: block, rule: ip}
"""


@pytest.mark.parametrize("kept", ["none", "process"])
async def test_its_cases_hold_in_both(tmp_path: Path, kept: str) -> None:
    """Masking, restoring, streams cut everywhere and blocks come out alike, in the gateway's process and in its own."""
    (tmp_path / "gateway.yaml").write_text(GATEWAY)
    here = ANONYMIZE.replace("isolation: process\nmemory_mib: 1024\n", "") if kept == "none" else ANONYMIZE
    (tmp_path / "anonymize.yaml").write_text(here)
    with capture_logs() as logs:
        report = await run_cases(load_bundle(str(tmp_path)))
    assert [(one.name, one.status, one.conditions) for one in report.cases if one.status != "passed"] == []
    assert len(report.cases) == 3
    assert "13812345678" not in repr(logs)
