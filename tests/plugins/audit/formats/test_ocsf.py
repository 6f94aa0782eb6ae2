"""OCSF: every event is one of the published schema, which knows nothing of how events are written."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from tests.plugins.audit.formats.samples import (
    BLOCKED,
    CLIENT,
    EVERY,
    EXCHANGE,
    FAILED_RELOAD,
    FUTURE,
    ID,
    INTENT,
    KNOWN,
    MASKED,
    MILLISECONDS,
    ODD,
    OPERATION,
    PHONE,
    RECEIPT,
    SUBJECT,
    TIME,
)

from yumen_plugins.audit.formats.ocsf import CATEGORIES, CLASSES, KINDS, VERSION, event, line


@lru_cache(1)
def schema() -> Any:
    return OcsfJsonSchemaEmbedded(get_ocsf_schema(VERSION))


@lru_cache(32)
def validator(class_uid: int, profiles: tuple[str, ...]) -> Any:
    name = schema().lookup_class_name_from_uid(class_uid)
    return jsonschema.Draft202012Validator(schema().get_class_schema(name, list(profiles)))


def valid(made: dict[str, Any]) -> None:
    """Refuse what the schema of the event's own class and profiles does not allow."""
    profiles = tuple(made["metadata"].get("profiles", ()))
    validator(made["class_uid"], profiles).validate(made)


@pytest.mark.parametrize("record", EVERY)
@pytest.mark.parametrize("texts", [False, True])
def test_every_kind_is_a_valid_event(record: dict[str, Any], texts: bool) -> None:
    """A consumer that checks events against the schema takes each of them."""
    valid(json.loads(line(record, texts=texts)))


@settings(max_examples=200, deadline=None)
@given(record=ODD)
def test_odd_records_are_valid_events(record: dict[str, Any]) -> None:
    """Members that are missing, unknown or of another type leave an event valid."""
    valid(json.loads(line(record)))


def test_the_schema_refuses() -> None:
    """The check above can fail: the schema lets no unknown member in, and asks for those that it requires."""
    made = event(EXCHANGE)
    for wrong in (made | {"invented": 1}, {key: value for key, value in made.items() if key != "actor"}):
        with pytest.raises(jsonschema.ValidationError):
            valid(wrong)


@pytest.mark.parametrize("record", KNOWN)
def test_names_are_those_of_the_schema(record: dict[str, Any]) -> None:
    """Numbers and captions belong together: class, category, activity, severity, status and what was done."""
    made = event(record)
    published = schema().schema.schema
    known = published["classes"][schema().lookup_class_name_from_uid(made["class_uid"])]
    assert made["class_name"] == known["caption"] == CLASSES[made["class_uid"]]
    assert made["category_name"] == known["category_name"] == CATEGORIES[made["category_uid"]]
    assert made["type_uid"] == made["class_uid"] * 100 + made["activity_id"]
    pairs = {"activity_id": "activity_name", "severity_id": "severity", "status_id": "status"}
    for number, caption in (pairs | {"action_id": "action", "disposition_id": "disposition"}).items():
        if number in made and made[number] != 99:
            assert made[caption] == known["attributes"][number]["enum"][str(made[number])]["caption"]


