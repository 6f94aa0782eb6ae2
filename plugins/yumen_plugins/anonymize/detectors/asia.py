"""Detectors of identity numbers of Hong Kong, Taiwan and other places in Asia, Africa and Oceania."""

from __future__ import annotations

import re

from yumen_plugins.anonymize.detector import Detector, digits
from yumen_plugins.anonymize.detectors.near import compact, document, near, stdnum

# What the first letter of a Taiwanese number stands for, A to Z.
TAIWAN = (10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21, 22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30, 31, 33)
SINGAPORE = {
    "S": (0, "JZIHGFEDCBA"),
    "T": (4, "JZIHGFEDCBA"),
    "F": (0, "XWUTRQPNMLK"),
    "G": (4, "XWUTRQPNMLK"),
    "M": (3, "XWUTRQPNJLK"),
}
HKID = (
    "hkid",
    "hk id",
    "hong kong id",
    "香港身份证",
    "香港身分證",
    "香港身份證",
    "港澳身份证",
    "身份证",
    "身分證",
    "身份證",
)
TWID = (
    "twid",
    "taiwan id",
    "台湾身份证",
    "身份证",
    "身分證",
    "身份證",
    "統一編號",
    "统一编号",
    "居留證",
    "national id",
)
_rrn = re.compile(r"[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])-[1-8]")


def hkid(value: str) -> bool:
    """Written with brackets, and its check digit is right: letters as 10 to 35, weights 9 to 1, modulo 11."""
    number = compact(value)
    if not number.isascii():
        return False
    padded = number if len(number) == 9 else " " + number
    codes = [36 if char == " " else int(char, 36) for char in padded]
    return "(" in value and sum(weight * code for weight, code in zip(range(9, 0, -1), codes, strict=True)) % 11 == 0


def twid(value: str) -> bool:
    """The letter as a number of two digits, weights 1, 9 to 1 and 1, modulo 10."""
    first = TAIWAN[ord(value[0].upper()) - ord("A")]
    total = first // 10 + first % 10 * 9 + int(value[9])
    return (
        total + sum(weight * int(digit) for weight, digit in zip(range(8, 0, -1), value[1:9], strict=True))
    ) % 10 == 0


def nric(value: str) -> bool:
    """The check letter: weights 2, 7, 6, 5, 4, 3, 2, an offset by the first letter, modulo 11."""
    offset, letters = SINGAPORE[value[0]]
    weighted = sum(weight * int(digit) for weight, digit in zip((2, 7, 6, 5, 4, 3, 2), value[1:8], strict=True))
    place = (weighted + offset) % 11
    return value[8] == letters[10 - place if value[0] == "M" else place]


def my_number(value: str) -> bool:
    """Ordinance 85 of 2014 of the ministry of internal affairs, article 5: weights 6 to 2 and 7 to 2, modulo 11."""
    number = digits(value)
    rest = (
        sum(weight * int(digit) for weight, digit in zip((6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), number, strict=False)) % 11
    )
    return int(number[11]) == (0 if rest <= 1 else 11 - rest)


def rrn(value: str) -> bool:
    """Written with its dash and a date in it. Numbers since October 2020 have no check digit."""
    return _rrn.match(value) is not None


