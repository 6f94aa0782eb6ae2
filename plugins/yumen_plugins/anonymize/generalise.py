"""The action `generalise`: less of a value, but still something to work with.

| kind | becomes | example |
|---|---|---|
| age | its decade; from 90 on `90+` | `37岁`: `30-39岁` |
| date of birth | its month | `1990年3月7日`: `1990年3月`; `March 7, 1990`: `March 1990` |
| the same, where day and month could be either | its year | `07/03/1990`: `1990` |
| address in China | province and city | `浙江省杭州市西湖区文三路90号`: `浙江省杭州市` |
| address elsewhere | city, and state | `500 Congress Ave, Austin, TX 78701`: `Austin, TX` |
| mobile phone in China | its first three digits | `138********` |
| other phone | country code; area code in China and North America | `+44 **********`, `0571-********`, `+1 415 *******` |
| e-mail address | its domain | `[EMAIL]@example.com` |
| IP address | its /24, of IPv6 its /48 | `203.0.113.0/24`, `2001:db8:1::/48` |
| bank card | the first six digits, which PCI DSS lets be shown, and none of the last | `411111**********` |
| number plate | its province | `京******` |
| all others: names, identity numbers, secrets, … | their kind | `[CN_ID_CARD]` |

What cannot be read as its kind, or would be all of the value again, becomes its kind too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network

from yumen_plugins.anonymize.detectors.regions import MUNICIPALITIES, PREFECTURES, PROVINCES, TRADITIONAL
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.kinds import kind_of

AGE_LAST = 90
ISSUER_DIGITS = 6
MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"
)  # fmt: skip
# ITU-T E.164: codes of one and two digits; all others have three.
CODES = re.compile(r"\+(?:[17]|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|[0-9]{3})")
CHINESE_DATE = re.compile(r"(?P<month>[0-9〇零○一二三四五六七八九]{4}\s?年\s?[0-9一二三四五六七八九十]{1,3}\s?月)")
YEAR_FIRST = re.compile(r"(?P<month>(?:19|20)[0-9]{2}([-/.])[0-9]{1,2})\2[0-9]{1,2}(?![0-9])")
YEAR_LAST = re.compile(r"[0-9]{1,2}([-/. ])[0-9]{1,2}\1(?P<year>(?:19|20)[0-9]{2})(?![0-9])")
COMPACT = re.compile(r"(?P<year>(?:19|20)[0-9]{2})(?P<month>0[1-9]|1[0-2])[0-9]{2}")
WORDED = re.compile(r"(?P<name>[A-Za-z]{3,9})\.?(?:\s+[0-9]{1,2}(?:st|nd|rd|th)?,?|,)?\s+(?P<year>(?:19|20)[0-9]{2})")
US_CITY = re.compile(
    r"(?:^|[,\n])\s*(?P<city>[A-Z][A-Za-z.'\- ]{1,40}),\s*(?P<state>[A-Z]{2})(?:\s+[0-9]{5}(?:-[0-9]{4})?)?\b"
)
UK_CITY = re.compile(
    r"[,\n]\s*(?P<city>[A-Z][A-Za-z'\-]{1,30}(?: [A-Za-z'\-]{1,30}){0,2}),?\s+[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}\b"
)
_PROVINCE_SUFFIX = "省|(?:壮族|回族|维吾尔)?自治区|特别行政区|市"
_CITY = f"(?:{'|'.join(sorted((*PREFECTURES, *TRADITIONAL), key=len, reverse=True))})"
CHINESE_CITY = re.compile(
    rf"(?P<province>(?:{'|'.join(sorted(PROVINCES, key=len, reverse=True))})(?:{_PROVINCE_SUFFIX})?)?"
    rf"\s?(?P<city>{_CITY}(?:市|地区|盟|[^\s省市区县路街]{{0,8}}自治州|(?![一-鿿]?[区县路街道镇乡村])))?"
)


def generalised(hit: Hit) -> str:
    """What is left of a value."""
    label = f"[{hit.detector.label}]"
    make = MAKERS.get(kind_of(hit.detector))
    less = make(hit) if make is not None else None
    if not less or _same(hit.value) in _same(less):
        return label
    return less


def _same(value: str) -> str:
    return re.sub(r"\s", "", value).casefold()


def _age(hit: Hit) -> str | None:
    match = re.search("[0-9]{1,3}", hit.value)
    if match is None:
        return None
    age = int(match[0])
    decade = f"{AGE_LAST}+" if age >= AGE_LAST else f"{age // 10 * 10}-{age // 10 * 10 + 9}"
    return hit.value[: match.start()] + decade + hit.value[match.end() :]


def _date(hit: Hit) -> str | None:
    value = hit.value
    if match := CHINESE_DATE.search(value) or YEAR_FIRST.search(value):
        return match["month"]
    if match := YEAR_LAST.search(value):
        return match["year"]
    if match := COMPACT.search(value):
        return f"{match['year']}-{match['month']}"
    match = WORDED.search(value)
    if match is None or not any(month.startswith(match["name"].lower()) for month in MONTHS):
        return None
    return f"{match['name']} {match['year']}"


def _address(hit: Hit) -> str | None:
    if match := US_CITY.search(hit.value):
        return f"{match['city']}, {match['state']}"
    if match := UK_CITY.search(hit.value):
        return match["city"]
    for match in CHINESE_CITY.finditer(hit.value):
        province, city = match["province"] or "", match["city"] or ""
        if province or city:
            # The districts of these are called as cities elsewhere are.
            return province if province.startswith(MUNICIPALITIES) else province + city
    return None


def _phone(hit: Hit) -> str | None:
    value = hit.value
    number = "".join(filter(str.isdecimal, value))
    if hit.detector.id == "cn.mobile":
        return number[-11:-8] + "*" * 8
    if code := CODES.match(value):
        shown = len(code[0]) - 1
        if code[0] == "+1" and len(number) == 11:
            return f"+1 {number[1:4]} *******"
        return f"{code[0]} {'*' * (len(number) - shown)}"
    if hit.detector.id.startswith("cn.") and (match := re.match(r"\(?(?P<area>0(?:10|2[0-9]|[3-9][0-9]{2}))", value)):
        return f"{match['area']}-{'*' * (len(number) - len(match['area']))}"
    if len(number) == 10 and number[0] not in "01":
        return f"{number[:3]}-*******"
    return None


def _email(hit: Hit) -> str | None:
    domain = hit.value.rpartition("@")[2]
    return f"[{hit.detector.label}]@{domain}" if domain and "@" in hit.value else None


def _ip(hit: Hit) -> str | None:
    try:
        address = ip_address(hit.value)
    except ValueError:
        return None
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(ip_network(f"{address}/{24 if address.version == 4 else 48}", strict=False))


def _bank_card(hit: Hit) -> str | None:
    number = "".join(filter(str.isdecimal, hit.value))
    return number[:ISSUER_DIGITS] + "*" * (len(number) - ISSUER_DIGITS) if len(number) >= 2 * ISSUER_DIGITS else None


def _plate(hit: Hit) -> str | None:
    return hit.value[0] + "*" * (len(hit.value) - 1) if "一" <= hit.value[:1] <= "鿿" else None


MAKERS: dict[str, Callable[[Hit], str | None]] = {
    "address": _address, "age": _age, "bank_card": _bank_card, "date": _date, "email": _email, "ip": _ip,
    "phone": _phone, "plate": _plate,
}  # fmt: skip
