"""Records of every kind, as readers of a ledger get them, and any others that hypothesis thinks of."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

WRITER = "8d0eb8ae"
RECEIPT = f"{WRITER}.67540812a86e2eb0b9825b3c6c715a78"
ID = "01a20fe1b29e60b4b5e5a2ec80ad8700"
CLIENT = "hmac:012a07fb42016fc7b37185492b0150da"
SUBJECT = "5f0c8e6a1b2d3c4f5a6b7c8d9e0f1a2b"
MASKED = "我的快递到哪了？电话<CN_MOBILE_2w9ah9yqpd>"
ANSWER = "打开“我的订单”，点“物流”。Noted: <CN_MOBILE_2w9ah9yqpd>."
TIME = "2026-11-24T23:26:19.294227Z"
MILLISECONDS = 1795562779294
PHONE = {
    "rule": "cn.mobile",
    "category": "pii",
    "path": "messages[0].content",
    "start": 10,
    "end": 21,
    "score": 0.9,
    "direction": "request",
    "plugin": "anonymize",
    "shadow": False,
}
MASK = {
    "plugin": "anonymize",
    "hook": "on_request",
    "decision": "allow",
    "reason": "",
    "edits": 1,
    "shadow": False,
    "ms": 0.217,
}
BLOCK = MASK | {"plugin": "anomaly", "decision": "block", "reason": "burst", "edits": 0}
# As version 1 of the ledger wrote it: without subject, versions of plugins and engine, and cache.
OLD: dict[str, Any] = {
    "mac": "8f3dbcaad6e58961a882615cba6c35d97633170e0cffc9e0756288abd5484c24",
    "seq": 3,
    "kind": "exchange",
    "time": TIME,
    "id": ID,
    "receipt": RECEIPT,
    "tenant": "default",
    "app": "客服",
    "key": "k62ee510ea0",
    "trusted": False,
    "client": CLIENT,
    "route": "chat",
    "path": "/v1/chat/completions",
    "dialect": "openai",
    "model": "assistant",
    "engine": "assistant",
    "streamed": False,
    "policy": "9565ce19b647",
    "accept_raw": "",
    "outcome": "ok",
    "findings": [PHONE, PHONE | {"rule": "email", "start": 30, "end": 41, "shadow": True}],
    "trace": [MASK],
    "request_bytes": 110,
    "reply_bytes": 500,
    "timings_ms": {"engine": 2.43, "total": 3.666},
    "egress": "local",
    "sent_form": "masked",
    "sent_bytes": 121,
    "request": [
        {"path": "model", "kind": "identifier", "chars": 9, "text": "assistant"},
        {
            "path": "messages[0].content",
            "kind": "message",
            "chars": 32,
            "raw_chars": 21,
            "role": "user",
            "text": MASKED,
        },
    ],
    "status": 200,
    "finish_reason": "stop",
    "usage": {"input_tokens": 7, "output_tokens": 32},
    "reply": [
        {"path": "choices[0].message.content", "kind": "message", "chars": 44, "role": "assistant", "text": ANSWER}
    ],
}
EXCHANGE: dict[str, Any] = {name: value for name, value in OLD.items() if name != "mac"} | {
    "subject": SUBJECT,
    "engine_version": "3",
    "plugins": {"audit": "2.0.0", "anonymize": "1.2.0"},
    "cache": "miss",
}
BLOCKED: dict[str, Any] = {
    name: value
    for name, value in EXCHANGE.items()
    if name not in ("egress", "sent_form", "sent_bytes", "usage", "reply", "finish_reason")
} | {"outcome": "policy_blocked", "status": 403, "trace": [MASK, BLOCK]}
SEALED: dict[str, Any] = EXCHANGE | {
    "request": [{"path": "messages[0].content", "kind": "message", "chars": 32, "sealed": True}],
    "reply": [{"path": "choices[0].text", "kind": "message", "chars": 9, "digest": CLIENT}],
}
OPERATION: dict[str, Any] = {
    "seq": 2,
    "kind": "operation",
    "time": "2026-11-24T23:26:19.291818Z",
    "operation": "policy_loaded",
    "actor": "start",
    "details": {"new": "9565ce19b647eb84e44af9662418e81a68756deceb34974345c0f1b3df0b0f14", "name": "入门", "text": "x"},
}
FAILED_RELOAD = OPERATION | {
    "operation": "policy_reload_failed",
    "actor": "admin:k1",
    "details": {"old": "9565ce19b647", "reason": "invalid"},
}
INTENT: dict[str, Any] = {
    "seq": 9,
    "kind": "intent",
    "time": TIME,
    "id": ID,
    "receipt": RECEIPT,
    "tenant": "default",
    "subject": SUBJECT,
    "route": "chat",
    "policy": "9565ce19b647",
    "engine": "llm",
    "egress": "remote",
    "sent_form": "masked",
    "sent_bytes": 121,
}
LEDGER: list[dict[str, Any]] = [
    {"seq": 0, "kind": "header", "time": TIME, "version": 1, "writer": WRITER, "segment": 1, "yumen": "0.0.9"},
    {"seq": 1, "kind": "start", "time": TIME},
    {"seq": 4, "kind": "stop", "time": TIME},
    {"seq": 5, "kind": "recovery", "time": TIME, "file": "00000001.log", "cut_bytes": 12, "cut_sha256": "71e4"},
    {"seq": 6, "kind": "recovery", "time": TIME, "broken": "record 3 is not what was written"},
    {"seq": 7, "kind": "failure", "time": TIME, "note": "the ledger cannot be written: OSError"},
    {"seq": 8, "kind": "checkpoint", "time": TIME},
    {"seq": 10, "kind": "key", "time": TIME},
    {"seq": 11, "kind": "retention", "time": TIME, "dropped": {"first": 0, "last": 255}},
]
FUTURE: dict[str, Any] = {
    "seq": 12,
    "kind": "将来",
    "time": TIME,
    "operation": "x",
    "notes": [{"text": MASKED, "deep": [{"text": ANSWER, "chars": 3}]}],
}
KNOWN = [EXCHANGE, OLD, BLOCKED, SEALED, OPERATION, FAILED_RELOAD, INTENT, *LEDGER]
EVERY = [*KNOWN, FUTURE]

# Ends of lines, escapes and separators of each format, Han, a surrogate pair, and what turns the direction of text.
HOSTILE = st.text(
    st.one_of(
        st.sampled_from("\n\r|=\\\"' :?\t\x00\x1b\x7f\x85\x9b\u2028\u2029\u202e\u2066\u061c\u200e客服\U0001f600"),
        st.characters(codec="utf-8"),
    ),
    max_size=40,
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3),
    max_leaves=6,
)
MEMBERS = sorted({name for record in EVERY for name in record})
# Records in which any member may be anything, or missing, or unknown.
ODD = st.builds(
    lambda record, changes, dropped: {name: value for name, value in (record | changes).items() if name not in dropped},
    st.sampled_from(EVERY),
    st.dictionaries(st.sampled_from(MEMBERS) | HOSTILE, VALUES, max_size=6),
    st.sets(st.sampled_from(MEMBERS), max_size=4),
)
