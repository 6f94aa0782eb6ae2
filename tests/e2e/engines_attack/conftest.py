"""A gateway whose remote engine is not there, so that a local one answers in its place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.serving import Gateway, free_port

BUNDLE = """\
version: 1
engines:
  away: {adapter: openai, egress: remote, base_url: "http://127.0.0.1:%d", retries: 0}
  here: {adapter: faq, egress: local}
routes:
  - {id: chat, match: {paths: [/v1/chat/completions]}, engine: away, fallback: here, chain: [audit, anonymize]}
"""
PLUGINS = {
    "audit": "version: 1\nplugin: audit\ntimeout_ms: 10000\nconfig: {texts: masked}\n",
    "anonymize": 'version: 1\nplugin: anonymize\nconfig: {detect: ["*"]}\n',
}


@pytest.fixture(scope="session")
def falling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The running gateway. Nobody listens at the port of its remote engine."""
    folder = tmp_path_factory.mktemp("falling")
    policies = folder / "policies"
    policies.mkdir()
    for name, text in {"gateway": BUNDLE % free_port(), **PLUGINS}.items():
        (policies / f"{name}.yaml").write_text(text)
    gateway = Gateway(folder, YUMEN_POLICIES=str(policies)).start()
    yield gateway
    gateway.stop()
