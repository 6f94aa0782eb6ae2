"""Addresses without a model, in Chinese and in English."""

from __future__ import annotations

import pytest

from yumen_plugins.anonymize.detectors.places import PLACES
from yumen_plugins.anonymize.scan import Scanner

SCANNER = Scanner(PLACES)


def found(text: str) -> list[str]:
    return [text[hit.start : hit.end] for hit in SCANNER.scan([text])[0]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("寄到北京市朝阳区建国路88号SOHO现代城A座1203室，谢谢", "北京市朝阳区建国路88号SOHO现代城A座1203室"),
        ("他明天到人民路12号找你", "人民路12号"),
        (
            "地址: 河北省石家庄市裕华区翟营南大街43号金马小区12-3-502",
            "河北省石家庄市裕华区翟营南大街43号金马小区12-3-502",
        ),
        ("北京 海淀区 中关村大街27号 1101室", "北京 海淀区 中关村大街27号 1101室"),
        ("臺北市信義區信義路五段7號", "臺北市信義區信義路五段7號"),
        ("My address is 45 Elm St., Apt 4B, Boston, MA 02118 and phone 555", "45 Elm St., Apt 4B, Boston, MA 02118"),
        ("Flat 3, 27 Park Lane, Manchester M1 4BT, UK", "Flat 3, 27 Park Lane, Manchester M1 4BT, UK"),
        ("123 Main Street\nSpringfield, IL 62701\nThanks", "123 Main Street\nSpringfield, IL 62701"),
        ("Meet me at 12 Baker Street, John will come", "12 Baker Street"),
        ("PO Box 1234, Austin, TX 78701", "PO Box 1234, Austin, TX 78701"),
    ],
)
def test_an_address_is_one_span(text: str, value: str) -> None:
    """All parts of an address are one value, and the sentence around it is not part of it."""
    assert found(text) == [value]


@pytest.mark.parametrize(
    "text",
    [
        "我在北京工作",
        "浙江省杭州市",
        "在这里12号开会，走一号线",
        "我在解放路上等你，5号见",
        "IP地址：192.168.1.1",
        "I work in London",
        "the top 10 Wall Street banks",
        "In 2023 Supreme Court rulings changed",
        "I ran 10 km on Oak Road",
        "高速公路12号",
        "iPhone 15 Pro Drive",
        "Section 5 Green Lane",
    ],
)
def test_a_region_or_a_number_is_no_address(text: str) -> None:
    """Cities alone, lines of a metro, dates and headlines are left alone."""
    assert found(text) == []


@pytest.mark.parametrize("unit", ["北京", "路", "市", "1栋", "区1", "1 Aa St ", "12 Aa, ", "Room 1, ", "A1 1AA "])
def test_hostile_text_is_only_long(unit: str) -> None:
    """A hundred thousand characters of what begins an address end, and nothing is found outside the text."""
    text = unit * (100_000 // len(unit)) + "路1号 NY 10001"
    assert all(0 <= hit.start < hit.end <= len(text) for hit in SCANNER.scan([text])[0])
