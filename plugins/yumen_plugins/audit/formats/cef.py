"""Lines of the Common Event Format, which ArcSight and most other monitoring systems read.

Format: "Micro Focus Security ArcSight Common Event Format", version 25 of September 28, 2017, CEF:0. The syslog header in
front of it is for whoever sends it. Texts of an exchange never stand in it.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from yumen_plugins.audit.formats.reading import group, members, milliseconds, number, product_version, whole, word
from yumen_plugins.audit.formats.verdict import Severity, action, failed, rule, severity

VENDOR, PRODUCT = "Yumen", "gateway"
# The format counts to ten, and calls 0 to 3 low, 4 to 6 medium, 7 and 8 high and the others very high.
SEVERITIES = {
    Severity.UNKNOWN: 0,
    Severity.INFORMATIONAL: 1,
    Severity.LOW: 3,
    Severity.MEDIUM: 5,
    Severity.HIGH: 7,
    Severity.CRITICAL: 9,
}
# What a field may be; one that is empty or None is left out.
Value = str | int | float | None
# Characters that the format allows in a field, where it allows fewer than 1,023.
CHARS_MAX = {"version": 31, "name": 512, "act": 63, "outcome": 63, "externalId": 40, "deviceExternalId": 255}
FIELD_CHARS_MAX, CUSTOM_CHARS_MAX = 1023, 4000
# The format knows two ends of a line, which a value may spell. What else ends a line somewhere, or moves what stands
# behind it on a screen, would let the caller write the rest of the line.
ENDS = re.compile("[\r\n]+")
ACTED_ON = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# What most values are made of, Han characters included, and what needs no second look.
PLAIN = re.compile(r"[\w .,:;/<>()-]*")
NAMES = {
    "ok": "Exchange",
    "client_disconnect": "Exchange that the client left",
    "engine_rejected": "Exchange that the engine rejected",
    "policy_blocked": "Exchange blocked by policy",
    "rate_limited": "Exchange over a limit",
    "unsupported_payload": "Exchange that cannot be inspected",
    "plugin_fault": "Exchange ended by a fault of a plugin",
    "engine_unavailable": "Exchange without its engine",
    "engine_timeout": "Exchange that the engine was too slow for",
    "ledger_unavailable": "Exchange that cannot be recorded",
}


def line(record: dict[str, Any]) -> bytes:
    """A record as one line of CEF in UTF-8, without a newline. A kind that is not known has time, kind and place only."""
    kind = word(record, "kind") or "unknown"
    if kind == "exchange":
        signature = word(record, "outcome") or "unknown"
        name, fields = NAMES.get(signature, "Exchange that ended with an error"), _exchange(record)
    elif kind == "operation":
        signature = word(record, "operation") or "unknown"
        name, fields = "Operation " + signature.replace("_", " "), _operation(record)
    else:
        signature, name, fields = kind, "Ledger " + kind, _other(record)
    head = (VENDOR, PRODUCT, product_version(record)[: CHARS_MAX["version"]], signature, name)
    pairs = " ".join([f"{key}={_value(key, value)}" for key, value in fields.items() if value not in ("", None)])
    return "|".join(["CEF:0", *map(_header, head), str(SEVERITIES[severity(record)]), pairs]).encode()


def _exchange(record: dict[str, Any]) -> dict[str, Value]:
    did, (plugin, reason) = action(record), rule(record)
    usage = group(record, "usage")
    return {
        **_place(record),
        "externalId": word(record, "id"),
        "act": did,
        "outcome": "success" if record.get("outcome") == "ok" else "failure",
        "reason": f"{plugin}: {reason}" if plugin and reason else plugin,
        "suid": word(record, "key"),
        "suser": word(record, "app"),
        "destinationServiceName": word(record, "engine"),
        "deviceDirection": {"local": 0, "remote": 1}.get(word(record, "egress")),
        "request": word(record, "path"),
        "in": whole(record, "request_bytes"),
        "out": whole(record, "reply_bytes"),
        **_custom("cs1", "receipt", word(record, "receipt")),
        **_custom("cs2", "tenant", word(record, "tenant")),
        **_custom("cs3", "client digest", word(record, "client")),
        **_custom("cs4", "route", word(record, "route")),
        **_custom("cs5", "policy", word(record, "policy")),
        **_custom("cs6", "findings", _findings(record)),
        **_custom("flexString1", "model", word(record, "model")),
        **_custom("flexString2", "subject", word(record, "subject")),
        **_custom("cn2", "input tokens", whole(usage, "input_tokens")),
        **_custom("cn3", "output tokens", whole(usage, "output_tokens")),
        **_custom("cfp1", "total ms", number(group(record, "timings_ms"), "total")),
        "msg": _sent(record),
    }


def _operation(record: dict[str, Any]) -> dict[str, Value]:
    details = [f"{name}={value}" for name, value in group(record, "details").items()]
    outcome = "failure" if failed(record) else "success"
    return {**_place(record), "outcome": outcome, "suser": word(record, "actor"), "msg": "; ".join(details)}


def _other(record: dict[str, Any]) -> dict[str, Value]:
    """What every record has; an intent names also whom it is for and where it goes."""
    return {
        **_place(record),
        "externalId": word(record, "id"),
        "destinationServiceName": word(record, "engine"),
        "deviceDirection": {"local": 0, "remote": 1}.get(word(record, "egress")),
        **_custom("cs1", "receipt", word(record, "receipt")),
        **_custom("cs2", "tenant", word(record, "tenant")),
        **_custom("cs4", "route", word(record, "route")),
        **_custom("cs5", "policy", word(record, "policy")),
        **_custom("flexString2", "subject", word(record, "subject")),
        "msg": word(record, "note") or word(record, "broken") or _sent(record),
    }


def _place(record: dict[str, Any]) -> dict[str, Value]:
    writer = word(record, "receipt").partition(".")[0] or word(record, "writer")
    return {
        "rt": milliseconds(record) or None,
        "cat": word(record, "kind") or "unknown",
        "deviceExternalId": writer,
        **_custom("cn1", "seq", whole(record, "seq")),
    }


def _custom(key: str, label: str, value: Value) -> dict[str, Value]:
    """A field that the format leaves to us, and its label; nothing where there is no value to label."""
    return {} if value in ("", None) else {key: value, f"{key}Label": label}


def _findings(record: dict[str, Any]) -> str:
    """Rules and how often each found something, those in shadow marked: `cn.mobile:2 email:1(shadow)`."""
    found = Counter((word(one, "rule"), one.get("shadow") is True) for one in members(record, "findings"))
    return " ".join(f"{name}:{count}{'(shadow)' if shadow else ''}" for (name, shadow), count in sorted(found.items()))


def _sent(record: dict[str, Any]) -> str:
    egress, form = word(record, "egress"), word(record, "sent_form")
    return f"engine is {egress}, got texts {form}" if egress and form else ""


def _header(value: str) -> str:
    """A field of the header: one line, with bars and backslashes escaped."""
    value = ACTED_ON.sub("?", ENDS.sub(" ", value))[: CHARS_MAX["name"]].strip()
    return value.replace("\\", "\\\\").replace("|", "\\|")


def _value(key: str, value: Value) -> str:
    """A value of the extension: cut, then with backslashes, equals signs and ends of lines escaped."""
    if not isinstance(value, str):
        return str(value)
    most = CUSTOM_CHARS_MAX if key.startswith("cs") else CHARS_MAX.get(key, FIELD_CHARS_MAX)
    value = value[:most]
    if PLAIN.fullmatch(value):
        return value.strip()
    value = ACTED_ON.sub("?", value).strip()
    return value.replace("\\", "\\\\").replace("=", "\\=").replace("\n", "\\n").replace("\r", "\\r")
