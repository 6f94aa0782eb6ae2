"""What records hold; docs/ledger.md is the description for auditors."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from yumen import Exchange, Hmac, Operation, Text, Trace
from yumen_plugins.audit.config import AuditConfig
from yumen_plugins.audit.subjects import SubjectKey

# Lists in a record are for people; what lies beyond is counted.
FINDINGS_MAX, TRACE_MAX, TEXTS_MAX, DETAILS_MAX = 256, 256, 4096, 32
NAME_CHARS_MAX = 200
# What a terminal would act on, or what is not text.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# The parts of a path that are kept. Below `/apps/` they are the caller's own, and what is no plain word may be anything.
WORD = re.compile(r"(?:[A-Za-z][A-Za-z_-]{0,30}[0-9]{0,3})?")
WORDS_MAX = 8

encode = msgspec.json.Encoder().encode
decode_texts = msgspec.json.Decoder(list[str]).decode


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


def operation_record(operation: Operation, operation_id: str, receipt: str) -> dict[str, Any]:
    """The record of something that was done to the gateway."""
    details = list(operation.details.items())
    body: dict[str, Any] = {
        "kind": "operation",
        "time": moment(operation.at),
        "id": operation_id,
        "receipt": receipt,
        "operation": clean(operation.kind),
        "actor": clean(operation.actor),
        "details": {clean(str(name)): clean(str(value)) for name, value in details[:DETAILS_MAX]},
    }
    if len(details) > DETAILS_MAX:
        body["details_left_out"] = len(details) - DETAILS_MAX
    return body


def intent_record(exchange: Exchange, receipt: str) -> dict[str, Any]:
    """The record that text is about to leave this machine; what became of it is in the record of the exchange."""
    return {
        "kind": "intent",
        **_who(exchange, receipt),
        "engine": clean(exchange.engine),
        "egress": exchange.egress,
        "sent_form": exchange.sent_form,
        "sent_bytes": exchange.sent_bytes,
        "accept_raw": exchange.accept_raw,
    }


def _who(exchange: Exchange, receipt: str) -> dict[str, Any]:
    principal = exchange.principal
    return {
        "time": moment(exchange.received_at),
        "id": exchange.id,
        "receipt": receipt,
        "tenant": principal.tenant,
        "app": principal.app,
        "key": principal.key_id,
        "subject": exchange.subject,
        "route": exchange.route,
        "policy": exchange.policy_hash,
    }


def record_of(
    exchange: Exchange, receipt: str, config: AuditConfig, digest: Digester, key: SubjectKey
) -> dict[str, Any]:
    """The record of an exchange whose outcome is known; texts are sealed, and digested, under the key of its subject.

    The number is the writer's to add. Error: `Erased` where the key was destroyed meanwhile.
    """
    reply = exchange.reply
    findings, trace = exchange.findings, _notable(exchange, config)
    # An address is somebody's as much as a name is: where a subject is known, it can be forgotten with its key.
    of_subject = key.digest if exchange.subject else digest
    body: dict[str, Any] = {
        "kind": "exchange",
        **_who(exchange, receipt),
        "trusted": exchange.principal.trusted,
        "client": of_subject(exchange.client),
        "path": exchange.path if _plain(exchange.path) else _path(exchange.path, of_subject),
        "dialect": exchange.dialect,
        "model": clean(exchange.model),
        "engine": clean(exchange.engine),
        "engine_version": exchange.engine_version,
        "streamed": exchange.streamed,
        "plugins": dict(exchange.versions),
        "accept_raw": exchange.accept_raw,
        "outcome": exchange.outcome,
        "cache": exchange.cache,
        "findings": findings[:FINDINGS_MAX],
        "trace": [_call(one) for one in _foremost(trace)],
        "request_bytes": exchange.request_bytes,
        "reply_bytes": exchange.reply_bytes,
        "timings_ms": exchange.timings_ms,
    }
    if exchange.egress:
        body["egress"] = exchange.egress
        body["sent_form"] = exchange.sent_form
        body["sent_bytes"] = exchange.sent_bytes
    texts = _Texts(config, key)
    body["request"] = texts.entries(list(exchange.texts), sent=True)
    if reply is not None:
        body["status"] = reply.status
        body["finish_reason"] = clean(reply.finish_reason)
        if reply.usage is not None:
            body["usage"] = {"input_tokens": reply.usage.input_tokens, "output_tokens": reply.usage.output_tokens}
        body["reply"] = texts.entries(list(reply.texts), sent=False)
    if texts.sealed:
        sealed = key.seal(encode(texts.sealed), exchange.id.encode())
        body["sealed"] = {"key": key.id, "texts": base64.b64encode(sealed).decode()}
    if len(findings) > FINDINGS_MAX:
        body["findings_left_out"] = len(findings) - FINDINGS_MAX
    if len(trace) > TRACE_MAX:
        body["trace_left_out"] = len(trace) - TRACE_MAX
    return body


def open_texts(record: dict[str, Any], key: SubjectKey) -> None:
    """Put the texts of an exchange back where they belong. Errors: `DoesNotOpen`; `Erased`; ValueError for another form."""
    sealed = base64.b64decode(record["sealed"]["texts"], validate=True)
    values = iter(decode_texts(key.open(sealed, record["id"].encode())))
    for entry in (*record.get("request", ()), *record.get("reply", ())):
        if entry.pop("sealed", False):
            entry["text"] = next(values)
    del record["sealed"]


@lru_cache(64)
def _plain(path: str) -> bool:
    """Whether a path is made of plain words alone, as those of the gateway are."""
    return all(WORD.fullmatch(part) for part in path.split("/", WORDS_MAX))


def _path(path: str, digest: Callable[[str], str]) -> str:
    """The path of a request; each part of it that is no plain word as its digest."""
    return "/".join([part if WORD.fullmatch(part) else digest(part) for part in path.split("/", WORDS_MAX)])


def _notable(exchange: Exchange, config: AuditConfig) -> list[Trace]:
    """The hook calls that are recorded: those that decided or edited, in shadow too, or all."""
    if config.trace == "full":
        return list(exchange.trace)
    return [one for one in exchange.trace if one.edits or one.decision != "allow"]


def _foremost(trace: list[Trace]) -> list[Trace]:
    """As many calls as a record holds, in their order: each different deed once, before deeds that repeat and idle calls."""
    if len(trace) <= TRACE_MAX:
        return trace
    seen: set[tuple[str, str, str, str, bool]] = set()
    ranks: list[int] = []
    for one in trace:
        deed = (one.plugin, one.hook, one.decision, one.reason, one.shadow)
        ranks.append(2 if one.decision == "allow" and not one.edits else 1 if deed in seen else 0)
        seen.add(deed)
    kept = sorted(range(len(trace)), key=ranks.__getitem__)[:TRACE_MAX]
    return [trace[index] for index in sorted(kept)]


def _call(one: Trace) -> dict[str, Any]:
    return {
        "plugin": one.plugin,
        "hook": one.hook,
        "decision": one.decision,
        "reason": clean(one.reason),
        "edits": one.edits,
        "shadow": one.shadow,
        "ms": round(one.ms, 3),
    }


class _Texts:
    """Texts as a record holds them; those that are `sealed` stand apart, in their order."""

    def __init__(self, config: AuditConfig, key: SubjectKey) -> None:
        self.sealed: list[str] = []
        self._left = config.text_chars_max
        self._form = config.texts
        self._digest = key.digest

    def entries(self, texts: list[Text], *, sent: bool) -> list[dict[str, Any]]:
        """An entry for each; `sent` are those of the request."""
        out: list[dict[str, Any]] = []
        for text in texts[:TEXTS_MAX]:
            value = text.value
            # Paths are the core's own words: declared names and positions.
            entry: dict[str, Any] = {"path": text.path, "kind": text.kind, "chars": len(value)}
            if sent and (raw_chars := text.raw_chars) != len(value):
                entry["raw_chars"] = raw_chars
            if text.role:
                entry["role"] = text.role
            if self._form == "masked" and len(value) <= self._left:
                entry["sealed"] = True
                self.sealed.append(value if value.isascii() else value.encode("utf-8", "replace").decode())
                self._left -= len(value)
            elif self._form != "none":
                entry["digest"] = value if value.startswith("hmac:") and len(value) == 37 else self._digest(value)
            out.append(entry)
        if len(texts) > TEXTS_MAX:
            out.append({"path": "", "kind": "left_out", "chars": len(texts) - TEXTS_MAX})
        return out
