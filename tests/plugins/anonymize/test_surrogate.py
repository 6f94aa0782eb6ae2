"""The action `surrogate`: of the same form, right where the value was, another one, and always the same one."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen import Hmac
from yumen_plugins.anonymize.config import Spelling
from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors import CATALOGUE
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.kinds import kind_of
from yumen_plugins.anonymize.normalise import Speller
from yumen_plugins.anonymize.surrogate import surrogate

MAC, OTHER = Hmac(b"a" * 32), Hmac(b"b" * 32)
BY_ID = {detector.id: detector for detector in CATALOGUE}
# Their surrogates have lengths of their own.
FREE = {"email", "ip", "address", "name", "date"}
# Two check digits and a date, or a checksum over all: a form that chance does not meet.
RARE = {"eu.no_fodselsnummer", "eu.vat"}


def hit(detector: Detector, value: str, valid: bool = True) -> Hit:
    """A value as a detector found it."""
    return Hit(detector, 0, len(value), value, valid)


def of(rule: str, value: str) -> str:
    """The surrogate of a value of the catalogue."""
    return surrogate(hit(BY_ID[rule], value), MAC)


def found(detector: Detector, text: str) -> list[str]:
    """The values that a detector's patterns find, whether right or not."""
    matches = (match for pattern in detector.compiled for match in pattern.finditer(text))
    return [match["value"] if "value" in match.re.groupindex else match[0] for match in matches]


def shape(value: str) -> str:
    """The classes of a value's characters."""
    value = re.sub("[0-9]", "0", value)
    return re.sub("[A-Z]", "A", re.sub("[a-z]", "a", value))


def test_every_detector_has_surrogates() -> None:
    """For all that the catalogue's examples hold: another value, the same again, and of the same form."""
    speller = Speller(Spelling())
    for detector, example in ((one, example) for one in CATALOGUE for example in one.examples):
        for value in found(detector, speller.value(example)):
            one = hit(detector, value, detector.validate(value))
            fake = surrogate(one, MAC)
            assert fake == surrogate(one, MAC), (detector.id, example)
            assert detector.canonical(fake) != detector.canonical(value), (detector.id, example)
            assert value not in fake, (detector.id, example)
            if kind_of(detector) not in FREE and fake != f"[{detector.label}]":
                assert len(fake) == len(value), (detector.id, example)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("cn.id_card", "110101199003077213"),
        ("cn.id_card", "130503670401001"),
        ("cn.mobile", "+86 138-1234-5678"),
        ("bank_card", "4111 1111 1111 1111"),
        ("bank_card", "6222021234567890128"),
        ("finance.iban", "GB82 WEST 1234 5698 7654 32"),
        ("finance.iban", "DE89370400440532013000"),
        ("uk.nhs", "943 167 0828"),
        ("eu.es_dni", "54362315-K"),
        ("cn.twid", "A123456789"),
        ("net.mac", "00:1b:44:11:3a:b7"),
    ],
)
def test_a_right_value_becomes_a_right_one(rule: str, value: str) -> None:
    """Checksums hold, separators and case stay, and the detector finds all of it."""
    detector = BY_ID[rule]
    fake = of(rule, value)
    assert detector.validate(fake)
    assert fake in found(detector, fake)
    assert shape(fake) == shape(value)


@given(st.integers(0, 10**13 - 1))
def test_cards_stay_cards(number: int) -> None:
    """Any card number of Visa becomes another one with a right check digit."""
    detector = BY_ID["bank_card"]
    value = next(card for digit in range(10) if detector.validate(card := f"41{number:013d}{digit}"))
    fake = of("bank_card", value)
    assert detector.validate(fake)
    assert fake != value


def test_one_value_of_one_tenant_has_one_surrogate() -> None:
    """However it is written the digits are the same, and another tenant has others."""
    dashed, plain = of("cn.mobile", "+86 138-1234-5678"), of("cn.mobile", "13812345678")
    assert re.sub("[^0-9]", "", dashed)[-11:] == plain
    assert surrogate(hit(BY_ID["cn.mobile"], "13812345678"), OTHER) != plain


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("+1 415 555 0132", r"\+1 [2-9][0-9]{2} 555 01[0-9]{2}"),
        ("(212) 867-5309", r"\([2-9][0-9]{2}\) 555-01[0-9]{2}"),
        ("+44 20 7123 4567", r"\+44 20 7946 0[0-9]{3}"),
        ("07911 123456", r"07700 900[0-9]{3}"),
        ("+44 161 496 0000", r"\+44 163 296 0[0-9]{3}"),
    ],
)
def test_phones_are_nobodys_where_such_exist(value: str, form: str) -> None:
    """North America and Britain keep numbers that no phone has."""
    assert re.fullmatch(form, of("phone", value))


