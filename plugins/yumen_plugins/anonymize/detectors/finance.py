"""Detectors of bank cards, accounts and payment."""

from __future__ import annotations

import re

from yumen_plugins.anonymize.detector import Detector, digits
from yumen_plugins.anonymize.detectors.coins import COINS
from yumen_plugins.anonymize.detectors.near import NUMBER_RUN, compact, named, near

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
    ("220[0-4]", (16, 17, 18, 19)),  # Mir
    ("508[5-9]|60[6-8]|82", (16,)),  # RuPay
    ("9558", (19,)),  # Industrial and Commercial Bank of China, cards older than UnionPay
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


# What people write between the groups of a card's number, the same between all of them.
BETWEEN = "[ ./_-]{1,3}"


def bank_card(value: str) -> bool:
    """A number of a known network with a right check digit."""
    number = digits(value)
    return KNOWN.match(number) is not None and luhn(number)


# Length of an account number after its check digits, by country: the IBAN registry, ISO 13616.
IBAN_LENGTHS = {
    11: "NO",
    12: "BE BI",
    14: "DK FI FK FO GL NL SD",
    15: "MK SI",
    16: "AT BA EE KZ LT LU MN XK",
    17: "CH CR HR LI LV",
    18: "BG BH DE GB GE IE ME RS VA",
    19: "AE GI IL IQ OM SO TL",
    20: "AD CZ ES MD PK RO SA SE SK TN VG",
    21: "LY PT ST",
    22: "IS TR",
    23: "BF BJ CI CM DJ DZ FR GR IT MC MG MR SM SN AO CV MZ TD",
    24: "AL AZ BY CY DO GT HN HU LB ML NI PL SV",
    25: "BR EG PS QA UA",
    26: "JO KW MU YE",
    27: "MT SC",
    29: "RU",
}
IBAN_LENGTHS[21] += " GW CG"
IBAN_LENGTHS[22] += " IR"
IBAN_LENGTHS[23] += " CF GA GQ KM MA NE TG"
# ISO 3166-1, and Kosovo.
COUNTRIES = (
    "A[DEFGILMOQRSTUWXZ]|B[ABDEFGHIJLMNOQRSTVWYZ]|C[ACDFGHIKLMNORUVWXYZ]|D[EJKMOZ]|E[CEGHRST]|F[IJKMOR]|"
    "G[ABDEFGHILMNPQRSTUWY]|H[KMNRTU]|I[DELMNOQRST]|J[EMOP]|K[EGHIMNPRWYZ]|L[ABCIKRSTUVY]|M[ACDEFGHKLMNOPQRSTUVWXYZ]|"
    "N[ACEFGILOPRUZ]|OM|P[AEFGHKLMNRSTWY]|QA|R[EOSUW]|S[ABCDEGHIJKLMNORSTVXYZ]|T[CDFGHJKLMNORTVWZ]|U[AGMSYZ]|V[ACEGINU]|"
    "W[FS]|XK|Y[ET]|Z[AMW]"
)


def iban(value: str) -> bool:
    """ISO 13616: the first four characters moved to the end, letters as 10 to 35, the number is 1 modulo 97."""
    number = compact(value)
    return number.isascii() and int("".join(str(int(char, 36)) for char in number[4:] + number[:4])) % 97 == 1


IBANS = "|".join(
    rf"(?:{'|'.join(countries.split())})[0-9]{{2}}(?:[ -]?[0-9A-Z]){{{length}}}"
    for length, countries in IBAN_LENGTHS.items()
)
MONTH, YEAR = "(?:0?[1-9]|1[0-2])", "(?:20[2-5][0-9]|[2-4][0-9])"
EXPIRY = (
    r"exp(?:iry|ires|iration)?(?:[ _]?date)?|valid (?:thru|through|until)|good thru|有效期(?:限)?(?:至|到|止)?|"
    r"到期(?:日|时间|年月)?|失效日期"
)
SWIFT = ("swift", "bic", "银行国际代码")
CVV = (
    r"cv[vcn]2?(?:[ /]cv[vcn]2?)?|card (?:verification|security) (?:code|value|number)|security code|卡?安全码|"
    r"信用卡(?:后|背面)三位(?:数字)?|卡背面?后?三位(?:数字?|码)?"
)

