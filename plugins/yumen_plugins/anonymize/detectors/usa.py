"""Detectors of documents of the United States."""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector, digits
from yumen_plugins.anonymize.detectors.finance import luhn
from yumen_plugins.anonymize.detectors.near import ORDERS, compact, document, named, near, typed

SSN = ("ssn", "social security", "social sec", "ss#", "ss #", "社会安全号", "社会安全码", "社安号", "社会保障号")
ITIN = ("itin", "individual taxpayer", "个人纳税", "纳税人识别号")
EIN = ("ein:", "ein ", "ein#", "ein\"", "fein", "employer id", "employer identification", "federal tax id", "tax id",
       "雇主识别号",
       "雇主税号")  # fmt: skip
ROUTING = (*typed("routing").split("|"), "aba", "rtn", "transit n", "路由号", "汇款路线", "美国银行代码")
LICENCE = (
    rf"(?:driver['’]?s?['’]?|{typed('driver')}['’]?s?|driving|operator['’]?s?)[ _-]?"
    rf"(?:{typed('license|licence')}|permit|lic\.?)(?:[ _]?(?:n[umber]{{4,6}}|no\.?|num|#|id))?"
    r"|(?:licen[sc]e|lic\.)[ _]?(?:n[umber]{4,6}|no\.?|#)|C?DL(?:[ _]?#|[ _]?no\.?|[ _]?number|N|(?=[ :]))"
    r"|美国驾[照驶证]{1,3}|驾照号码?|驾照"
)
ACCOUNT = (
    rf"(?:(?:bank|checking|savings?|current|deposit|beneficiary|{typed('payroll')}|salary|business|receiving"
    rf"|my|your|his|her|the)"
    rf"[ _]?(?:{typed('account')}|acct)|(?:{typed('account')})(?:[ _]?(?:n[umber]{{4,6}}|no\.?|num|#)"
    rf"|(?=[ ]?[:=#]?[ ]?[0-9]{{8}}))"
    r"|acct[ _.]?(?:no\.?|num|#|n[umber]{4,6})?"
    r"|a/c(?: no\.?)?|银行账号|银行账户|银行帐号|收款账号|收款账户|对公账号|对公账户|开户账号|汇款账号|账户号码?)"
)


def ssn(value: str) -> bool:
    """Written 3-2-4 with dashes, and of an area, group and serial number that are given out: 20 CFR 422.103."""
    area, _, rest = value.partition("-")
    group, _, serial = rest.partition("-")
    return area not in ("", "000", "666") and area[0] != "9" and group != "00" and serial not in ("", "0000")


def itin(value: str) -> bool:
    """Written with dashes, and of a group that the Internal Revenue Service gives out."""
    return "-" in value and not 66 <= int(value[4:6]) <= 69 and value[4:6] not in ("89", "93")


def routing(value: str) -> bool:
    """The check digit of the American Bankers Association: weights 3, 7, 1."""
    return sum(weight * int(digit) for weight, digit in zip((3, 7, 1) * 3, digits(value), strict=True)) % 10 == 0


def npi(value: str) -> bool:
    """ISO/IEC 7812 over the number with 80840 before it, by 45 CFR 162.406."""
    return luhn("80840" + value)


