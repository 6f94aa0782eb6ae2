"""Detectors of what is known by the words beside it: dates of birth, record numbers, passports."""

from __future__ import annotations

import re
from datetime import date

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.near import ORDERS, compact, named

MONTHS = (
    r"(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?"
    r"|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
YEAR, MONTH, DAY = "(?:18|19|20)[0-9]{2}", "(?:0?[1-9]|1[0-2])", "(?:0?[1-9]|[12][0-9]|3[01])"
HAN_YEAR, HAN_NUMBER = "[一二][〇零一二三四五六七八九]{3}", "[一二三四五六七八九十]{1,3}"
DATES = (
    rf"{YEAR} ?年 ?{MONTH} ?月(?: ?{DAY} ?[日号])?",
    rf"{YEAR}([-/.]){MONTH}\g<sep>{DAY}(?![0-9])",
    rf"{DAY}([-/.]){MONTH}\g<sep>(?:{YEAR}|[0-9]{{2}})(?![0-9])",
    rf"{MONTH}([-/.]){DAY}\g<sep>(?:{YEAR}|[0-9]{{2}})(?![0-9])",
    rf"{MONTHS}[ -]{DAY}(?:st|nd|rd|th)?,?[ -]{YEAR}(?![0-9])",
    rf"{DAY}(?:st|nd|rd|th|\.)?(?: of)?[ -]{MONTHS},?[ -]{YEAR}(?![0-9])",
    "(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])(?![0-9])",
    rf"{HAN_YEAR}年{HAN_NUMBER}月(?:{HAN_NUMBER}[日号])?",
)
ANY_DATE = "|".join(
    form.replace(r"([-/.])", f"(?P<sep{n}>[-/.])").replace(r"\g<sep>", f"(?P=sep{n})") for n, form in enumerate(DATES)
)
PARTY = (
    r"(?!快乐|聚会|派对|宴|会|蛋糕|礼物|当天|祝福|贺卡|[ _]?(?:party|cake|gift|present|card|dinner|wishes|celebration))"
)
BIRTH = (
    rf"date[ _]?of[ _]?birth|birth[ _-]?date|birth[ _]?day{PARTY}|d\.?o\.?b\.?(?![a-z])|born|出生(?:日期"
    rf"|年月日?|时间|于)?|生日{PARTY}|生辰|生于|"
    r"geburtsdatum|geboren|date de naissance|née?|fecha de nacimiento|nacid[oa]|data di nascita"
    r"|nat[oa] il|geboortedatum|data de nascimento|生年月日"
)
RECORD = (
    r"病历号码?|病案号|住院号|门诊号|就诊卡?号|诊疗卡号?|病人(?:编号|号|ID)|患者(?:编号|号|ID)|体检(?:编)?号|"
    r"mrn|(?:medical|health|patient|hospital)[ _]?record[ _]?(?:number|no\.?|num|#|id)?|"
    r"patient[ _]?(?:id|number|no\.?|identifier|#)|(?:hospital|chart)[ _](?:number|no\.?|#)"
)
POLICY = (
    r"保单号码?|保险单号|保单编号|投保单号|(?<!英国)医保(?:参保)?号|"
    r"(?:health |medical |insurance )?policy[ _]?(?:number|no\.?|num|#)|"
    r"(?<!social )(?<!national )insurance[ _]?(?:id|number|no\.?"
    r"|member|policy)(?:[ _]?(?:id|number|no\.?))?|"
    r"(?:member|subscriber|beneficiary|group)[ _]?(?:id|number|no\.?)"
)
PASSPORT = r"passport|护照|護照|旅券|passeport|pasaporte|passaporto|passnummer|паспорт"
# Letters, then digits, with at least four of these; what looks like a date is none.
CODE = (
    r"(?!(?:19|20)[0-9]{2}[-/.年])(?=[A-Za-z0-9\-/]{0,12}[0-9][A-Za-z\-/]{0,3}[0-9])"
    r"[A-Z0-9](?:[A-Z0-9]|[\-/](?=[A-Z0-9])){3,24}(?![0-9A-Za-z])"
)


def born(value: str) -> bool:
    """Whether a date lies in the past, where its year is written with four digits."""
    year = re.search("[0-9]{4}", value)
    return year is None or 1880 <= int(year[0]) <= date.today().year


PEOPLE: tuple[Detector, ...] = (
    Detector(
        id="person.birth_date",
        description="date of birth",
        patterns=(
            named(BIRTH, f"(?<![0-9])(?:{ANY_DATE})", link="[^0-9一二]{0,30}?"),
            re.compile(rf"(?<![0-9])(?P<value>{ANY_DATE})"
                       rf"(?=[ ,，)）]{{0,2}}(?:出生|生(?![0-9A-Za-z产效成活日命意])|was born|born))"),
        ),
        prefilter=(
            r"(?i)(?:birth|d\.?o\.?b|born|geburtsdatum|geboren|naissance|n(?:é|É)e?|nacimiento|nacid"
            r"|nascita|nat[oa] il|geboortedatum"
            r"|nascimento|出生|生日|生辰|生于|生年月日)[^0-9\x00]*[0-9]{1,4}[ ./年,a-z\-]"
            r"|(?:birth|d\.?o\.?b|born|出生|生日)[^0-9\x00]*(?:[0-9]{8}|jan|feb|mar|apr|may|jun|jul|aug"
            r"|sep|oct|nov|dec|年)"
            r"|[0-9](?:日|号|月)?[ ,，)）]{0,6}(?:出生|生|was born|born)|[日号月][^0-9]{0,4}出生"
        ),
        score=0.9,
        validate=born,
        span_max=96,
        examples=(
            "出生日期：1990年3月7日",
            "DOB: 07/03/1990",
            "born on March 7, 1990",
            "她1990年3月7日出生",
            '"dob":"1990-03-07"',
            "birthday: 19900307",
            "Date of birth 7 March 1990",
            "生日是1990.3.7",
            "张伟，男，1985年12月生，汉族",
            "geboren am 07.03.1990",
            "出生于一九九〇年三月七日",
            "date_of_birth: 1990-03-07T00:00:00Z",
        ),
        counterexamples=(
            "1990年3月7日",
            "生日快乐！2026-01-02见",
            "birthday party on March 7, 2026",
            "born in 1990",
            "2026年1月生效",
            "2026年1月2日生产",
        ),
    ),
    Detector(
        id="health.mrn",
        description="medical record number",
        patterns=(named(RECORD, CODE),),
        prefilter=(
            r"(?i)(?:病历号|病案号|住院号|门诊号|就诊|诊疗卡|病人|患者|体检|record|patient|hospital|chart"
            r"|(?:^|[^a-z])mrn)[^0-9\x00]*[0-9]"
        ),
        score=0.8,
        canonical=compact,
        unless=ORDERS,
        span_max=96,
        examples=(
            "病历号：20231234567",
            "住院号 ZY001234",
            "MRN: 00123456",
            "medical record number is 12-34-56",
            '"patient_id":"P0012345"',
            "就诊卡号 6600123456",
        ),
        counterexamples=("patient is 45 years old", "病历号码未知", "MRN", "住院日期2026-01-02", "record 2026-01-02"),
    ),
    Detector(
        id="health.policy_no",
        description="number of an insurance policy or of a member",
        patterns=(named(POLICY, CODE),),
        prefilter=r"(?i)(?:保单|保险单|投保单|医保|policy|insurance|member|subscriber|beneficiary|group)[^0-9\x00]*[0-9]",
        score=0.7,
        canonical=compact,
        span_max=110,
        examples=(
            "保单号 PDAA202311010000123456",
            "policy number: HX-4471902",
            "Member ID XWH123456789",
            '"insurance_id":"XEH9981234"',
            "保险单号：1234567890123456",
        ),
        counterexamples=("policy of 2026-01-02", "member since 2019", "group 5", "policy number 7"),
    ),
    Detector(
        id="travel.passport",
        description="passport number of any country",
        patterns=(
            named(
                PASSPORT,
                r"(?:[A-Z]{0,3}[0-9]{6,9}|[0-9]{2}[A-Z]{2}[0-9]{5}"
                r"|[A-Z]{2}[0-9]{2}[A-Z0-9]{5})(?![0-9A-Za-z]|[\-/.][0-9])",
                link=r"(?:[^0-9A-Za-z]{0,3}(?i:no|nr|num|number|id|is|编号|号码?|號碼?|n°|of|for|the|my|his|her)){0,4}[^0-9A-Za-z\n]{0,6}",
            ),
        ),
        prefilter=r"(?i)(?:passport|护照|護照|旅券|passeport|pasaporte|passaporto|passnummer|паспорт|ПАСПОРТ|Паспорт)[^0-9\x00]*[0-9]",
        score=0.7,
        canonical=compact,
        context=("passport", "护照", "護照", "旅券", "passeport", "pasaporte", "passaporto", "passnummer", "паспорт"),
        unless=ORDERS,
        weak=True,
        span_max=96,
        examples=("passport no. X1234567", "护照：TK1234567", '"passport_number":"L8765432"', "passeport 12AB34567",
                  "Passport Number: 12345678"),
        counterexamples=("X1234567", "passport 2026-01-02", "passport expired", "passport 12345"),
    ),
)  # fmt: skip
