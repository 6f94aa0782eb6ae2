"""What a record of an exchange holds; docs/ledger.md is the description for auditors."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from yumen import Exchange, Hmac, Text
from yumen_plugins.audit.config import AuditConfig

# Lists in a record are for people; what lies beyond is counted.
FINDINGS_MAX, TRACE_MAX, TEXTS_MAX = 256, 256, 4096
NAME_CHARS_MAX = 200
CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")


class Digester:
    """Keyed digests for one gateway."""

    def __init__(self, key: bytes) -> None:
        self._mac = Hmac(key)

    def __call__(self, value: str) -> str:
        """128 bits of HMAC-SHA256; useless without the key, the same for the same value."""
        return "hmac:" + self._mac(value.encode("utf-8", "surrogatepass"))[:16].hex()


@lru_cache(16)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def moment(seconds: float) -> str:
    """RFC 3339 in UTC, with microseconds."""
    whole, micros = divmod(round(seconds * 1e6), 1_000_000)
    return f"{_second(whole)}.{micros:06d}Z"


def clean(name: str) -> str:
    """A name as it may stand in a record: bounded and without control characters."""
    return name if name.isalnum() and len(name) <= NAME_CHARS_MAX else CONTROL.sub("?", name[:NAME_CHARS_MAX])


def record_of(exchange: Exchange, receipt: str, config: AuditConfig, digest: Digester) -> dict[str, Any]:
    """The record of an exchange whose outcome is known. `seq` and the code are the writer's to add."""
    principal, reply = exchange.principal, exchange.reply
    findings, trace = exchange.findings, _trace(exchange, config)
    body: dict[str, Any] = {
        "kind": "exchange",
        "time": moment(exchange.received_at),
        "id": exchange.id,
        "receipt": receipt,
        "tenant": principal.tenant,
        "app": principal.app,
        "key": principal.key_id,
        "trusted": principal.trusted,
        "client": digest(exchange.client),
        "route": exchange.route,
        "dialect": exchange.dialect,
        "model": clean(exchange.model),
        "engine": clean(exchange.engine),
        "streamed": exchange.streamed,
        "policy": exchange.policy_hash,
        "accept_raw": exchange.accept_raw,
        "outcome": exchange.outcome,
        "findings": findings[:FINDINGS_MAX],
        "trace": trace[:TRACE_MAX],
        "request_bytes": exchange.request_bytes,
        "reply_bytes": exchange.reply_bytes,
        "timings_ms": exchange.timings_ms,
    }
    left = config.text_chars_max
    body["request"], left = _texts(list(exchange.texts), left, config, digest)
    if reply is not None:
        body["status"] = reply.status
        body["finish_reason"] = clean(reply.finish_reason)
        if reply.usage is not None:
            body["usage"] = {"input_tokens": reply.usage.input_tokens, "output_tokens": reply.usage.output_tokens}
        body["reply"], left = _texts(list(reply.texts), left, config, digest)
    if len(findings) > FINDINGS_MAX:
        body["findings_left_out"] = len(findings) - FINDINGS_MAX
    if len(trace) > TRACE_MAX:
        body["trace_left_out"] = len(trace) - TRACE_MAX
    return body


def _trace(exchange: Exchange, config: AuditConfig) -> list[dict[str, Any]]:
    full = config.trace == "full"
    return [
        {
            "plugin": one.plugin,
            "hook": one.hook,
            "decision": one.decision,
            "reason": clean(one.reason),
            "edits": one.edits,
            "shadow": one.shadow,
            "ms": round(one.ms, 3),
        }
        for one in exchange.trace
        if full or one.edits or one.decision != "allow"
    ]


def _texts(texts: list[Text], left: int, config: AuditConfig, digest: Digester) -> tuple[list[dict[str, Any]], int]:
    out: list[dict[str, Any]] = []
    for text in texts[:TEXTS_MAX]:
        value = text.value
        # Paths are the core's own words: declared names and positions.
        entry: dict[str, Any] = {"path": text.path, "kind": text.kind, "chars": len(value)}
        if text.role:
            entry["role"] = text.role
        if config.texts == "masked" and len(value) <= left:
            entry["text"] = value if value.isascii() else value.encode("utf-8", "replace").decode()
            left -= len(value)
        elif config.texts != "none":
            entry["digest"] = value if value.startswith("hmac:") and len(value) == 37 else digest(value)
        out.append(entry)
    if len(texts) > TEXTS_MAX:
        out.append({"path": "", "kind": "left_out", "chars": len(texts) - TEXTS_MAX})
    return out, left
