"""How grave a record is and what the gateway did, in the few words that every monitoring system has."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Literal

from yumen_plugins.audit.formats.reading import members, word

Action = Literal["allowed", "modified", "blocked", "failed"]


class Severity(IntEnum):
    """The scale of OCSF, whose `Fatal` is left to those who know what a failure has led to."""

    UNKNOWN = 0
    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5


# A fault of a plugin is a control that did not work; a ledger that cannot be written is evidence that is not there.
OUTCOMES: Mapping[str, Severity] = {
    "ok": Severity.INFORMATIONAL,
    "client_disconnect": Severity.INFORMATIONAL,
    "engine_rejected": Severity.LOW,
    "bad_request": Severity.LOW,
    "not_found": Severity.LOW,
    "method_not_allowed": Severity.LOW,
    "payload_too_large": Severity.LOW,
    "unsupported_payload": Severity.LOW,
    "rate_limited": Severity.LOW,
    "unauthorized": Severity.MEDIUM,
    "forbidden": Severity.MEDIUM,
    "policy_blocked": Severity.MEDIUM,
    "engine_unavailable": Severity.MEDIUM,
    "engine_timeout": Severity.MEDIUM,
    "plugin_fault": Severity.HIGH,
    "ledger_unavailable": Severity.CRITICAL,
}
KINDS: Mapping[str, Severity] = {
    "header": Severity.INFORMATIONAL,
    "start": Severity.INFORMATIONAL,
    "stop": Severity.INFORMATIONAL,
    "checkpoint": Severity.INFORMATIONAL,
    "operation": Severity.INFORMATIONAL,
    "intent": Severity.INFORMATIONAL,
    "key": Severity.LOW,
    "retention": Severity.LOW,
    "recovery": Severity.MEDIUM,
    "failure": Severity.HIGH,
}
# Categories of findings: of the plugin `anomaly`, and of what the plugin `anonymize` was told to let pass.
ANOMALY, ALLOWED = "anomaly", "allowed"
# Outcomes of exchanges that the gateway let pass, whatever became of them then; and of those that it failed. Any other
# outcome is an error code that it gave the caller instead.
PASSED = frozenset(("ok", "client_disconnect", "engine_rejected", "engine_unavailable", "engine_timeout"))
FAILED = frozenset(("plugin_fault", "ledger_unavailable", ""))


def severity(record: Mapping[str, Any]) -> Severity:
    """How grave a record is; `UNKNOWN` for a kind that this version does not know."""
    kind = word(record, "kind")
    if kind == "exchange":
        return max(OUTCOMES.get(word(record, "outcome"), Severity.MEDIUM), _noticed(record))
    if kind == "operation" and failed(record):
        return Severity.MEDIUM
    if "broken" in record:
        return Severity.CRITICAL
    return KINDS.get(kind, Severity.UNKNOWN)


def _noticed(record: Mapping[str, Any]) -> Severity:
    found = [one for one in members(record, "findings") if one.get("category") != ALLOWED]
    enforced = [one for one in found if one.get("shadow") is not True]
    left_raw = record.get("egress") == "remote" and record.get("sent_form") not in ("masked", None)
    # Policy may let an exchange go on without a plugin that failed: then nobody has looked.
    if (left_raw and found) or _decided(record, "fault") or any(one.get("category") == ANOMALY for one in enforced):
        return Severity.MEDIUM
    return Severity.LOW if enforced or _decided(record, "unsupported") else Severity.INFORMATIONAL


def action(record: Mapping[str, Any]) -> Action:
    """What the gateway did with an exchange: let it pass, changed it, blocked it, or failed."""
    outcome = word(record, "outcome")
    if outcome in FAILED:
        return "failed"
    if outcome not in PASSED:
        return "blocked"
    edited = any(one.get("edits") and one.get("shadow") is not True for one in members(record, "trace"))
    return "modified" if edited else "allowed"


def rule(record: Mapping[str, Any]) -> tuple[str, str]:
    """The plugin and the rule that ended an exchange; both empty where none did."""
    if word(record, "outcome") in PASSED:
        return "", ""
    ended = _decided(record, "block", "fault", "unsupported")[-1:]
    return (word(ended[0], "plugin"), word(ended[0], "reason")) if ended else ("", "")


def _decided(record: Mapping[str, Any], *decisions: str) -> list[dict[str, Any]]:
    return [
        one for one in members(record, "trace") if one.get("decision") in decisions and one.get("shadow") is not True
    ]


def failed(record: Mapping[str, Any]) -> bool:
    """Whether an operation came to nothing."""
    return word(record, "operation").endswith("_failed")