ASIA = (
    Detector(
        id="cn.hkid",
        description="identity card number of Hong Kong",
        patterns=(r"(?<![0-9A-Za-z])[A-Z]{1,2}[0-9]{6}(?:\([0-9A]\)|（[0-9A]）|[0-9A])(?![0-9A-Za-z])",),
        prefilter=near(HKID, r"[0-9]{6}(?:\(|（)[0-9A]"),
        score=0.9,
        validate=lambda value: hkid(value.replace("（", "(")),
        canonical=compact,
        context=HKID,
        unless=("order", "订单", "单号", "型号"),
        span_max=11,
        examples=("A123456(3)", "香港身份证G123456(A)", "HKID: C1234567", "香港身份證號碼：Z683365（5）"),
        counterexamples=("A123456(4)", "A1234563", "订单A1234563"),
    ),
    Detector(
        id="cn.twid",
        description="identity card number of Taiwan",
        patterns=(r"(?<![0-9A-Za-z])[A-Z][1289][0-9]{8}(?![0-9A-Za-z])",),
        prefilter="[1289][0-9]{8}",
        score=0.9,
        validate=twid,
        canonical=str.upper,
        context=TWID,
        unless=("order", "订单", "单号", "型号", "護照", "护照", "passport"),
        span_max=10,
        tight=True,
        examples=("A123456789", "身分證字號A123456789", "台湾身份证A123456788"),
        counterexamples=("A123456788", "A323456789", "A1234567890"),
    ),
    document(
        "asia.in_aadhaar",
        "identity number of India (Aadhaar)",
        r"[2-9][0-9]{3}([ \-]?)[0-9]{4}\1[0-9]{4}",
        words=("aadhaar", "aadhar", "uidai", "आधार", "印度身份"),
        check=stdnum("in_.aadhaar"),
        examples=("Aadhaar 3718 3377 5803", "aadhar: 371833775803", "印度身份号3718-3377-5803"),
        counterexamples=("3718 3377 5803", "371833775803"),
    ),
    document(
        "asia.in_pan",
        "tax number of India (PAN)",
        "[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]",
        words=("pan", "permanent account", "income tax", "印度税号"),
        sure="[A-Z][0-9]{4}[A-Z]",
        canonical=compact,
        examples=("PAN ACUPA7085R", "印度税号ACUPA7085R"),
        counterexamples=("ACUXA7085R", "XACUPA7085R"),
    ),
    document(
        "asia.sg_nric",
        "identity number of Singapore (NRIC, FIN)",
        "[STFGM][0-9]{7}[A-Z]",
        words=("nric", "fin:", "fin no", "fin number", "singapore id", "新加坡身份证", "身份证"),
        check=nric,
        sure="[0-9]{7}[A-Z]",
        canonical=compact,
        examples=("S1234567D", "新加坡身份证S1234567E", "NRIC: T0000001E"),
        counterexamples=("S1234567E", "order S1234567A"),
    ),
    document(
        "asia.kr_rrn",
        "resident registration number of South Korea",
        "[0-9]{6}-?[1-8][0-9]{6}",
        words=("rrn", "주민등록", "주민번호", "korean resident", "韩国"),
        check=rrn,
        sure="(?i)[0-9]{2}[01][0-9][0-3][0-9]-[1-8][0-9]{6}|주민|韩国|korean res|rrn",
        examples=("주민등록번호 761215-1160159", "761215-1160159", "韩国身份号7612151160159"),
        counterexamples=("7612151160159", "769915-1160159"),
    ),
    document(
        "asia.jp_my_number",
        "individual number of Japan",
        r"[0-9]{4}([ \-]?)[0-9]{4}\1[0-9]{4}",
        words=("マイナンバー", "個人番号", "my number", "mynumber", "日本个人编号"),
        check=my_number,
        examples=("マイナンバー 1234 5678 9018", "個人番号：123456789018", "My Number: 1234-5678-9018"),
        counterexamples=("1234 5678 9018",),
    ),
    document(
        "asia.th_pin",
        "identity number of Thailand",
        "[1-8](?:-[0-9]{4}-[0-9]{5}-[0-9]{2}-|[0-9]{11})[0-9]",
        words=("thai id", "เลขประจำตัว", "บัตรประชาชน", "泰国"),
        check=stdnum("th.pin"),
        examples=("เลขประจำตัวประชาชน 1-4411-56266-22-4", "Thai ID 1441156266224", "泰国身份证1441156266224"),
        counterexamples=("1441156266224",),
    ),
    document(
        "asia.my_nric",
        "identity number of Malaysia (MyKad)",
        "[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])-?[0-9]{2}-?[0-9]{4}",
        words=("mykad", "malaysian", "nric", "kad pengenalan", "no. kp", "马来西亚"),
        check=stdnum("my.nric"),
        examples=("MyKad 800113-14-3956", "马来西亚身份证800113-14-3956"),
        counterexamples=("800113-14-3956", "800113143956"),
    ),
    document(
        "asia.id_nik",
        "identity number of Indonesia (NIK)",
        "[1-9][0-9]{15}",
        words=("nik", "ktp", "induk kependudukan", "indonesian id", "印尼", "印度尼西亚"),
        examples=("NIK 3171010101800989", "印尼身份证3171010101800989"),
        counterexamples=("3171010101800989", "Nikon 3171010101800989"),
    ),
    document(
        "asia.il_id",
        "identity number of Israel",
        "[0-9]{9}",
        words=("teudat zehut", "תעודת זהות", "ת.ז", "israeli id", "以色列"),
        check=stdnum("il.idnr"),
        examples=("teudat zehut 194807939", "以色列身份证194807939"),
        counterexamples=("194807939",),
    ),
    document(
        "asia.au_tfn",
        "tax file number of Australia",
        "[0-9]{3} ?[0-9]{3} ?[0-9]{2,3}",
        words=("tfn", "tax file number", "澳大利亚税号", "澳洲税号"),
        check=stdnum("au.tfn"),
        examples=("TFN 952 330 904", "tax file number: 952330904", "澳洲税号952330904"),
        counterexamples=("952 330 904",),
    ),
    document(
        "asia.za_id",
        "identity number of South Africa",
        "[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]) ?[0-9]{4} ?[0-9]{3}",
        words=("south african id", "sa id", "rsa id", "id-nommer", "南非"),
        check=stdnum("za.idnr"),
        examples=("South African ID 6509116060082", "南非身份证650911 6060 082"),
        counterexamples=("6509116060082",),
    ),
)
