"""Detectors of what is known by the words beside it: dates of birth, record numbers, passports."""

from __future__ import annotations

import re
from datetime import date

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.near import LINK, ORDERS, compact, named, typed

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
    rf"date[ _]?of[ _]?(?:{typed('birth')})|(?:{typed('birth')})[ _-]?date|(?:{typed('birth')})[ _]?day{PARTY}"
    rf"|(?:{typed('birthday')}){PARTY}|d\.?o\.?b\.?(?![a-z])|born|出生(?:日期|年月日?|时间|于)?|生日{PARTY}|生辰|生于|"
    r"geburtsdatum|geboren|date de naissance|née?|fecha de nacimiento|nacid[oa]|data di nascita"
    r"|nat[oa] il|geboortedatum|data de nascimento|生年月日"
)
NUMBER = "n[umber]{4,6}"
RECORD = (
    r"病[历歷例](?:本|卡)?(?:编号|[号號][码马]?)|病案(?:编)?[号號][码马]?|住院(?:编)?[号號][码马]?|门急?诊(?:编)?[号號][码马]?"
    r"|病案首页|病理号|病[历歷](?:资料|档案)?|就[诊医](?:卡|记录|序列?)?(?:编)?[号號][码马]?|(?:门急?诊|就诊|诊疗|医疗|住院)卡(?:卡|编)?[号號]?"
    r"|诊疗(?:编)?[号號]|健康(?:卡|档案)(?:编)?号|(?:病人|患者|医疗记录)(?:编[号码]|号码?|ID)"
    r"|(?:体检|检查|影像|放射|超声|标本|处方|挂号|入院|出院)(?:登记|单)?(?:编)?号|"
    rf"mrn|mr ?#|uhid|(?:emr|encounter|admission|inpatient|outpatient|visit|accession)[ _]?(?:{NUMBER}|no\.?|id|#)|"
    rf"pt\.? (?:{NUMBER}|no\.?|id|#)|(?:{typed('patient')}|medical) (?:file|chart)(?: (?:{NUMBER}|no\.?|id|#))?|"
    rf"(?:{typed('medical')}|health|{typed('patient')}"
    rf"|hospital)[ _]?(?:{typed('record')})s?[ _]?(?:number|no\.?|num|#|id)?|"
    rf"(?:{typed('patient')})[ _]?(?:id|{NUMBER}|no\.?|identifier|#)|(?:hospital|chart"
    rf"|{typed('medical')})[ _](?:{NUMBER}|no\.?|id|#)"
)
POLICY = (
    r"保单号码?|保险单号|保单编号|投保单号|(?<!英国)医保(?:参保)?号|"
    r"(?:health |medical |insurance )?policy[ _]?(?:number|no\.?|num|#)|"
    r"(?<!social )(?<!national )insurance[ _]?(?:id|n[umber]{4,6}|no\.?|member|policy)(?:[ _]?(?:id"
    r"|n[umber]{4,6}|no\.?))?|"
    r"(?:member|subscriber|beneficiary|group)[ _]?(?:id|n[umber]{4,6}|no\.?)"
)
PASSPORT = rf"{typed('passport')}|pasport|passprt|护照|護照|旅券|passeport|pasaporte|passaporto|passnummer|паспорт"
# Letters, then digits, with at least four of these; what looks like a date is none. Small letters stand at the ends only, a
# few of them: a pseudonym (`MRN_4p0j6aty9w`) is none either.
CODE = (
    r"(?!(?:19|20)[0-9]{2}[-/.年])(?=[A-Za-z0-9\-/]{0,12}[0-9][A-Za-z\-/]{0,3}[0-9])"
    r"(?:[A-Z0-9](?:[A-Z0-9]|[\-/](?=[A-Z0-9])){3,24}|[a-z]{0,3}-?[0-9](?:[0-9]|[\-/](?=[0-9])){3,20}[a-z]{0,2})(?![0-9A-Za-z])"
)