def test_an_exchange() -> None:
    """Who asked what of which model, what was found and what was done stand where the schema has a place for them."""
    made = event(EXCHANGE | {"yumen": "1.0.0"})
    assert (made["class_uid"], made["type_uid"], made["time"]) == (6003, 600399, MILLISECONDS)
    assert made["metadata"] == {
        "version": "1.8.0",
        "product": {"name": "Yumen", "vendor_name": "Yumen", "version": "1.0.0"},
        "profiles": ["ai_operation", "security_control"],
        "log_name": "ledger",
        "event_code": "exchange",
        "original_time": TIME,
        "sequence": 3,
        "uid": RECEIPT,
        "correlation_uid": RECEIPT,
        "original_event_uid": ID,
        "tenant_uid": "default",
    }
    assert (made["status_id"], made["status_code"], made["severity_id"]) == (1, "ok", 2)
    assert (made["action"], made["disposition"], made["is_alert"]) == ("Modified", "Corrected", False)
    assert made["actor"] == {
        "app_name": "客服",
        "user": {"uid": SUBJECT, "type_id": 1},
        "session": {"credential_uid": "k62ee510ea0"},
    }
    assert made["src_endpoint"] == {"uid": CLIENT}
    assert made["dst_endpoint"]["network_scope"] == "Internal"
    assert made["ai_model"] == {"name": "assistant", "ai_provider": "assistant", "version": "3"}
    assert made["message_context"]["total_tokens"] == 39
    finding = made["enrichments"][0]
    assert (finding["name"], finding["value"], finding["type"]) == (PHONE["path"], "cn.mobile", "pii")
    assert (finding["data"]["start"], finding["data"]["end"], finding["data"]["shadow"]) == (10, 21, False)
    assert made["duration"] == 4


def test_a_block_names_its_rule() -> None:
    """What stopped an exchange can be searched for, and raises an alert."""
    made = event(BLOCKED)
    assert made["firewall_rule"] == {"uid": "burst", "name": "burst", "type": "anomaly"}
    assert (made["action"], made["disposition"], made["is_alert"]) == ("Denied", "Blocked", True)
    assert made["api"]["response"] == {"code": 403, "error": "policy_blocked"}


def test_an_operation_names_who_did_it_to_what() -> None:
    """A loaded policy is an entity with its hash; a reload that failed is a failure of somebody."""
    made = event(OPERATION)
    assert (made["class_uid"], made["activity_name"]) == (3004, "Activate")
    assert (made["entity"]["name"], made["entity"]["uid"]) == ("入门", OPERATION["details"]["new"])
    assert made["unmapped"]["details"] == OPERATION["details"]
    made = event(FAILED_RELOAD)
    assert (made["status"], made["status_detail"], made["severity"]) == ("Failure", "invalid", "Medium")
    assert made["actor"]["user"] == {"name": "admin:k1", "type_id": 2}


def test_an_intent_is_an_event_of_its_own() -> None:
    """It belongs with its exchange, and has not its identity: a consumer that drops repeated `uid`s keeps both."""
    made = event(INTENT)
    assert made["metadata"]["correlation_uid"] == event(EXCHANGE)["metadata"]["correlation_uid"]
    assert "uid" not in made["metadata"]
    assert made["dst_endpoint"]["network_scope"] == "External"


def test_texts_only_where_asked_for() -> None:
    """By default lengths and digests stay, and texts go; asked for, they are there as the record has them."""
    without, having = event(EXCHANGE)["unmapped"], event(EXCHANGE, texts=True)["unmapped"]
    assert [one["chars"] for one in without["request"]] == [9, 32]
    assert all("text" not in one for one in without["request"] + without["reply"])
    assert having["request"][1]["text"] == MASKED


@pytest.mark.parametrize("record", EVERY)
def test_no_member_is_lost(record: dict[str, Any]) -> None:
    """Every value of a record is in its event, except the code of its line, and the kind that a class of its own says."""
    content = json.dumps(event(record, texts=True), ensure_ascii=False)
    for name, value in record.items():
        if name == "usage":
            assert all(str(number) in content for number in value.values())
        elif name == "findings":
            assert all(json.dumps(one["rule"]) in content for one in value)
        elif name == "egress":
            assert {"local": "Internal", "remote": "External"}[value] in content
        elif name != "mac" and value not in ("", "operation"):
            assert json.dumps(value, ensure_ascii=False) in content


def test_kinds_that_are_yet_to_come() -> None:
    """They are base events that say their kind and keep their members."""
    made = event(FUTURE)
    assert (made["class_uid"], made["type_uid"], made["activity_name"], made["severity"]) == (0, 99, "将来", "Unknown")
    assert made["unmapped"]["notes"] == [{"deep": [{"chars": 3}]}]
    assert FUTURE["kind"] not in KINDS
