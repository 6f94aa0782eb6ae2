"""Detectors of the pack `cn`."""

from __future__ import annotations

import re
from datetime import date

from yumen_plugins.anonymize.detector import Detector, digits

# First two digits of GB/T 2260: the province-level divisions, Taiwan, Hong Kong and Macau, and residence permits (83).
PROVINCES = frozenset(
    (*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83)
)
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK = "10X98765432"


def id_card(value: str) -> bool:
    """GB 11643: region, a real date of birth, and for 18 digits the check digit of ISO 7064 MOD 11-2."""
    number = digits(value)
    if int(number[:2]) not in PROVINCES:
        return False
    born = number[6:14] if len(number) == 18 else "19" + number[6:12]
    try:
        birthday = date(int(born[:4]), int(born[4:6]), int(born[6:]))
    except ValueError:
        return False
    if not 1880 <= birthday.year <= date.today().year:
        return False
    if len(number) == 15:
        return True
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, number, strict=False))
    return CHECK[total % 11] == number[17]


def mobile(value: str) -> str:
    """The eleven digits, whatever country code stands before them."""
    return digits(value)[-11:]


CHINA = (
    Detector(
        id="cn.id_card",
        description="identity card number of mainland China",
        patterns=(re.compile(r"(?<![0-9])[1-9][0-9]{5}(?:(?:18|19|20)[0-9]{9}[0-9Xx]|[0-9]{9})(?![0-9])"),),
        prefilter=r"[1-9][0-9]{14}",
        needs="0-9",
        score=1.0,
        validate=id_card,
        canonical=digits,
        context=("身份证", "证件号", "id card", "id number", "identity", "citizen id", "id no"),
        examples=(
            "身份证号110101199003077213",
            "ID 110101199003077213.",
            "证件号 110101199003077219",
            "(130503670401001)",
        ),
        counterexamples=("订单110101199003077219", "110101199013077213", "990101199003077213", "1101011990030772130"),
    ),
    Detector(
        id="cn.mobile",
        description="mobile phone number of mainland China",
        patterns=(
            re.compile(
                r"(?<![0-9])(?:(?:\+|00)?86[- ]?)?1(?:[3578][0-9]|4[5-9]|6[25-7]|9[0-35-9])"
                r"[- ]?[0-9]{4}[- ]?[0-9]{4}(?![0-9])"
            ),
        ),
        prefilter=r"1[3-9][0-9][- ]?[0-9]{4}[- ]?[0-9]{4}",
        needs="0-9",
        score=0.9,
        canonical=mobile,
        context=("电话", "手机", "phone", "mobile", "call", "tel"),
        examples=(
            "我的电话是13812345678，谢谢",
            "call +86 138-1234-5678",
            "8613812345678",
            "008613912345678",
            "手机１３８１２３４５６７８",
            "138 1234 5678",
            "138\u200b1234\u200b5678",
        ),
        counterexamples=("23812345678", "1381234567", "138123456789", "12345678901", "1.13812345"),
    ),
)