def test_addresses_of_the_net_are_for_documentation() -> None:
    """RFC 2606, RFC 5737 and RFC 3849."""
    assert re.fullmatch(r"[a-z.]+[0-9]{1,4}@example\.(com|net|org)", of("email", "Zhang.Wei@corp.cn"))
    networks = [ip_network(one) for one in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
    assert any(ip_address(of("ip", "8.8.8.8")) in network for network in networks)
    assert ip_address(of("ip", "fe80::1")) in ip_network("2001:db8::/32")
    assert of("net.mac", "00:1B:44:11:3A:B7").startswith("02:")


@pytest.mark.parametrize(
    ("rule", "value", "form"),
    [
        ("cn.name", "张伟", "[一-鿿]{2}"),
        ("cn.name", "欧阳修远", "[一-鿿]{4}"),
        ("cn.name", "阿卜杜拉·买买提", "[一-鿿]{4}·[一-鿿]{3}"),
        ("en.name", "Dr. John A. SMITH", r"Dr\. [A-Z][a-z]+ [A-Z]\. [A-Z]+"),
        ("en.name", "Maria van der Berg", "[A-Z][a-z]+ van der [A-Z][a-z]+"),
        ("person.birth_date", "1990年3月7日", "(19(8[5-9]|9[0-5]))年[1-9]月[1-9]日"),
        ("person.birth_date", "1990-03-07", "19(8[5-9]|9[0-5])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9])"),
        ("person.birth_date", "07/03/1990", "(0[1-9]|1[0-2])/(0[1-9]|1[0-2])/19(8[5-9]|9[0-5])"),
        ("person.birth_date", "March 7, 1990", "[A-Z][a-z]+ [1-9], 19(8[5-9]|9[0-5])"),
        (
            "person.birth_date",
            "一九九〇年三月二十七日",
            "一九[一二三四五六七八九]{2}年[一二三四五六七八九]月二十[一二三四五六七八]日",
        ),
        ("cn.address", "浙江省杭州市西湖区文三路90号", "[一-鿿]+市[一-鿿]+[0-9]+号"),
        (
            "en.address",
            "742 Evergreen Terrace, Springfield, IL 62704",
            r"[0-9]+ [A-Za-z ]+, [A-Za-z ]+, [A-Z]{2} 000[0-9]{2}",
        ),
    ],
)
def test_names_dates_and_places(rule: str, value: str, form: str) -> None:
    """They are other ones in the same language and form, with as many Han characters to a name."""
    detector = BY_ID.get(rule, Detector(rule, (), "", 1.0))
    fake = surrogate(hit(detector, value), MAC)
    assert re.fullmatch(form, fake)
    assert fake != value


def test_secrets_keep_what_says_whose_they_are() -> None:
    """A token's prefix stays, and none of the rest; hexadecimal digits stay such."""
    fake = of("secret.github", "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")
    assert fake.startswith("ghp_")
    assert "qQWmTOZDIQ" not in fake
    armour = of("secret.private_key", "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END PRIVATE KEY-----")
    assert re.fullmatch(r"-----BEGIN PRIVATE KEY-----\n[A-Za-z]{12}\n-----END PRIVATE KEY-----", armour)
    assert "MIIEvQIBADAN" not in armour


@given(st.text(min_size=1, max_size=300), st.booleans())
def test_any_value_of_an_author_has_one(value: str, valid: bool) -> None:
    """What a pattern, a word or a field finds may be anything: it is never itself again, and nothing breaks."""
    own = Detector("acme.word", (), "", 1.0, canonical=str, own=True)
    fake = surrogate(hit(own, value, valid), MAC)
    assert fake != value
    assert fake == surrogate(hit(own, value, valid), MAC)
    assert len(fake) == len(value) or fake == "[ACME_WORD]"


def test_the_rare_ones_keep_their_form() -> None:
    """Where chance does not meet two checksums the length and the classes still stay."""
    for rule in RARE:
        value = found(BY_ID[rule], BY_ID[rule].examples[0])[0]
        assert shape(of(rule, value)) == shape(value)
