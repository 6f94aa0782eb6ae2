"""Detectors of the pack `cn`: checksums, forms, and the words that make a weak form count."""

from __future__ import annotations

from functools import cache

import pytest

from yumen_plugins.anonymize.detectors.china import CHINA
from yumen_plugins.anonymize.detectors.china_documents import residence_permit, uscc
from yumen_plugins.anonymize.detectors.china_vehicles import vin
from yumen_plugins.anonymize.scan import Scanner

DETECTORS = {detector.id: detector for detector in CHINA}


@cache
def scanner(rule: str) -> Scanner:
    """One detector without the others."""
    return Scanner((DETECTORS[rule],))


def found(rule: str, text: str) -> list[str]:
    return [text[hit.start : hit.end] for hit in scanner(rule).scan([text])[0]]


@pytest.mark.parametrize("rule", DETECTORS)
def test_a_detector_alone_finds_its_examples(rule: str) -> None:
    """Without the rest of the catalogue, too, each example holds a value and no counterexample does."""
    detector = DETECTORS[rule]
    assert [text for text in detector.examples if not found(rule, text)] == []
    assert [text for text in detector.counterexamples if found(rule, text)] == []


def test_check_characters() -> None:
    """A check character that is wrong by one is not taken for a right one."""
    assert uscc("91110000600037341L")
    assert not uscc("91110000600037341M")
    assert vin("1M8GDM9AXKP042788")
    assert not vin("1M8GDM9A1KP042788")
    assert residence_permit("810000199408230021")
    assert not residence_permit("810000199408230022")


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        ("cn.landline", "电话：010-62345678，谢谢", "010-62345678"),
        ("cn.landline", "(021)62345678转123找张工", "(021)62345678转123"),
        ("cn.passport", '{"passport": "E12345678"}', "E12345678"),
        ("cn.wechat", '"wechat":"lina_2020"', "lina_2020"),
        ("cn.qq", "QQ: 123456789。", "123456789"),
        ("cn.plate", "停车场里的粤B·D12345是谁的", "粤B·D12345"),
        ("cn.military_id", "军官证号：军字第2001988号。", "军字第2001988号"),
        ("cn.bank_account", "账号：6222 0212 3456 7890 128", "6222 0212 3456 7890 128"),
    ],
)
def test_the_value_alone_is_taken(rule: str, text: str, value: str) -> None:
    """The span holds all of the value and nothing of the words beside it."""
    assert found(rule, text) == [value]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("cn.landline", "2026-03-12 010203"),
        ("cn.plate", "京东A12345"),
        ("cn.qq", "订单号123456789"),
        ("cn.passport", "零件E12345678"),
        ("cn.postcode", "验证码100020"),
        ("cn.vin", "commit 1a2b3c4d5e6f7a8b9"),
    ],
)
def test_what_only_looks_alike_is_left(rule: str, text: str) -> None:
    """Order numbers, dates, parts and codes are no documents."""
    assert found(rule, text) == []
