"""Detectors of phone numbers of all countries.

`phonenumbers`, the port of Google's libphonenumber, says which numbers exist; it sees only what looks like one.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.near import LINK, named

# Digits of a number with its country code: E.164 allows 15, and a written trunk zero, `+44 (0)20 …`, is one more.
DIGITS_MIN, DIGITS_MAX = 8, 16
# The kinds of numbers that the library distinguishes, the common ones first.
KINDS = (
    "mobile", "fixed_line", "toll_free", "premium_rate", "shared_cost", "voip", "personal_number", "pager", "uan",
    "voicemail",
)  # fmt: skip
# A North American number with brackets is one by its form alone: made-up ones (555) are written so too.
BRACKETS = re.compile(r"(?:\+?1[ .\-]?)?\([2-9][0-9]{2}\)[ .\-]?[2-9][0-9]{2}[ .\-][0-9]{4}")
# A coordinate or another decimal, not a number with its country code.
DECIMAL = re.compile(r"\+[0-9]{1,3}\.[0-9]+")
# Forms of some countries that are hardly anything else, and the countries.
NATIONAL = (
    (r"(?:1[ .\-]?)?\(?[2-9][0-9]{2}\)?[ .\-][2-9][0-9]{2}[ .\-][0-9]{4}", ("US",)),
    (r"\(?0(?:20\)? [0-9]{4} [0-9]{4}|7[0-9]{3} [0-9]{3} ?[0-9]{3}|1[0-9]{2,3}\)? [0-9]{3} [0-9]{3,4}"
     r"|[38][0-9]{2} [0-9]{3} [0-9]{4})",
     ("GB",)),
    (r"0[67](?:[ .][0-9]{2}){4}", ("FR",)),
    (r"0[1789]0-[0-9]{4}-[0-9]{4}", ("JP", "KR")),
    (r"04[0-9]{2} [0-9]{3} [0-9]{3}", ("AU",)),
)  # fmt: skip
GROUP = re.compile("[0-9]++")
FORMS = tuple((re.compile(form), countries) for form, countries in NATIONAL)

NOUNS = (
    r"[a-z_]{0,16}[ _]?phone|tel|mobile|mob|cell|fax|whatsapp|telegram|telefon|t[ée]l[ée]phone|portable|"
    r"tel[ée]fono|m[óo]vil|celular|cellulare|handy|contact (?:no|number)|hotline"
)
VERBS = (
    r"(?:call|text|dial|ring|phone|reach|contact|sms)(?:ed|ing)?(?:[ ](?:me|us|him|her|them|back|now|at"
    r"|on|my|your|his|the|number|cell|office)){0,4}"
)
# Those without Latin letters stand apart: they are looked for several times as fast.
OTHER_NOUNS = "电话|手机|座机|固话|传真|热线|联系方式|电話|電話|手機|傳真|携帯|전화"
OTHER_VERBS = "致电|拨打|请拨|打给|回电"
# Not a date, nor an address of a network, nor a decimal.
NO_DATE = (
    r"(?!(?:19|20)[0-9]{2}[-/.][0-9]{1,2}[-/.]|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:19|20)?[0-9]{2}(?![0-9])"
    r"|[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.|[0-9]+\.[0-9]+(?![0-9.\-]))"
)
PLAIN = rf"{NO_DATE}[(+]?[0-9](?:[ ().\-/]{{0,2}}[0-9]){{6,13}}(?![0-9A-Za-z]|[\-./][0-9])"
NUMBERED = rf"(?:[ _]?[0-9]{{1,2}}(?![0-9]))?{LINK}(?:\+?[0-9]{{1,3}}[ \-])?"
PARTED = r"(?:\(?[0-9]{2,5}\)?[ .\-/])?\(?[0-9]{2,5}\)?(?:[ .\-/][0-9]{2,5}){1,4}(?![0-9A-Za-z]|[\-./:][0-9])"


@cache
def _library() -> Any:
    """The library, imported when the first candidate comes: it takes longer than all of the catalogue."""
    import phonenumbers

    return phonenumbers


@cache
def _mobile_length(country: str) -> int:
    """How many digits a mobile number of a country has behind the country code; 0 where there is none."""
    library = _library()
    example = library.example_number_for_type(country, library.PhoneNumberType.MOBILE)
    return len(str(example.national_number)) if example else 0


@cache
def _numbers(code: int) -> re.Pattern[str] | None:
    """All numbers behind a country code, or None where it is no country's.

    What the library tries kind by kind, in one expression and fifty times as fast. It does not know what people write beside
    a number (`(0)`), so only what it finds counts.
    """
    library = _library()
    found: dict[str, None] = {}
    for region in library.COUNTRY_CODE_TO_REGION_CODE.get(code, ()):
        country = library.PhoneMetadata.metadata_for_region_or_calling_code(code, region)
        for kind in KINDS:
            described = getattr(country, kind)
            if described is not None and described.national_number_pattern:
                found[described.national_number_pattern] = None
    return re.compile("|".join(found)) if found else None


def _known(number: str) -> bool:
    """Whether digits with their country code, and nothing else, are a number that exists."""
    for width in (1, 2, 3) if number[0] != "0" else ():
        numbers = _numbers(int(number[:width]))
        if numbers is not None:
            return numbers.fullmatch(number, width) is not None
    return False


def _international(value: str) -> bool:
    """Whether a number with its country code exists, or is written in parts and as long as mobile numbers there."""
    digits = "".join(GROUP.findall(value))
    if _known(digits):
        return True
    library = _library()
    try:
        number = library.parse(value)
    except library.NumberParseException:
        return False
    if library.is_valid_number(number):
        return True
    country = library.region_code_for_country_code(number.country_code)
    parted = re.search("[ ()-]", value[2:]) is not None
    return parted and len(str(number.national_number)) == _mobile_length(country)


def _of(value: str, country: str) -> bool:
    library = _library()
    try:
        return bool(library.is_valid_number(library.parse(value, country)))
    except library.NumberParseException:
        return False


def phone(value: str) -> bool:
    """Whether a number is one whatever stands beside it."""
    if BRACKETS.fullmatch(value):
        return True
    if value.startswith("+"):
        return DECIMAL.fullmatch(value) is None and _international(value)
    if value.startswith("00"):
        # A plain run of digits with two zeros is rather an order's number.
        return not value.isdigit() and _international("+" + value[2:])
    if " " in value and value[:1] in "123456789":
        # Three groups with blanks are as often something else, unless the area stands in brackets.
        return False
    return any(form.fullmatch(value) and any(_of(value, one) for one in countries) for form, countries in FORMS)


def valid_part(value: str) -> int:
    """How much of a number with its country code, and of what stands behind it, is one; of any other all or nothing."""
    if not value.startswith(("+", "00")):
        return len(value) if phone(value) else 0
    # Two zeros are digits too, and a number behind them may have one digit less.
    least = DIGITS_MIN if value[0] == "+" else DIGITS_MIN + 1
    ends: list[int] = []
    count = 0
    for group in GROUP.finditer(value):
        count += len(group[0])
        if count >= least:
            ends.append(group.end())
    return next((end for end in reversed(ends) if phone(value[:end])), 0)


def canonical(value: str) -> str:
    """The digits, with `+` before a country code and without a trunk zero in brackets."""
    number = "".join(char for char in value.replace("(0)", "") if char.isdigit())
    if value.startswith("00"):
        return "+" + number[2:]
    return ("+" if value.startswith("+") else "") + number


EDGE = r"(?<![0-9A-Za-z.+\-/_])"
# For the one pass: what numbers begin with, and the words with a number somewhere behind them.
PLUS, ZEROS = r"\+[0-9][ ().\-/0-9]{7}", r"00[0-9][ ().\-/0-9]{7}"
GROUPED = (
    r"[2-9][0-9]{2}\)?[ .\-][2-9][0-9]{2}[ .\-][0-9]{4}",
    r"0(?:20\)? [0-9]{4} [0-9]{4}|7[0-9]{3} [0-9]{3} ?[0-9]{3}|1[0-9]{2,3}\)? [0-9]{3} [0-9]{3}|[38][0-9]{2} [0-9]{3} )",
    "0[67][ .][0-9]{2}[ .][0-9]{2}[ .][0-9]",
    "0[1789]0-[0-9]{4}-[0-9]",
    "04[0-9]{2} [0-9]{3} [0-9]",
)
BEHIND = r"(?:[ _]?[0-9]{1,2})?[^0-9\x00]*[0-9][0-9 ().\-/]{6}"
EDGES = r"(?:ed|ing|s)?[^a-z]"
NAMED = (
    r"(?i)(?:phone|whatsapp|telegram|telefon|teléfono|handy|hotline|mobile|portable|celular|cellulare|movil|móvil"
    rf"|(?:^|[^a-z])(?:tel|mob|cell|fax|contact){EDGES}){BEHIND}",
    rf"(?i)(?:^|[^a-z])(?:call|text|dial|ring|phone|reach|contact|sms){EDGES}{BEHIND}",
    f"(?:{OTHER_NOUNS}){BEHIND}",
    f"(?:{OTHER_VERBS}){BEHIND}",
)
PHONES = (
    Detector(
        id="phone",
        description="phone number of any country",
        patterns=(
            # What they begin with is looked for first, and what may not stand before it then.
            *(
                rf"{sign}(?<![0-9A-Za-z+]{sign})[0-9](?:[ ().\-/]{{0,3}}[0-9])"
                rf"{{{DIGITS_MIN - zeros - 1},{DIGITS_MAX - zeros - 1}}}(?![0-9])"
                for sign, zeros in ((r"\+", 0), ("00", 1))
            ),
            *(rf"{EDGE}{form}(?![0-9A-Za-z]|[\-./][0-9])" for form, _ in NATIONAL),
            named(rf"(?:{NOUNS})s?", PLAIN, link=NUMBERED),
            named(VERBS, NO_DATE + PARTED),
            rf"(?:{OTHER_NOUNS}){NUMBERED}(?P<value>{PLAIN})",
            rf"(?:{OTHER_VERBS}){LINK}(?P<value>{NO_DATE}{PARTED})",
        ),
        prefilter=(PLUS, ZEROS, *GROUPED, *NAMED),
        score=0.8,
        validate=phone,
        valid_part=valid_part,
        canonical=canonical,
        context=(
            "phone", "tel", "mob", "cell", "fax", "whatsapp", "telegram", "portable", "móvil", "movil", "celular", "handy",
            "contact", "hotline", "call", "text", "dial", "ring", "reach", "sms",
            "电话", "手机", "座机", "固话", "传真", "热线", "联系方式", "电話", "電話", "手機", "傳真", "携帯",
            "전화", "致电", "拨打", "请拨",
            "打给", "回电",
        ),
        unless=("order", "订单", "单号", "invoice", "tracking", "编号", "版本", "version", "isbn"),
        span_max=120,
        examples=(
            "+1 415 555 0132",
            "call (415) 555-0132 today",
            "电话+44 20 7946 0958，",
            "+44 (0)20 7946 0958",
            "+44 7700 900123",
            "0049 30 901820",
            "+4915123456789",
            "phone: 2125550187",
            "my number is 415-867-5309",
            "07911 123456",
            "06 12 34 56 78",
            "090-1234-5678",
            "Tel.: 030/1234567",
            "香港电话：2345 6789",
            "call me at 555-0132",
            '"phone_number": "4158675309"',
            "+1-555-123-4567",
            "+852 2345 6789",
            "001-415-867-5309",
        ),
        counterexamples=(
            "order 4158675309",
            "1700000000",
            "2026-11-23 10:00:00",
            "+31.2304161",
            "UTC+08:00",
            "0012345678901",
            "123-456-7890",
            "550e8400-e29b-41d4-a716-446655440000",
            "call on 2026-11-23 10:00",
            "x = 1+12345678",
            "v2.415.867.5309",
            "phone weighs 172.5 g",
            "电话会议时间2026-11-23 10:00",
            "sha 415867530900",
        ),
    ),
)  # fmt: skip
