"""CEF, read back by a parser that follows the standard and knows nothing of how the lines are written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.audit.formats.samples import (
    BLOCKED,
    CLIENT,
    EXCHANGE,
    FAILED_RELOAD,
    FUTURE,
    HOSTILE,
    ID,
    INTENT,
    KNOWN,
    LEDGER,
    MILLISECONDS,
    ODD,
    OLD,
    OPERATION,
    RECEIPT,
    SUBJECT,
    WRITER,
)

from yumen_plugins.audit.formats.cef import line

HEADER = ("version", "vendor", "product", "product_version", "signature", "name", "severity")
# Lengths of the standard's dictionary.
LENGTHS = {"act": 63, "outcome": 63, "externalId": 40, "deviceExternalId": 255, "reason": 1023, "request": 1023}
LENGTHS |= {"suser": 1023, "suid": 1023, "msg": 1023, "cat": 1023, "destinationServiceName": 1023}
LENGTHS |= {f"cs{number}": 4000 for number in range(1, 7)} | {"flexString1": 1023, "flexString2": 1023}
NUMBERS = {"rt", "in", "out", "deviceDirection", "cn1", "cn2", "cn3"}
LABELS = {f"{key}Label" for key in (*LENGTHS, *NUMBERS, "cfp1")}


def parsed(content: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Header and fields, a character at a time: bars end the fields of a header, `key=` begins a value."""
    text, head, at = content.decode(), [""], 0
    while len(head) < 8:
        if text[at] == "\\":
            assert text[at + 1] in "\\|", "an escape that a header does not have"
            head[-1] += text[at + 1]
            at += 2
            continue
        if text[at] == "|":
            head.append("")
        else:
            head[-1] += text[at]
        at += 1
    fields: dict[str, str] = {}
    key, value = "", ""
    while at < len(text):
        if text[at] == "\\":
            value += {"\\": "\\", "=": "=", "n": "\n", "r": "\r"}[text[at + 1]]
            at += 2
            continue
        if text[at] == "=":
            before, _, following = value.rpartition(" ")
            if key:
                fields[key] = before
            assert following.isalnum(), following
            assert following not in fields, "a key twice"
            key, value = following, ""
        else:
            value += text[at]
        at += 1
    if key:
        fields[key] = value
    assert head.pop() == ""
    return dict(zip(HEADER, head, strict=True)), fields


def test_an_exchange() -> None:
    """Every field of an exchange stands where docs/export.md says."""
    head, fields = parsed(line(EXCHANGE | {"yumen": "1.0.0"}))
    assert head == {
        "version": "CEF:0",
        "vendor": "Yumen",
        "product": "gateway",
        "product_version": "1.0.0",
        "signature": "ok",
        "name": "Exchange",
        "severity": "3",
    }
    assert fields == {
        "rt": str(MILLISECONDS),
        "cat": "exchange",
        "deviceExternalId": WRITER,
        "cn1": "3",
        "cn1Label": "seq",
        "externalId": ID,
        "act": "modified",
        "outcome": "success",
        "suid": "k62ee510ea0",
        "suser": "客服",
        "destinationServiceName": "assistant",
        "deviceDirection": "0",
        "request": "/v1/chat/completions",
        "in": "110",
        "out": "500",
        "cs1": RECEIPT,
        "cs1Label": "receipt",
        "cs2": "default",
        "cs2Label": "tenant",
        "cs3": CLIENT,
        "cs3Label": "client digest",
        "cs4": "chat",
        "cs4Label": "route",
        "cs5": "9565ce19b647",
        "cs5Label": "policy",
        "cs6": "cn.mobile:1 email:1(shadow)",
        "cs6Label": "findings",
        "flexString1": "assistant",
        "flexString1Label": "model",
        "flexString2": SUBJECT,
        "flexString2Label": "subject",
        "cn2": "7",
        "cn2Label": "input tokens",
        "cn3": "32",
        "cn3Label": "output tokens",
        "cfp1": "3.666",
        "cfp1Label": "total ms",
        "msg": "engine is local, got texts masked",
    }


