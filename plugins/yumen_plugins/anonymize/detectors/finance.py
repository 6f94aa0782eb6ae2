"""Detectors of bank cards."""

from __future__ import annotations

import re

from yumen_plugins.anonymize.detector import Detector, digits

# Leading digits and lengths by network, after ISO/IEC 7812 and the networks' published ranges.
NETWORKS = (
    ("4", (13, 16, 19)),  # Visa
    ("5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)", (16,)),  # Mastercard
    ("3[47]", (15,)),  # American Express
    ("62|81", (16, 17, 18, 19)),  # UnionPay
    ("6011|64[4-9]|65", (16, 17, 18, 19)),  # Discover
    ("35(?:2[89]|[3-8])", (16, 17, 18, 19)),  # JCB
    ("3(?:0[0-5]|[689])", (14, 16, 19)),  # Diners Club
    ("5018|5020|5038|6304|6759|676[1-3]", tuple(range(12, 20))),  # Maestro
)
KNOWN = re.compile(
    "|".join(rf"(?={start})(?:{'|'.join(f'[0-9]{{{n}}}' for n in lengths)})\Z" for start, lengths in NETWORKS)
)
# What doubling a digit and adding the digits of the result gives.
DOUBLED = str.maketrans("0123456789", "0246813579")


def luhn(number: str) -> bool:
    """ISO/IEC 7812-1, annex B: every second digit from the right doubled, its digits added, the sum a multiple of 10."""
    plain, doubled = number[-1::-2].encode(), number[-2::-2].translate(DOUBLED).encode()
    return (sum(plain) + sum(doubled) - ord("0") * len(number)) % 10 == 0


def bank_card(value: str) -> bool:
    """A number of a known network with a right check digit."""
    number = value.replace(" ", "").replace("-", "")
    return KNOWN.match(number) is not None and luhn(number)


FINANCE = (
    Detector(
        id="bank_card",
        description="bank card number",
        patterns=(
            re.compile(r"(?<![0-9])[0-9]{12,19}(?![0-9])"),
            re.compile(r"(?<![0-9])[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{1,7}(?![0-9])"),
            re.compile(r"(?<![0-9])[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}\1[0-9]{1,3}(?![0-9])"),
            re.compile(r"(?<![0-9])[0-9]{4}([ -])[0-9]{6}\1[0-9]{4,5}(?![0-9])"),
        ),
        prefilter=r"[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{2}[ -]?[0-9]{2}",
        needs="0-9",
        score=0.95,
        validate=bank_card,
        canonical=digits,
        context=("卡号", "银行卡", "信用卡", "储蓄卡", "card", "visa", "mastercard", "credit", "debit"),
        examples=(
            "卡号4111111111111111",
            "4111 1111 1111 1111",
            "pay with 5500-0000-0000-0004 now",
            "3782 822463 10005",
            "银行卡 6222021234567890128",
            "card: 4131034282458809939",
            "paid 2026 4111 1111 1111 1111",
            "4111 1111 1111 1111 123",
            "6222 0212 3456 7890 128",
            "卡号 2026 4111 1111 1111 1112",
        ),
        counterexamples=("order 4111111111111112", "1234567890123456", "41111111111111111111", "2026112321000012"),
    ),
)