ACCOUNTS = (
    Detector(
        id="finance.iban",
        description="international bank account number",
        # What they all begin with is looked at first.
        patterns=(rf"(?<![0-9A-Za-z])(?=[A-Za-z]{{2}}[0-9]{{2}})(?i:{IBANS})(?![0-9A-Za-z])",),
        # From the check digits on: what begins with a digit passes over prose fastest.
        prefilter=r"(?i)[a-z]{2}[0-9]{2}[ -]?[0-9a-z]{2}[ -]?[0-9a-z]{2}[ -]?[0-9a-z]{2}",
        score=1.0,
        validate=iban,
        canonical=compact,
        context=("iban", "account", "账号", "账户", "konto", "compte", "cuenta", "帐号"),
        span_max=64,
        examples=(
            "IBAN GB82 WEST 1234 5698 7654 32",
            "账号DE89370400440532013000，谢谢",
            "fr14 2004 1010 0505 0001 3m02 606 is mine",
            "iban: DE89370400440532013001",
            "NL91-ABNA-0417-1643-00",
        ),
        counterexamples=("DE89370400440532013001", "GB82 WEST 1234 5698 7654", "commit de89370400440532013000ff"),
    ),
    Detector(
        id="finance.swift",
        description="bank identifier code (SWIFT, BIC)",
        patterns=(rf"(?<![0-9A-Za-z])[A-Z]{{4}}(?:{COUNTRIES})[A-Z0-9]{{2}}(?:[A-Z0-9]{{3}})?(?![0-9A-Za-z])",),
        prefilter=near(SWIFT),
        score=0.6,
        context=SWIFT,
        weak=True,
        span_max=11,
        tight=True,
        examples=("SWIFT: DEUTDEFF", "BIC DEUTDEFF500", "swift代码 BKCHCNBJ", '"bic":"NEDSZAJJ"'),
        counterexamples=("PASSWORD", "DEUTDEFF", "swift ABCDEFGH"),
    ),
    Detector(
        id="finance.cvv",
        description="card verification value",
        patterns=(named(CVV, "[0-9]{3,4}(?![0-9])"),),
        prefilter=r"(?i)(?:cv[vcn]2?|verification|security|安全码|三位)[^0-9\x00]*[0-9]{3}",
        score=0.9,
        span_max=72,
        examples=("CVV: 123", '"cvv":"123"', "cvc2 is 4321", "安全码是 123", "cvv=999"),
        counterexamples=("cvv: 12345", "the security code of 2026 years", "安全码已更新"),
    ),
    Detector(
        id="finance.card_expiry",
        description="expiry date of a card",
        patterns=(
            named(EXPIRY, rf"{MONTH} ?[/-] ?{YEAR}(?![0-9]|[/-][0-9])"),
            named(EXPIRY, rf"20[2-5][0-9][/-]{MONTH}(?![0-9]|[/-][0-9])"),
            named(EXPIRY, "20[2-5][0-9]年(?:0?[1-9]|1[0-2])月(?![0-9])"),
            named(EXPIRY, "(?:0[1-9]|1[0-2])[2-4][0-9](?![0-9])"),
        ),
        prefilter=r"(?i)(?:exp(?:\b|i|_)|valid (?:thr|unt)|good thr|有效期|到期|失效)[^0-9\x00]*[0-9]",
        score=0.7,
        span_max=64,
        examples=("exp 09/27", "Expiry date: 12/2028", "有效期至 08/29", '"expiry":"03/27"', "valid thru 11/26"),
        counterexamples=("expires 10/20/2026", "09/27", "有效期三年", "experience 12/26", "expires in 12 days"),
    ),
)

FINANCE = (
    Detector(
        id="bank_card",
        description="bank card number",
        patterns=(
            # Not a time in milliseconds, microseconds or nanoseconds; what follows a decimal point is no card either.
            r"(?<![0-9])(?<![0-9]\.)(?!1[4-9](?:[0-9]{11}|[0-9]{14}|[0-9]{17})(?![0-9]))[0-9]{12,19}(?![0-9])",
            rf"(?<![0-9])[0-9]{{4}}({BETWEEN})[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{1,7}}(?![0-9])",
            rf"(?<![0-9])[0-9]{{4}}({BETWEEN})[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{1,3}}(?![0-9])",
            rf"(?<![0-9])[0-9]{{4}}({BETWEEN})[0-9]{{6}}\1[0-9]{{4,5}}(?![0-9])",
        ),
        prefilter=(
            NUMBER_RUN,
            "[0-9]{4}[ ./_-]+[0-9]{4}[ ./_-]+[0-9]{4}[ ./_-]",
            "[0-9]{4}[ ./_-]+[0-9]{4}[ ./_-]+[0-9]{4}[ ./_-]",
            "[0-9]{4}[ ./_-]+[0-9]{6}[ ./_-]+[0-9]{4}",
        ),
        score=0.95,
        validate=bank_card,
        canonical=digits,
        context=(
            "卡号",
            "卡號",
            "银行卡",
            "信用卡",
            "储蓄卡",
            "借记卡",
            "card",
            "visa",
            "mastercard",
            "amex",
            "unionpay",
            "credit",
            "debit",
            "maestro",
            "karte",
            "tarjeta",
            "carte",
            "pan:",
            "pan=",
            "cc:",
            "cc#",
            "刷卡",
            "付款卡",
            "工资卡",
            "银联",
        ),
        unless=("订单", "order", "tracking", "timestamp", "时间戳", "会员卡", "流水", "sim card", "iccid"),
        span_max=24,
        examples=(
            "卡号4111111111111111",
            "4111 1111 1111 1111",
            "card 4111.1111.1111.1111",
            "4111 - 1111 - 1111 - 1111",
            "pay with 5500-0000-0000-0004 now",
            "3782 822463 10005",
            "银行卡 6222021234567890128",
            "card: 4131034282458809939",
            "paid 2026 4111 1111 1111 1111",
            "4111 1111 1111 1111 123",
            "6222 0212 3456 7890 128",
            "卡号 2026 4111 1111 1111 1112",
        ),
        counterexamples=(
            "order 4111111111111112",
            "1234567890123456",
            "41111111111111111111",
            "2026112321000012",
            "card created 1700000000000",
            "0.4111111111111111",
        ),
    ),
    *ACCOUNTS,
    *COINS,
)