def test_other_records() -> None:
    """A block, an operation, an intent, a broken ledger and a kind that is yet to come say what they are."""
    head, fields = parsed(line(BLOCKED))
    assert (head["signature"], head["name"], head["severity"]) == ("policy_blocked", "Exchange blocked by policy", "5")
    assert (fields["act"], fields["outcome"], fields["reason"]) == ("blocked", "failure", "anomaly: burst")
    head, fields = parsed(line(OPERATION))
    assert (head["signature"], head["name"], fields["suser"]) == ("policy_loaded", "Operation policy loaded", "start")
    assert "name=入门" in fields["msg"]
    assert parsed(line(FAILED_RELOAD))[1]["outcome"] == "failure"
    head, fields = parsed(line(INTENT))
    assert (head["signature"], fields["cs1"], fields["deviceDirection"]) == ("intent", RECEIPT, "1")
    (broken,) = [record for record in LEDGER if "broken" in record]
    head, fields = parsed(line(broken))
    assert (head["severity"], fields["msg"]) == ("9", "record 3 is not what was written")
    head, fields = parsed(line(FUTURE))
    assert (head["signature"], head["severity"], fields["cat"]) == ("将来", "0", "将来")


def test_what_an_old_record_lacks_is_left_out() -> None:
    """A record of version 1 gives the same line as a newer one, without the fields of members that it has not."""
    new, old = parsed(line(EXCHANGE))[1], parsed(line(OLD))[1]
    assert {key: value for key, value in new.items() if not key.startswith("flexString2")} == old


@given(record=st.sampled_from(KNOWN), name=HOSTILE, member=st.sampled_from(["app", "model", "path", "tenant", "actor"]))
def test_a_name_stays_in_its_field(record: dict[str, Any], name: str, member: str) -> None:
    """However a caller writes a name, the other fields are what they are without it, and nothing is added."""
    where = {"app": "suser", "model": "flexString1", "path": "request", "tenant": "cs2", "actor": "suser"}[member]
    plain, hostile = parsed(line(record | {member: "x"})), parsed(line(record | {member: name}))
    assert plain[0] == hostile[0]
    kept = {key: value for key, value in hostile[1].items() if key not in (where, f"{where}Label")}
    assert kept == {key: value for key, value in plain[1].items() if key not in (where, f"{where}Label")}


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a|b=c\\d", "a|b=c\\d"),
        ("客服\n部\r\n门", "客服\n部\r\n门"),
        ("x act=allowed", "x act=allowed"),
        ("ends in \\", "ends in \\"),
        ("\u202etxt.exe\x1b[2J\u2028", "?txt.exe?[2J?"),
    ],
)
def test_a_name_comes_back(name: str, read: str) -> None:
    """What the format can spell comes back as it was; what would move the text of a line on a screen does not."""
    assert parsed(line(EXCHANGE | {"app": name}))[1]["suser"] == read


def test_a_header_is_one_line_of_its_own_fields() -> None:
    """Bars and ends of lines in an operation's name end no field of the header; there equals signs are plain."""
    head, _ = parsed(line(OPERATION | {"operation": "a|b\\|c=d\r\n9|CEF:0"}))
    assert head["signature"] == "a|b\\|c=d 9|CEF:0"
    assert head["severity"] == "1"


@given(record=ODD)
def test_every_line_is_of_the_format(record: dict[str, Any]) -> None:
    """Whatever a record holds, a line has the header's seven fields, known keys, labels in pairs, numbers and lengths."""
    head, fields = parsed(line(record))
    assert head["version"] == "CEF:0"
    assert 0 <= int(head["severity"]) <= 10
    assert len(head["name"]) <= 512
    assert set(fields) <= {*LENGTHS, *NUMBERS, *LABELS, "cfp1"}
    for key, value in fields.items():
        if key in NUMBERS:
            int(value)
        elif key in LENGTHS:
            assert 0 < len(value) <= LENGTHS[key]
        elif key.endswith("Label"):
            assert key.removesuffix("Label") in fields


def test_long_values_are_cut_before_they_are_escaped() -> None:
    """A cut that fell into an escape would join a value with the next field."""
    long = EXCHANGE | {"app": "=" * 3000, "tenant": "\\" * 9000}
    fields = parsed(line(long))[1]
    assert (fields["suser"], fields["cs2"]) == ("=" * 1023, "\\" * 4000)