USA = (
    Detector(
        id="us.ssn",
        description="social security number of the United States",
        patterns=(
            r"(?<![0-9\-.])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9]|-[0-9])",
            r"(?<![0-9\-.])[0-9]{3}([ .]?)[0-9]{2}\1[0-9]{4}(?![0-9]|[\-.][0-9])",
        ),
        prefilter=near(SSN, "[0-9]{3}-[0-9]{2}-[0-9]{4}"),
        score=0.95,
        validate=ssn,
        canonical=digits,
        context=SSN,
        unless=ORDERS,
        span_max=11,
        examples=(
            "SSN 536-22-8726",
            "我的社会安全号是536228726",
            "ssn: 536 22 8726",
            "536-22-8726",
            "SSN: 000-22-8726",
        ),
        counterexamples=(
            "000-22-8726",
            "666-22-8726",
            "536228726",
            "536-22-87261",
            "1536-22-8726",
            "order 536 22 8726",
        ),
    ),
    Detector(
        id="us.itin",
        description="individual taxpayer identification number of the United States",
        patterns=(r"(?<![0-9\-.])9[0-9]{2}([ \-]?)[5-9][0-9]\1[0-9]{4}(?![0-9]|[\-.][0-9])",),
        prefilter=near(ITIN, "9[0-9]{2}-[5-9][0-9]-[0-9]{4}"),
        score=0.9,
        validate=itin,
        canonical=digits,
        context=ITIN,
        unless=ORDERS,
        span_max=11,
        examples=("ITIN 912-70-1234", "912-84-1234", "itin: 912701234"),
        counterexamples=("912-66-1234", "912-49-1234", "912701234"),
    ),
    document(
        "us.ein",
        "employer identification number of the United States",
        "[0-9]{2}-[0-9]{7}",
        words=EIN,
        examples=("EIN: 12-3456789", "雇主识别号12-3456789", "tax id 12-3456789"),
        counterexamples=("12-3456789", "part 12-3456789", "EIN 112-3456789"),
    ),
    document(
        "us.passport",
        "passport number of the United States",
        "[A-Z][0-9]{8}|[0-9]{9}",
        words=(
            "us passport",
            "u.s. passport",
            "american passport",
            "united states passport",
            "美国护照",
            "us_passport",
        ),
        canonical=compact,
        examples=("US passport 543210987", "美国护照号A12345678", "U.S. passport no. 543210987"),
        counterexamples=("543210987", "US passport office 5432109"),
    ),
    Detector(
        id="us.driver_licence",
        description="driver's licence number of a state of the United States",
        patterns=(
            named(LICENCE, r"[A-Z]{1,3}[ \-]?[0-9]{2,4}(?:[ \-]?[0-9]{2,4}){1,4}(?![0-9A-Za-z])"),
            named(LICENCE, r"(?:[0-9]{2,4}[ \-]){2,3}[0-9]{3,4}(?![0-9A-Za-z\-/])"),
            named(LICENCE, r"[0-9]{7,12}(?![0-9A-Za-z])"),
        ),
        prefilter=(
            r"(?i)(?:driv|dirver|drvier|drievr|rdiver|operator(?:'|’)?s?(?:'|’)?[ _-]?(?:li|permit)|licen[sc]e[ _]?(?:n|#)"
            r"|lic\.|(?:^|[^a-z])c?dl(?:[ _:#.]|n)|驾照|驾驶|美国驾)"
            r"[^0-9\x00]*[0-9]"
        ),
        score=0.6,
        canonical=compact,
        context=("licen", "licn", "driv", "dirv", "drvi", "dl", "驾照", "驾驶"),
        unless=ORDERS,
        weak=True,
        span_max=112,
        examples=(
            "driver's license D1234567",
            "Driver License No. 123-456-789",
            "DL# F255921501870",
            "驾照号码 D1234567",
            "driver_license: 12345678",
        ),
        counterexamples=("D1234567", "license 2026-01-02", "driver's license renewed in 2026", "MIT license 1.0"),
    ),
    document(
        "us.routing",
        "bank routing number of the United States",
        "[0-9]{9}|[0-9]{4}-[0-9]{4}-[0-9]",
        words=ROUTING,
        check=routing,
        examples=("routing number 021000021", "ABA: 011401533", "美国银行代码021000021"),
        counterexamples=("021000021", "routing table 0210000"),
    ),
    Detector(
        id="us.bank_account",
        description="bank account number",
        patterns=(
            named(
                ACCOUNT,
                r"(?=(?:[ \-]?[0-9]){6})(?!(?:19|20)[0-9]{2}-[0-9]{2}-)"
                r"[0-9]{2,6}(?:[ \-]?[0-9]{2,6}){1,4}(?![0-9A-Za-z]|[\-/.][0-9])",
            ),
        ),
        prefilter=rf"(?i)(?:{typed('account')}|acct|a/c|银行账|银行帐|收款账|对公账|开户账|汇款账|账户号)[^0-9\x00]*[0-9]",
        score=0.6,
        canonical=digits,
        context=(*typed("account").split("|"), "acct", "a/c", "账号", "账户", "帐号"),
        weak=True,
        span_max=120,
        examples=(
            "account number: 000123456789",
            "checking account 1234567890",
            "收款账号：0200 0000 0901 4419",
            "acct# 12345678",
        ),
        counterexamples=("account 2026", "accounting 12345678", "account created 1700000000"),
    ),
    Detector(
        id="us.medicare",
        description="Medicare beneficiary identifier of the United States",
        patterns=(
            (
                r"(?<![0-9A-Za-z\-])[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9](-?)[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]\1"
                r"[AC-HJKMNP-RT-Y]{2}[0-9]{2}(?![0-9A-Za-z]|-[0-9A-Za-z])"
            ),
        ),
        prefilter="[0-9]-?[A-Z]{2}[0-9]{2}",
        score=0.9,
        canonical=compact,
        span_max=13,
        tight=True,
        examples=("Medicare 1EG4-TE5-MK73", "医疗保险1EG4TE5MK73"),
        counterexamples=("1BG4-TE5-MK73", "0EG4TE5MK73", "1EG4-TE5MK73"),
    ),
    document(
        "us.npi",
        "national provider identifier of the United States",
        "[12][0-9]{9}",
        words=("npi", "national provider", "医师识别号"),
        check=npi,
        examples=("NPI 1234567893", "医师识别号：1234567893"),
        counterexamples=("1234567893", "order 1245319599"),
    ),
    Detector(
        id="us.zip",
        description="postal code of the United States",
        patterns=(
            named(
                r"zip(?:[ _-]?code)?|postal[ _]?code|post[ _]?code|美国邮编",
                r"[0-9]{5}(?:-[0-9]{4})?(?![0-9]|[\-.][0-9])",
            ),
        ),
        prefilter=r"(?i)(?:zip|post|邮编)[^0-9\x00]*[0-9]{5}",
        score=0.5,
        span_max=64,
        examples=("zip code 94105", "ZIP: 94105-1234", '"zip_code": "94105"', "postal code is 10001"),
        counterexamples=("94105", "zip 123456", "unzip 94105.zip", "zip 94105.5"),
    ),
)