IDENTITY = (
    r"(?:national|identity|identification|personal|citizen(?:ship)?)[ _]?(?:id(?:entity|entification)?[ _]?)?(?:card[ _]?)?"
    rf"(?:{NUMBER}|no\.?|#|id)|national[ _]?id(?:entity)?[ _]?(?:card)?|identity[ _]card|"
    rf"tax(?:payer)?[ _]?(?:id(?:entification)?[ _]?)?(?:{NUMBER}|no\.?|id|#)|"
    r"(?:国民|公民|居民|个人)?身[份分](?:证|證|证件)?(?:号码?|號碼?|编号)|[证證]件(?:号码?|號碼?|编号)|"
    r"(?:纳税人识别|税务登记|稅)[号號]|税号"
)
# Letters and digits, six of these at least, in groups or not; no date.
ID_CODE = (
    r"(?!(?:19|20)[0-9]{2}[-/.年][0-9]{1,2}[-/.月][0-9]{1,2}(?![0-9]))(?=(?:[A-Z]?[A-Z ./\-]?[0-9]){6})"
    r"[A-Z0-9](?:[ ./\-]?[A-Z0-9]){5,21}(?![0-9A-Za-z])"
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
            (rf"(?<![0-9])(?P<value>{ANY_DATE})"
             rf"(?=[ ,，)）]{{0,2}}(?:出生|生(?![0-9A-Za-z产效成活日命意])|was born|born))"),
        ),
        prefilter=(
            rf"(?i)(?:{typed('birth')}|dob|d\.o\.b|born|geburtsdatum|geboren|naissance|n(?:é|É)|nacimiento"
            rf"|nacid|nascita"
            r"|nat[oa] il|geboortedatum|nascimento|出生|生日|生辰|生于|生年月日)[^0-9\x00]*(?:[0-9]|年)",
            r"(?i)(?:[0-9]|日|号|月)(?:[ ,)]|，|）)*(?:出生|生|was born|born)",
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
        patterns=(
            named(RECORD, CODE),
            # Two of them, as where one is merged with the other.
            (rf"(?i:(?<![a-z])(?:{RECORD})){LINK}{CODE}(?: (?:was |is )?(?:merged with|linked to|and|or|to)"
             rf"|[,，、/&]|[和与及]) ?(?P<value>{CODE.replace('{3,24}', '{5,24}')})"),
        ),
        prefilter=(
            rf"(?i)(?:病|住院|门诊|门急诊|就诊|就医|诊疗|患者|体检|检查|影像|放射|超声|标本|处方|挂号|入院|出院|健康卡|健康档案|医疗"
            rf"|uhid|emr|encounter|admission|visit|accession|pt\.? |{typed('record')}|{typed('patient')}"
            rf"|{typed('medical')} |medical_|hospital|chart|mr ?#|mrn)[^0-9\x00]*[0-9]"
        ),
        score=0.8,
        canonical=compact,
        unless=ORDERS,
        span_max=160,
        examples=(
            "病历号：20231234567",
            "住院号 ZY001234",
            "MRN: 00123456",
            "medical record number is 12-34-56",
            '"patient_id":"P0012345"',
            "就诊卡号 6600123456",
            "病历（编号 20240511-0088）",
            "Admission no. IP2024-00918",
            "<b>MRN:</b> 00456123",
            '<td class="k">住院号</td><td>ZY0099182</td>',
            "mrn 8834521a",
        ),
        counterexamples=(
            "patient is 45 years old",
            "病历号码未知",
            "MRN",
            "住院日期2026-01-02",
            "record 2026-01-02",
            "病历已于20日归档",
            "visit no 3",
        ),
    ),
    Detector(
        id="health.policy_no",
        description="number of an insurance policy or of a member",
        patterns=(named(POLICY, CODE),),
        prefilter=r"(?i)(?:保单|保险单|投保单|医保|policy|insurance|member|subscriber|beneficiary|group)[^0-9\x00]*[0-9]",
        score=0.7,
        canonical=compact,
        span_max=128,
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
        id="person.id_number",
        description="number of an identity document or a taxpayer that only words name",
        patterns=(named(IDENTITY, ID_CODE),),
        prefilter=(
            r"(?i)(?:national|identity|identification|personal|citizen|tax|身份|身分|证件|證件|税|稅|公民)[^0-9\x00]*[0-9]"
        ),
        score=0.7,
        canonical=compact,
        unless=ORDERS,
        guessed=True,
        span_max=128,
        examples=(
            "National ID: 29001011234567",
            "her identity number is 8001015009087",
            "国民身份号码（荷兰）111222333",
            "personal id number 19900101-2384",
            "证件号：K03004421",
            '"tax_id":"12 345 678 903"',
        ),
        counterexamples=("national id 12", "tax number 2026-01-02", "identity 110", "证件号码如下", "national 20260102"),
    ),
    Detector(
        id="travel.passport",
        description="passport number of any country",
        patterns=(
            named(
                PASSPORT,
                r"(?:[A-Z]{0,3}[0-9]{6,9}|[A-Z]{1,2}[ \-][0-9]{7,8}|[0-9]{2}[A-Z]{2}[0-9]{5}"
                r"|[A-Z]{2}[0-9]{2}[A-Z0-9]{5})(?![0-9A-Za-z]|[\-/.][0-9])",
                link=r"(?:[^0-9A-Za-z]{0,3}(?i:no|nr|num|n[umber]{4,6}|id|is|was|card|book|holder|编号|号[码马]?|號碼?|n°|of|for|the|my|his|her|是|为)){0,4}[^0-9A-Za-z\n]{0,6}",
            ),
        ),
        prefilter=rf"(?i)(?:{typed('passport')}|pasport|passprt|护照|護照|旅券|passeport|pasaporte|passaporto|passnummer|паспорт|ПАСПОРТ|Паспорт)[^0-9\x00]*[0-9]",
        score=0.7,
        canonical=compact,
        context=(
            "passport", "pasport", "passprt", "护照", "護照", "旅券", "passeport", "pasaporte", "passaporto", "passnummer",
            "паспорт",
        ),
        unless=ORDERS,
        weak=True,
        span_max=96,
        examples=("passport no. X1234567", "护照：TK1234567", '"passport_number":"L8765432"', "passeport 12AB34567",
                  "Passport Number: 12345678"),
        counterexamples=("X1234567", "passport 2026-01-02", "passport expired", "passport 12345"),
    ),
)  # fmt: skip
