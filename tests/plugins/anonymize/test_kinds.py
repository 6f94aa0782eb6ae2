"""The detectors of documents, payment, addresses of networks, phones and people: what examples beside them do not show."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from yumen_plugins.anonymize.detectors import coins, finance, net, phones, usa
from yumen_plugins.anonymize.detectors.asia import hkid, my_number, nric, twid
from yumen_plugins.anonymize.detectors.europe import EUROPE, vat
from yumen_plugins.anonymize.detectors.finance import FINANCE
from yumen_plugins.anonymize.detectors.net import NET
from yumen_plugins.anonymize.detectors.people import PEOPLE
from yumen_plugins.anonymize.detectors.phones import PHONES
from yumen_plugins.anonymize.detectors.usa import USA
from yumen_plugins.anonymize.scan import Scanner

OURS = (*FINANCE, *NET, *USA, *EUROPE, *PHONES, *PEOPLE)
SCANNER = Scanner(OURS)
NEIGHBOURS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def found(text: str) -> list[tuple[str, str]]:
    return [(hit.detector.id, text[hit.start : hit.end]) for hit in SCANNER.scan([text])[0]]


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (finance.iban, "GB82WEST12345698765432"),
        (usa.routing, "021000021"),
        (usa.npi, "1234567893"),
        (nric, "S1234567D"),
        (twid, "A123456789"),
        (hkid, "A123456(3)"),
        (my_number, "123456789018"),
        (vat, "DE338275067"),
        (coins.base58check, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        (coins.bech32, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
    ],
)
def test_checks_see_a_mistyped_character(check: object, value: str) -> None:
    """A published number holds, and with its last check character changed to another it does not."""
    assert callable(check)
    assert check(value)
    place = len(value) - (2 if value.endswith(")") else 1)
    digits = "qpzry9x8gf" if value.startswith("bc1") else "123456789" if check is coins.base58check else "0123456789"
    letters = NEIGHBOURS[10:] if value[place].isupper() else digits
    others = [value[:place] + char + value[place + 1 :] for char in letters if char != value[place]]
    assert not any(check(other) for other in others)


@pytest.mark.parametrize(
    "text",
    [
        "订单号 20261123000412345678，已发货",
        "order 1764037321 shipped 2026-11-25T02:22:01Z",
        "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "trace 550e8400-e29b-41d4-a716-446655440000 took 1700000000123 ns",
        "upgrade to version 10.2.0.1, build 4.18.0.305",
        "pi is 3.14159265358979, e is 2.718281828459045",
        "x = [1, 2, 3][1::2]; y = 0x7fff5fbff8c0",
        "2026-11-25 10:20:30.123456 INFO pool-1-thread-12",
        "第3章 1.2.3.4 节，共 128 页",
        "ISBN 978-7-111-54742-6",
        "价格 1,234,567.89 元，编号 A-2026-000123",
        "pip install foo==1.2.3 bar@4.5.6",
        "call foo(415, 555, 132) at line 2026",
        "生日会 2026-01-02 在三楼",
        "the account of 1984 was born of 12 people",
    ],
)
def test_ordinary_numbers_are_left_alone(text: str) -> None:
    """Orders, times, hashes, versions, decimals and code are nobody's data."""
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("+1 415 555 0132 2026-01-01", ("phone", "+1 415 555 0132")),
        ("拨打+852 2345 6789。", ("phone", "+852 2345 6789")),
        ("请联系张伟@example.com", ("email", "张伟@example.com")),
        ("card: 4131034282458809939", ("bank_card", "4131034282458809939")),
        ("mailto:li.na@example.com?subject=x", ("email", "li.na@example.com")),
        ("10.20.30.40/24", ("ip", "10.20.30.40")),
        ("GB82 WEST 1234 5698 7654 32 is mine", ("finance.iban", "GB82 WEST 1234 5698 7654 32")),
        ("出生日期：1990年3月7日，汉族", ("person.birth_date", "1990年3月7日")),
    ],
)
def test_no_more_than_the_value(text: str, value: tuple[str, str]) -> None:
    """What is taken is the value, without the words that name it or follow it."""
    assert found(text) == [value]


def test_spellings_of_a_phone_are_one() -> None:
    """A number has one canonical form, whatever its separators, its international prefix or a trunk zero in brackets."""
    spellings = ("+44 20 7946 0958", "+44 (0)20 7946-0958", "0044 20 7946 0958")
    assert {phones.canonical(one) for one in spellings} == {"+442079460958"}


def test_nobody_has_these_addresses() -> None:
    """Loopback, netmasks and slices in code are no one's address; those of networks are."""
    assert not any(map(net.ip, ("127.0.0.1", "0.0.0.0", "255.255.255.0", "::1", "10::20", "1.2.3")))
    assert all(map(net.ip, ("10.0.0.1", "8.8.8.8", "fe80::1", "2001:db8::1", "::ffff:192.0.2.1")))


@pytest.mark.parametrize("unit", ["1 ", "+1", "phone ", "born ", "GB82 ", "张伟", "1.", "a1-", "护照", "passport no "])
def test_hostile_text_costs_linear_time(unit: str) -> None:
    """Text made of beginnings of values costs time in proportion to its length."""
    scanner = SCANNER
    took = []
    for chars in (50_000, 200_000):
        text = unit * (chars // len(unit))
        begin = time.process_time()
        scanner.scan([text])
        took.append(time.process_time() - begin)
    assert took[1] < max(0.5, 12 * took[0])


def test_libraries_wait_for_the_first_candidate() -> None:
    """Importing the catalogue imports neither library: both are read when a value has to be checked."""
    code = (
        "import sys, yumen_plugins.anonymize\n"
        # Where presidio-analyzer is installed, presidio-anonymizer imports it, and it imports phonenumbers.
        "others = 'presidio_analyzer' in sys.modules\n"
        "print('phonenumbers' in sys.modules and not others, any(name.startswith('stdnum.') for name in sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]
