"""Events of the Open Cybersecurity Schema Framework, pinned to one version of it.

Schema: https://schema.ocsf.io/1.8.0/. Its profile `ai_operation`, which names the model and counts tokens, is not in
versions before it. One record is one event, so that events can be counted against records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from yumen_plugins.audit.formats.jsonl import encoded
from yumen_plugins.audit.formats.ocsf_api import OTHER, UNKNOWN, Members, exchange_members, filled, intent_members
from yumen_plugins.audit.formats.reading import group, milliseconds, product_version, whole, word
from yumen_plugins.audit.formats.verdict import failed, severity

VERSION = "1.8.0"
CATEGORIES = {
    0: "Uncategorized",
    1: "System Activity",
    3: "Identity & Access Management",
    6: "Application Activity",
}
# By `class_uid`, the thousands of which are its category.
CLASSES = {
    0: "Base Event",
    1008: "Event Log Activity",
    3004: "Entity Management",
    6002: "Application Lifecycle",
    6003: "API Activity",
    6008: "Application Error",
}
# What becomes of a record of each kind: the class and the activity in it. A kind that is not here is a base event.
KINDS: Mapping[str, tuple[int, int, str]] = {
    "exchange": (6003, OTHER, "Inference"),
    "intent": (6003, OTHER, "Inference Intended"),
    "operation": (3004, OTHER, "Operation"),
    "start": (6002, 3, "Start"),
    "stop": (6002, 4, "Stop"),
    "failure": (6008, 1, "General Error"),
    "header": (1008, 5, "Rotate"),
    "retention": (1008, 2, "Delete"),
    "checkpoint": (1008, OTHER, "Checkpoint"),
    "key": (1008, OTHER, "Key Rotation"),
    "recovery": (1008, OTHER, "Recovery"),
}
# Operations that are an activity of Entity Management; every other one is called by its own name.
OPERATIONS = {
    "policy_loaded": (10, "Activate"),
    "policy_reloaded": (3, "Update"),
    "policy_reload_failed": (3, "Update"),
}
SYSTEM_ACTORS = frozenset(("start", "watch"))
SYSTEM, ADMIN, POLICY = 3, 2, 5
SUCCESS, FAILURE = 1, 2
# Members that the event itself holds, of every kind; those of a kind are named by what maps it.
COMMON = frozenset(("seq", "kind", "time", "mac", "receipt", "tenant", "yumen", "id"))


def line(record: dict[str, Any], *, texts: bool = False) -> bytes:
    """A record as one event in JSON, without a newline. `texts` lets the texts of an exchange in, in their masked form."""
    return encoded(event(record, texts=texts))


def event(record: dict[str, Any], *, texts: bool = False) -> dict[str, Any]:
    """A record as an event. What the schema has no place for stands in `unmapped`, under its own name."""
    kind = word(record, "kind")
    class_uid, activity_id, activity = KINDS.get(kind, (0, OTHER, kind or UNKNOWN))
    operation = word(record, "operation")
    if kind == "operation" and operation:
        activity_id, activity = OPERATIONS.get(operation, (OTHER, operation))
    own, taken = _MAPPERS.get(class_uid, _nothing)(record)
    grave = severity(record)
    made: dict[str, Any] = {
        "class_uid": class_uid,
        "class_name": CLASSES[class_uid],
        "category_uid": class_uid // 1000,
        "category_name": CATEGORIES[class_uid // 1000],
        "activity_id": activity_id,
        "activity_name": activity,
        "type_uid": class_uid * 100 + activity_id,
        "severity_id": int(grave),
        "severity": grave.name.capitalize(),
        "time": milliseconds(record),
        "timezone_offset": 0,
        "metadata": _metadata(record, own.pop("profiles", None)),
        **own,
    }
    left = {name: value for name, value in record.items() if name not in COMMON and name not in taken}
    if left:
        made["unmapped"] = left if texts else {name: _without_texts(name, value) for name, value in left.items()}
    return made


def _metadata(record: dict[str, Any], profiles: list[str] | None) -> dict[str, Any]:
    kind, receipt = word(record, "kind"), word(record, "receipt")
    return filled(
        version=VERSION,
        product=_product(record),
        profiles=profiles,
        log_name="ledger",
        event_code=word(record, "operation") if kind == "operation" else kind,
        original_time=word(record, "time"),
        sequence=whole(record, "seq"),
        # An intent has the receipt of its exchange, and an event's `uid` is its own.
        uid=receipt if kind == "exchange" else "",
        correlation_uid=receipt,
        original_event_uid=word(record, "id"),
        tenant_uid=word(record, "tenant"),
    )


def _product(record: dict[str, Any]) -> dict[str, Any]:
    return {"name": "Yumen", "vendor_name": "Yumen", "version": product_version(record)}


def _operation(record: dict[str, Any]) -> Members:
    """What was done to the gateway is the management of an entity: of its policy, or of what the operation names."""
    operation, actor, details = word(record, "operation"), word(record, "actor"), group(record, "details")
    policy = operation.startswith("policy_")
    entity = filled(
        name=word(details, "name") or ("policy" if policy else operation or UNKNOWN),
        uid=word(details, "new") if policy else "",
        type_id=POLICY if policy else OTHER,
        type="Policy" if policy else "Gateway",
    )
    status_id = FAILURE if failed(record) else SUCCESS
    return {
        "message": f"{operation or 'operation'} by {actor or 'unknown'}",
        "actor": {"user": {"name": actor or UNKNOWN, "type_id": SYSTEM if actor in SYSTEM_ACTORS else ADMIN}},
        "entity": entity,
        "status_id": status_id,
        "status": "Failure" if status_id == FAILURE else "Success",
        **filled(status_detail=word(details, "reason")),
    }, frozenset(("operation", "actor"))


def _lifecycle(record: dict[str, Any]) -> Members:
    return {"app": _product(record), "message": "a process of the gateway: " + word(record, "kind")}, frozenset()


def _error(record: dict[str, Any]) -> Members:
    return {"message": word(record, "note") or "the ledger could not be written"}, frozenset(("note",))


def _log(record: dict[str, Any]) -> Members:
    message = "ledger: " + word(record, "kind")
    return {"log_name": "ledger", "log_provider": "Yumen", "message": message}, frozenset()


def _api(record: dict[str, Any]) -> Members:
    return exchange_members(record) if record.get("kind") == "exchange" else intent_members(record)


def _nothing(record: dict[str, Any]) -> Members:
    return {"message": "a record of a kind that this version does not know"}, frozenset()


_MAPPERS: Mapping[int, Callable[[dict[str, Any]], Members]] = {
    1008: _log,
    3004: _operation,
    6002: _lifecycle,
    6003: _api,
    6008: _error,
}


def _without_texts(name: str, value: Any) -> Any:
    """A member without any `text` in it, however deep: also in kinds and members that are yet to come.

    The details of an operation are named by whoever did it, and never hold text of an exchange.
    """
    if name == "details":
        return value
    if isinstance(value, dict):
        return {inner: _without_texts(inner, one) for inner, one in value.items() if inner != "text"}
    return [_without_texts("", one) for one in value] if isinstance(value, list) else value
