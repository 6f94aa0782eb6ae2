"""Gateways with a cache in front of a recording upstream, and applications that ask them with the official client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from openai import OpenAI
from tests import ledgers
from tests.reload.live import write
from tests.serving import Gateway
from tests.upstream import Upstream

GATEWAY = """version: 1
{store}
engines: {{llm: {{adapter: openai, egress: remote, base_url: "${{env:YUMEN_UPSTREAM}}"}}}}
routes:
  - id: chat
    match: {{paths: [/v1/chat/completions, /v1/embeddings]}}
    engine: llm
    subject: {{field: user}}
    chain: [audit, anonymize, cache]
"""
# Time enough for a store to answer on a machine that does much else.
CACHE = "version: 1\nplugin: cache\nconfig: {{ttl_s: {ttl_s}, shared_timeout_ms: 2000, memory: {{warm: true}}}}\n"
ANONYMIZE = """version: 1
plugin: anonymize
config: {detect: [cn.mobile, email, secret.aws_key_id], action: {secret.*: redact}}
"""
REDIS = 'store: {redis: "${env:TEST_REDIS}"}'
STREAM: dict[str, Any] = {"stream": True}


class Got(NamedTuple):
    """What a caller got: the text, and what the headers say of the cache."""

    text: str
    cache: str
    age: str


class Caller:
    """An application of a tenant, which the gateway knows if it runs; every request has a connection of its own."""

    def __init__(self, gateway: Gateway, tenant: str) -> None:
        made = gateway.yumen("keys", "create", "--tenant", tenant, "--app", "app", "--trusted", "--json")
        assert made.returncode == 0, made.stderr
        key = json.loads(made.stdout)["key"]
        if gateway.process is not None:
            gateway.wait_for_key(key)
        self.client = OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, timeout=60)

    def ask(self, text: str, *, model: str = "m", control: str = "", who: str = "", **more: Any) -> Got:
        """A plain request, or with `stream=True` a streamed one."""
        headers = {"connection": "close"}
        headers |= {"cache-control": control} if control else {}
        more |= {"user": who} if who else {}
        reply = self.client.chat.completions.with_raw_response.create(
            model=model, messages=messages(text), extra_headers=headers, **more
        )
        parsed: Any = reply.parse()
        if more.get("stream"):
            said = "".join(one.delta.content or "" for event in parsed for one in event.choices)
        else:
            said = parsed.choices[0].message.content
        return Got(said, reply.headers.get("x-cache", ""), reply.headers.get("x-cache-age", ""))


def messages(text: str) -> Any:
    """A conversation in which the upstream repeats a text."""
    return [{"role": "system", "content": "请复述。Repeat."}, {"role": "user", "content": text}]


def served(folder: Path, upstream: Upstream, *, store: str = "", **env: str) -> Gateway:
    """A gateway with this bundle, not started."""
    bundle = folder / "bundle"
    write(
        bundle,
        gateway=GATEWAY.format(store=store),
        audit="version: 1\nplugin: audit\n",
        anonymize=ANONYMIZE,
        cache=CACHE.format(ttl_s=600),
    )
    return Gateway(folder, YUMEN_UPSTREAM=upstream.url, YUMEN_POLICIES=str(bundle), YUMEN_LOG_LEVEL="debug", **env)


def purge(gateway: Gateway, *arguments: str) -> dict[str, Any]:
    """What `yumen cache purge` says."""
    done = gateway.yumen("cache", "purge", *arguments, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def operations(gateway: Gateway, kind: str) -> list[dict[str, Any]]:
    """The details of operations of a kind, as the ledger has them."""
    records = (one for one in ledgers.records(gateway.data_dir) if one["kind"] == "operation")
    return [one["details"] for one in records if one["operation"] == kind]
