"""The action `generalise`: what is left of each kind of value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.generalise import generalised
from yumen_plugins.anonymize.hits import Hit

RULES = (
    "person.age", "person.birth_date", "cn.address", "en.address", "ner.place", "cn.mobile", "phone", "cn.landline", "email",
    "ip", "bank_card", "cn.plate", "cn.name", "cn.id_card", "secret.github",
)  # fmt: skip


def hit(rule: str, value: str, *, own: bool = False) -> Hit:
    """A value as some detector found it."""
    return Hit(Detector(rule, (), "", 1.0, own=own), 0, len(value), value, True)


@pytest.mark.parametrize(
    ("rule", "value", "less"),
    [
        ("person.age", "37岁", "30-39岁"),
        ("person.age", "aged 37", "aged 30-39"),
        ("person.age", "94", "90+"),
        ("person.birth_date", "1990年3月7日", "1990年3月"),
        ("person.birth_date", "一九九〇年三月七日", "一九九〇年三月"),
        ("person.birth_date", "1990-03-07", "1990-03"),
        ("person.birth_date", "19900307", "1990-03"),
        ("person.birth_date", "March 7, 1990", "March 1990"),
        ("person.birth_date", "7th March 1990", "March 1990"),
        ("person.birth_date", "07/03/1990", "1990"),
        ("person.birth_date", "someday", "[PERSON_BIRTH_DATE]"),
        ("cn.address", "浙江省杭州市西湖区文三路90号", "浙江省杭州市"),
        ("cn.address", "北京市朝阳区建国路88号", "北京市"),
        ("cn.address", "广西壮族自治区南宁市青秀区民族大道1号", "广西壮族自治区南宁市"),
        ("cn.address", "杭州西湖区文三路90号", "杭州"),
        ("cn.address", "文三路90号3单元", "[CN_ADDRESS]"),
        ("en.address", "500 Congress Ave, Austin, TX 78701", "Austin, TX"),
        ("en.address", "221B Baker Street, London NW1 6XE", "London"),
        ("en.address", "12 Some Street", "[EN_ADDRESS]"),
        ("ner.place", "杭州市", "[NER_PLACE]"),
        ("cn.mobile", "13812345678", "138********"),
        ("cn.mobile", "+86 138-1234-5678", "138********"),
        ("phone", "+44 20 7946 0958", "+44 **********"),
        ("phone", "+1 (415) 555-0132", "+1 415 *******"),
        ("phone", "(415) 555-0132", "415-*******"),
        ("phone", "12345", "[PHONE]"),
        ("cn.landline", "0571-88886666", "0571-********"),
        ("cn.landline", "(010) 88886666", "010-********"),
        ("email", "li.na@example.com", "[EMAIL]@example.com"),
        ("ip", "203.0.113.77", "203.0.113.0/24"),
        ("ip", "::ffff:203.0.113.77", "203.0.113.0/24"),
        ("ip", "2001:db8:1:2::3", "2001:db8:1::/48"),
        ("ip", "203.0.113.0", "[IP]"),
        ("bank_card", "4111 1111 1111 1111", "411111**********"),
        ("cn.plate", "京A12345", "京******"),
        ("cn.name", "张伟", "[CN_NAME]"),
        ("cn.id_card", "110101199003077213", "[CN_ID_CARD]"),
        ("secret.github", "ghp_0123456789", "[SECRET_GITHUB]"),
    ],
)
def test_what_is_left(rule: str, value: str, less: str) -> None:
    """Each kind is made less of as the table of the module says."""
    assert generalised(hit(rule, value)) == less


def test_what_an_author_looks_for_is_of_no_kind() -> None:
    """A pattern may be called anything; only its name stays."""
    assert generalised(hit("acme.email", "li.na@example.com", own=True)) == "[ACME_EMAIL]"


@given(
    st.sampled_from(RULES),
    st.text(st.sampled_from("0123456789-/.,:@ABaz 年月日省市区路号杭州北京TX+()\n\ud800"), min_size=1)
    | st.text(min_size=1)
    | st.from_regex(r"\A[0-9]{1,3}(\.[0-9]{1,3}){3}\Z")
    | st.ip_addresses().map(str),
)
def test_it_never_holds_the_whole_value(rule: str, value: str) -> None:
    """Whatever was found, all of it is never what is left."""
    less = generalised(hit(rule, value))
    assert less == f"[{rule.upper().replace('.', '_')}]" or value not in less
