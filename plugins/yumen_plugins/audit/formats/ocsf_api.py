"""Exchanges and intents as members of OCSF's API Activity."""

from __future__ import annotations

from typing import Any

from yumen_plugins.audit.formats.reading import group, members, number, whole, word
from yumen_plugins.audit.formats.verdict import Action, action, rule, severity

PROFILES = ["ai_operation", "security_control"]
UNKNOWN = "unknown"
OTHER = 99
# `action_id` and `disposition_id` of the profile `security_control`, with their captions.
ACTIONS: dict[Action, tuple[int, str, int, str]] = {
    "allowed": (1, "Allowed", 1, "Allowed"),
    "modified": (4, "Modified", 11, "Corrected"),
    "blocked": (2, "Denied", 2, "Blocked"),
    "failed": (2, "Denied", 27, "Error"),
}
STATUSES = {"ok": (1, "Success"), "client_disconnect": (OTHER, "Client Disconnect"), "": (0, "Unknown")}
FAILURE = (2, "Failure")
# By where an engine is: `network_scope_id` and its caption.
SCOPES = {"local": (1, "Internal"), "remote": (2, "External")}
USER_UID, ENDPOINT_UID = 31, 48
ALERT_FROM = 3
INTENT = frozenset(("subject", "route", "policy", "engine", "egress"))
EXCHANGE = INTENT | {
    "app",
    "key",
    "client",
    "path",
    "model",
    "engine_version",
    "outcome",
    "findings",
    "request_bytes",
    "status",
    "usage",
}
# Members of a finding that an enrichment has a place for.
NAMED = frozenset(("path", "rule", "category", "plugin"))
Members = tuple[dict[str, Any], frozenset[str]]


def exchange_members(record: dict[str, Any]) -> Members:
    """What an exchange says of itself, and the members of the record that it holds whole."""
    outcome, grave = word(record, "outcome"), severity(record)
    status_id, status = STATUSES.get(outcome, FAILURE)
    action_id, act, disposition_id, disposition = ACTIONS[action(record)]
    total = number(group(record, "timings_ms"), "total")
    usage, path, code = group(record, "usage"), word(record, "path"), whole(record, "status")
    plugin, reason = rule(record)
    prompt, completion = whole(usage, "input_tokens"), whole(usage, "output_tokens")
    made = {
        "profiles": PROFILES,
        "message": f"exchange on route {word(record, 'route') or UNKNOWN}: {outcome or UNKNOWN}",
        "status_id": status_id,
        "status": status,
        "status_code": outcome,
        "duration": None if total is None else round(total),
        "action_id": action_id,
        "action": act,
        "disposition_id": disposition_id,
        "disposition": disposition,
        "is_alert": grave >= ALERT_FROM,
        "policy": _policy(record),
        "firewall_rule": filled(uid=reason, name=reason or plugin, type=plugin) if reason or plugin else None,
        "actor": _actor(record),
        "src_endpoint": _client(record),
        "dst_endpoint": _engine(record),
        "api": {
            "operation": path or word(record, "route") or UNKNOWN,
            **filled(service=_service(record), request=filled(uid=word(record, "id"))),
            **filled(response=filled(code=code, error="" if outcome in ("ok", "") else outcome)),
        },
        "http_request": filled(url=filled(path=path), body_length=whole(record, "request_bytes")),
        "http_response": {"code": code} if code is not None else None,
        "ai_model": _model(record),
        "message_context": _context(record, prompt, completion),
        "enrichments": [_enrichment(one) for one in members(record, "findings")],
        "observables": _observables(record),
    }
    return filled(**made), EXCHANGE


def intent_members(record: dict[str, Any]) -> Members:
    """What an intent says: that text in that form was about to leave for that engine."""
    made = {
        "profiles": PROFILES,
        "message": f"text is about to leave on route {word(record, 'route') or UNKNOWN}",
        "status_id": 0,
        "status": "Unknown",
        "action_id": 3,
        "action": "Observed",
        "policy": _policy(record),
        "actor": _actor(record),
        "src_endpoint": _client(record),
        "dst_endpoint": _engine(record),
        "api": {
            "operation": word(record, "route") or UNKNOWN,
            **filled(service=_service(record), request=filled(uid=word(record, "id"))),
        },
        "observables": _observables(record),
    }
    return filled(**made), INTENT


def filled(**values: Any) -> dict[str, Any]:
    """The members that have something in them."""
    return {name: value for name, value in values.items() if value not in ("", None, {}, [])}


def _actor(record: dict[str, Any]) -> dict[str, Any]:
    """The app, its key's public id, and the person it acts for, whose name is a keyed digest."""
    subject, key = word(record, "subject"), word(record, "key")
    user = filled(uid=subject, type_id=1 if subject else None)
    session = filled(credential_uid=key)
    return filled(app_name=word(record, "app"), user=user, session=session) or {"app_name": UNKNOWN}


def _client(record: dict[str, Any]) -> dict[str, Any]:
    """Whence it came: the schema asks for an endpoint, and a record has nothing but the digest of its address."""
    client = word(record, "client")
    return {"uid": client} if client else {"name": UNKNOWN}


def _engine(record: dict[str, Any]) -> dict[str, Any]:
    scope_id, scope = SCOPES.get(word(record, "egress"), (None, None))
    name = word(record, "engine")
    return filled(svc_name=name, network_scope_id=scope_id, network_scope=scope) if name else {}


def _service(record: dict[str, Any]) -> dict[str, Any]:
    return filled(name=word(record, "route"))


def _policy(record: dict[str, Any]) -> dict[str, Any]:
    uid = word(record, "policy")
    return {"uid": uid, "is_applied": True} if uid else {}


def _model(record: dict[str, Any]) -> dict[str, Any]:
    name, provider = word(record, "model"), word(record, "engine")
    if not name:
        return {}
    return filled(name=name, ai_provider=provider or UNKNOWN, version=word(record, "engine_version"))


def _context(record: dict[str, Any], prompt: int | None, completion: int | None) -> dict[str, Any]:
    ends = filled(application=filled(name=word(record, "app")), service=filled(name=word(record, "engine")))
    total = None if prompt is None or completion is None else prompt + completion
    counted = filled(prompt_tokens=prompt, completion_tokens=completion, total_tokens=total)
    return {**ends, **counted} if ends and counted else {}


def _enrichment(finding: dict[str, Any]) -> dict[str, Any]:
    """A finding. `value` is the rule, where the schema means the value that was found: no record has that."""
    data = {name: value for name, value in finding.items() if name not in NAMED and name != "text"}
    return {
        "name": word(finding, "path") or "exchange",
        "value": word(finding, "rule"),
        "data": data,
        **filled(type=word(finding, "category"), provider=word(finding, "plugin")),
    }


def _observables(record: dict[str, Any]) -> list[dict[str, Any]]:
    """What events can be searched by: the person and the client, each as its digest."""
    subject, client = word(record, "subject"), word(record, "client")
    found = [
        {"name": "actor.user.uid", "type_id": USER_UID, "type": "User Object: uid", "value": subject},
        {"name": "src_endpoint.uid", "type_id": ENDPOINT_UID, "type": "Network Endpoint Object: uid", "value": client},
    ]
    return [one for one in found if one["value"]]
