"""A plugin from outside: installed as a package, found by its entry point, used by a real gateway."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import APIStatusError, OpenAI
from tests.serving import Gateway
from tests.upstream import Upstream

pytestmark = pytest.mark.server
HERE = Path(__file__).parent
BUNDLE = {
    "gateway.yaml": """
version: 1
engines:
  llm: {adapter: openai, base_url: "${env:YUMEN_UPSTREAM}", egress: remote}
routes:
  - id: chat
    match: {paths: [/v1/chat/completions]}
    engine: llm
    chain: [house, anonymize]
""",
    "house.yaml": """
version: 1
plugin: house_words
config:
  refuse: ["Project Falcon", "猎鹰计划"]
  replace: {"Project Heron": "a project", "苍鹭计划": "某项目"}
""",
    "anonymize.yaml": "version: 1\nplugin: anonymize\n",
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Gateway]:
    """A gateway in whose environment the package has been installed."""
    folder = tmp_path_factory.mktemp("third-party")
    target, bundle = folder / "site", folder / "bundle"
    bundle.mkdir()
    for name, text in BUNDLE.items():
        (bundle / name).write_text(text)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
    subprocess.run([*install, str(HERE / "yumen-house-words")], check=True, capture_output=True)
    path = os.pathsep.join(filter(None, [str(target), os.environ.get("PYTHONPATH", "")]))
    running = Gateway(folder, YUMEN_UPSTREAM=upstream.url, YUMEN_POLICIES=str(bundle), PYTHONPATH=path).start()
    yield running
    running.stop()


def ask(gateway: Gateway, text: str, model: str = "echo", stream: bool = False) -> str:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as openai:
        if not stream:
            reply = openai.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
            return reply.choices[0].message.content or ""
        chunks = openai.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


@pytest.mark.parametrize("text", ["about Project Falcon", "关于猎鹰计划的事"])
def test_it_blocks(gateway: Gateway, text: str) -> None:
    """A plugin from outside ends exchanges like one from inside."""
    with pytest.raises(APIStatusError) as caught:
        ask(gateway, text)
    assert (caught.value.status_code, caught.value.code) == (403, "policy_blocked")
    assert "falcon" not in caught.value.message.lower()


@pytest.mark.parametrize(("model", "stream"), [("echo", False), ("echo", True), ("split-1", True)])
def test_it_edits_replies(gateway: Gateway, model: str, stream: bool) -> None:
    """Its edits reach the client, plain and streamed however the stream is cut, beside the restored values."""
    reply = ask(gateway, "Project Heron and 苍鹭计划, 13812345678", model, stream)
    assert "a project and 某项目, 13812345678" in reply


def test_it_is_listed(gateway: Gateway) -> None:
    """`yumen plugins list` names it with its distribution and the hash of what pip has installed, which a bundle may pin."""
    listed = gateway.yumen("plugins", "list", "--json")
    assert listed.returncode == 0
    (one,) = [row for row in json.loads(listed.stdout) if row["name"] == "house_words"]
    assert (one["distribution"], one["version"], one["no_hash"]) == ("yumen-house-words", "1.0.0", "")
    assert (one["sees"], one["mutates"], one["served"]) == ("raw", True, True)
    policy = Path(one["bundles"][0])
    assert gateway.yumen("policy", "check", str(pinned(policy, one["sha256"]))).returncode == 0
    refused = gateway.yumen("policy", "check", str(pinned(policy, "0" * 64)))
    assert refused.returncode == 2
    assert "policy.pin: plugin `house_words` of yumen-house-words 1.0.0 has the hash " + one["sha256"] in refused.stdout


def pinned(bundle: Path, sha256: str) -> Path:
    """A bundle beside another, that pins its plugin."""
    made = bundle.with_name(f"pinned-{sha256[:4]}")
    made.mkdir(exist_ok=True)
    (made / "gateway.yaml").write_text(f"version: 1\nextends: ../{bundle.name}\n")
    (made / "house.yaml").write_text(f'version: 1\npin: {{version: "1.0.0", sha256: {sha256}}}\n')
    return made
