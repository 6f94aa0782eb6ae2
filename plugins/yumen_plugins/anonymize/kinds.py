"""What a rule's values are, for the actions that treat a phone number otherwise than an address."""

from __future__ import annotations

from typing import Literal

from yumen_plugins.anonymize.detector import Detector

Kind = Literal[
    "address", "age", "bank_card", "date", "email", "id_card", "ip", "mac", "name", "other", "phone", "plate", "secret"
]  # fmt: skip
# By a rule's id, and else by the last part of it.
IDS: dict[str, Kind] = {"cn.id_card": "id_card", "finance.crypto": "secret"}
LAST: dict[str, Kind] = {
    "address": "address", "place": "address", "age": "age", "bank_card": "bank_card", "birth_date": "date",
    "card_expiry": "date", "email": "email", "ip": "ip", "mac": "mac", "name": "name", "person": "name",
    "phone": "phone", "mobile": "phone", "landline": "phone", "plate": "plate",
}  # fmt: skip


def kind_of(detector: Detector) -> Kind:
    """The kind of a detector's values. What an author's pattern, word or field finds may be anything."""
    rule = detector.id
    if rule.startswith("secret."):
        return "secret"
    if detector.own and not rule.startswith("ner."):
        return "other"
    return IDS.get(rule) or LAST.get(rule.rpartition(".")[2], "other")
