"""Numbers of documents of mainland China, and of residents and visitors from Hong Kong, Macau, Taiwan and abroad."""

from __future__ import annotations

from datetime import date
from operator import mul

from yumen_plugins.anonymize.detector import Detector, digits
from yumen_plugins.anonymize.detectors.near import CODE_RUN, NUMBER_RUN, ORDERS, compact, named, near, typed

# First two digits of GB/T 2260: the province-level divisions, and Taiwan, Hong Kong and Macau, whose numbers stand on
# residence permits as 83, 81 and 82.
PROVINCES = frozenset(
    (*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83)
)
PERMITS = frozenset((81, 82, 83))
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK = "10X98765432"
# GB 32100: no I, O, S, V, Z, so that nothing is misread.
USCC_CHARS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))


def _born(digits8: str) -> bool:
    try:
        birthday = date(int(digits8[:4]), int(digits8[4:6]), int(digits8[6:]))
    except ValueError:
        return False
    return 1880 <= birthday.year <= date.today().year


def mod_11_2(number: str) -> bool:
    """ISO 7064 MOD 11-2 over 17 digits, the 18th being the check character."""
    total = sum(map(mul, WEIGHTS, map(int, number[:17])))
    return CHECK[total % 11] == number[17]


def id_card(value: str) -> bool:
    """GB 11643: region, a real date of birth, and for 18 digits the check digit of ISO 7064 MOD 11-2."""
    number = digits(value)
    if int(number[:2]) not in PROVINCES:
        return False
    if not _born(number[6:14] if len(number) == 18 else "19" + number[6:12]):
        return False
    return len(number) == 15 or mod_11_2(number)


def residence_permit(value: str) -> bool:
    """A permit for residents of Hong Kong, Macau or Taiwan (81, 82, 83), or a foreigner's (9, region, nationality, date)."""
    number = compact(value)
    if number[0] == "9":
        return len(number) == 18 and _born(number[6:14]) and _permanent(number)
    return len(number) == 18 and int(number[:2]) in PERMITS and _born(number[6:14]) and mod_11_2(number)


def _permanent(number: str) -> bool:
    """The 18-digit number of a foreigner's permanent residence card of 2023: the same check digit as an identity card."""
    return int(number[1:3]) in PROVINCES and mod_11_2(number)


def uscc(value: str) -> bool:
    """GB 32100: 17 characters weighted by powers of 3, modulo 31."""
    number = value.upper()
    total = sum(map(mul, USCC_WEIGHTS, map(USCC_CHARS.index, number[:17])))
    return USCC_CHARS[-total % 31] == number[17]


_ID_WORDS = (
    "身份证", "身份證", "身份号", "证件号", "證件號", "证件", "公民身份", "id card", "id number", "identity",
    "citizen id", "id no", "id_card", "idcard", "idno", "id_no",
    "id_number", "national id", "resident id", "prc id", "chinese id", "sfz",
)  # fmt: skip
_PERMIT_WORDS = (
    "居住证",
    "居住證",
    "居留证",
    "居留身份",
    "residence permit",
    "permanent residen",
    "residence card",
    "居留",
)
_USCC_WORDS = (
    "统一社会信用", "統一社會信用", "社会信用代码", "信用代码", "信用代碼",
    "税号", "稅號", "纳税人识别号", "纳税人", "营业执照", "uscc",
    "credit code", "unified social", "taxpayer", "tax no", "tax id", "tax number", "business licen",
)  # fmt: skip
_PASSPORT_WORDS = ("护照", "護照", "护找", "旅行证件", *typed("passport").split("|"))
_HKMO_WORDS = (
    "港澳通行证", "港澳通行", "通行正", "回乡正",
    "往来港澳", "往來港澳", "回乡证", "回鄉證", "来往内地", "來往內地", "通行证",
    "通行證", "home return", "exit-entry permit", "travel permit", "eep", "hong kong and macau",
)  # fmt: skip
_TW_WORDS = (
    "台胞证", "臺胞證", "台胞證", "台胞正", "台胞卡", "台湾通行证", "往来台湾", "入台证", "赴台证", "大通证",
    "往來台灣", "大陆通行证", "大陸通行證", "来往大陆", "來往大陸", "台湾居民", "台灣居民", "通行证", "通行證", "通行正",
    "mtp", "travel permit", "entry permit", "taiwan compatriot", "taiwan permit", "taiwan resident", "mainland permit",
)  # fmt: skip
_SOCIAL_WORDS = (
    "社保",
    "社会保障",
    "社會保障",
    "社保卡",
    "医保",
    "醫保",
    "social security",
    "social insurance",
    "公积金",
    "medical insurance",
    "参保",
    "社会保险",
)
_LICENCE_WORDS = (
    "驾驶证", "駕駛證", "驾照", "駕照", "驾驶执照", "driver's licen", "driving licen", "drivers licen",
    "driver licen", "driver_licen", "driving_licen",
)  # fmt: skip

DOCUMENTS: tuple[Detector, ...] = (
    Detector(
        id="cn.residence_permit",
        description="residence permit in mainland China, of residents of Hong Kong, Macau, Taiwan or of foreigners",
        patterns=(
            r"(?<![0-9])8[123]0000(?:19|20)[0-9]{9}[0-9Xx](?![0-9])",
            r"(?<![0-9])9[0-9]{5}(?:19|20)[0-9]{9}[0-9Xx](?![0-9])",
            r"(?<![0-9A-Za-z])[A-Z]{3}[0-9]{12}(?![0-9A-Za-z])",
        ),
        prefilter=NUMBER_RUN,
        score=1.0,
        validate=residence_permit,
        canonical=compact,
        context=_PERMIT_WORDS,
        unless=ORDERS,
        span_max=18,
        tight=True,
        examples=(
            "港澳居民居住证 810000199408230021",
            "永久居留身份证号码：USA110080010101",
            "911840198506121237",
            "居留证 911840198506121231",
        ),
        counterexamples=("810000199413230021", "流水 USA110080010101", "911840198506121231"),
    ),
    Detector(
        id="cn.id_card",
        description="identity card number of mainland China",
        patterns=(
            r"(?<![0-9])[1-9][0-9]{5}(?:(?:18|19|20)[0-9]{9}[0-9Xx]|[0-9]{9})(?![0-9])",
            # As people space it: region, date of birth, the rest.
            r"(?<![0-9])[1-9][0-9]{5}([ -])(?:18|19|20)[0-9]{6}\1[0-9]{3}[0-9Xx](?![0-9])",
            r"(?<![0-9])[1-9][0-9]{2}([ -])[0-9]{3}\1(?:18|19|20)[0-9]{2}\1[0-9]{4}\1[0-9]{3}[0-9Xx](?![0-9])",
        ),
        prefilter=(
            NUMBER_RUN,
            r"[0-9]{6}[ -][0-9]{8}[ -][0-9]{3}",
            r"[0-9]{3}[ -][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}[ -]",
        ),
        score=1.0,
        validate=id_card,
        canonical=digits,
        context=_ID_WORDS,
        examples=(
            "身份证号110101199003077213",
            "ID 110101199003077213.",
            "证件号 110101199003077219",
            "(130503670401001)",
            "身份证 110101 19900307 7213",
            '{"id_number": "110101199003077219"}',
        ),
        counterexamples=("订单110101199003077219", "110101199013077213", "990101199003077213", "1101011990030772130"),
    ),
    Detector(
        id="cn.uscc",
        description="unified social credit code of an organisation in China",
        patterns=(r"(?<![0-9A-Za-z])[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}(?![0-9A-Za-z])",),
        prefilter=CODE_RUN,
        score=0.95,
        validate=lambda value: value[0] in "123456789ANY" and not value.isdigit() and uscc(value),
        canonical=compact,
        context=_USCC_WORDS,
        unless=("身份证", "id card"),
        span_max=18,
        tight=True,
        examples=("统一社会信用代码：91110000600037341L", "tax no. 91110000600037341M"),
        counterexamples=("91110000600037341M", "9135021100010000400", "SN 91350211M000100Y4"),
    ),
    Detector(
        id="cn.passport",
        description="passport of the People's Republic of China",
        patterns=(
            (
                r"(?<![0-9A-Za-z])(?:[EGDSPKHegdspkh][0-9]{8}|[Ee][A-HJ-NP-Za-hj-np-z][0-9]{7}|14[0-9]{7}|"
                r"15[0-9]{7})(?![0-9A-Za-z])"
            ),
            named(r"护照号?码?|護照|passport(?: ?(?:number|no\.?|num|#))?", r"[A-Za-z]{1,2}[0-9]{7,8}(?![0-9A-Za-z])"),
        ),
        prefilter=near(_PASSPORT_WORDS),
        score=0.8,
        canonical=compact,
        context=_PASSPORT_WORDS,
        weak=True,
        span_max=64,
        examples=("护照号码：E12345678", "passport no. EA1234567", '{"passport_no": "G12345678"}'),
        counterexamples=("型号E12345678", "护照在E座", "part G12345678"),
    ),
    Detector(
        id="cn.hkmo_permit",
        description="travel permit to or from Hong Kong and Macau",
        patterns=(
            r"(?<![0-9A-Za-z])[CWcw][0-9A-Za-z][0-9]{7}(?![0-9A-Za-z])",
            r"(?<![0-9A-Za-z])[HMhm](?:[0-9]{10}|[0-9]{8})(?![0-9A-Za-z])",
        ),
        prefilter=near(_HKMO_WORDS),
        score=0.8,
        canonical=compact,
        context=_HKMO_WORDS,
        weak=True,
        span_max=11,
        tight=True,
        examples=("港澳通行证：C12345678", "回乡证号 H0123456789", "travel permit no. M12345678"),
        counterexamples=("型号H12345678", "通行证在C座", "通行证 H123"),
    ),
    Detector(
        id="cn.tw_permit",
        description="travel permit to or from Taiwan",
        patterns=(
            r"(?<![0-9A-Za-z])[TLtl][0-9]{8}(?:[0-9]{2}|\([A-Za-z0-9]\)|（[A-Za-z0-9]）)?(?![0-9A-Za-z])",
            named(
                "[台臺]胞[证證正卡]|[台臺][湾灣]居民(?:[来來]往大[陆陸])?通行[证證正]|(?:[来來]往)?大[陆陸]通行[证證正]|大通证|"
                "往[来來][台臺][湾灣]通行[证證正]|mtp|(?:mainland )?travel permit(?: for taiwan(?: residents)?)?|"
                "taiwan (?:compatriot|resident)s?(?: travel)? permit",
                r"(?:[0-9]{8}|[0-9]{10})(?:\([A-Z0-9]\))?(?![0-9A-Za-z])",
            ),
        ),
        prefilter=near(_TW_WORDS),
        score=0.8,
        canonical=compact,
        context=_TW_WORDS,
        weak=True,
        span_max=96,
        examples=("台胞证号：12345678", "大陆通行证 T12345678", "往来台湾通行证L12345678"),
        counterexamples=("T12345678", "台胞证已寄出", "型号 L12345678"),
    ),
    Detector(
        id="cn.military_id",
        description="identity card of the Chinese armed forces",
        patterns=(
            r"[军軍兵士文职警官](?:[官兵士职退]{0,2}[字证])第?[ ]?[0-9A-Za-z]{4,10}[ ]?[号號]?",
            r"(?<![\u4e00-\u9fff])[南北沈兰成济广参政后装海空军东西中武火联战陆京国][字]第?[ ]?[0-9]{6,8}[ ]?[号號]?",
            named(
                "军官证号?码?|士兵证号?码?|军人证件?号?码?|文职干部证号?|警官证号?码?|军官證|"
                "military id(?: no\\.?| number)?",
                r"(?:[\u4e00-\u9fff]字第)?[0-9]{6,10}号?(?![0-9A-Za-z])",
            ),
        ),
        prefilter=r"字第? ?[0-9A-Za-z]|(?:军|士兵|文职|警官)[^\x00-\x7f]{0,6}(?:证|證)|[mM]ilitary [iI][dD]",
        score=0.85,
        canonical=lambda value: value.replace(" ", ""),
        span_max=80,
        examples=(
            "军官证：军字第2001988号",
            "士兵证号 20123456",
            "military ID number 12345678",
            "证件：南字第01234567号",
        ),
        counterexamples=("军字号旗舰店", "京军字第号", "第2001988号文件"),
    ),
    Detector(
        id="cn.social_security",
        description="social security or medical insurance number in China",
        patterns=(
            named(
                "(?<![法美英德韩泰]国)(?<!拿大)(?<!希腊)(?<!瑞士)(?<!地利)社[保会](?:保险)?(?:卡|账|帐|编|参保)?(?:号|号码|账号)?|参保(?:人员)?(?:编?号)?|(?:社保|医保)(?:个人)?(?:编号|电脑号)"
                "|社会保障卡?号?码?|社會保障號?碼?|医保卡?号?码?|醫保卡?|"
                "公积金(?:账|帐)?号?|社会保障卡卡号|"
                "social (?:security|insurance)(?: card)?(?: number| no\\.?)?|"
                "medical insurance(?: card)?(?: number| no\\.?)?",
                r"(?:[A-Za-z][0-9]{7,10}|[0-9]{8,12}|[0-9]{15}|[0-9]{17}[0-9Xx]|"
                r"[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{3})(?![0-9A-Za-z-])",
            ),
        ),
        prefilter=near(_SOCIAL_WORDS),
        score=0.8,
        canonical=compact,
        span_max=112,
        examples=("社保卡号：A12345678", "社会保障号码 110101199003077213", "医保卡号 123456789012"),
        counterexamples=("社保缴费3000元", "社保2026年", "social security office 12"),
    ),
    Detector(
        id="cn.driving_licence",
        description="driving licence of mainland China: its number or that of its file",
        patterns=(
            named(
                "驾驶证件?(?:号|号码|编号)?|駕駛證號?碼?|驾照号?码?|駕照|驾驶执照|(?:chinese )?(?:driver'?s?|"
                "driving)[ _]licen[cs]e(?:[ _](?:number|no\\.?|id))?",
                r"(?:[1-9][0-9]{16}[0-9Xx]|[0-9]{15}|[0-9]{12})(?![0-9A-Za-z])",
            ),
            named("档案编号|檔案編號|驾驶证档案号?|档案号|file (?:number|no\\.?)", r"[1-9][0-9]{11}(?![0-9A-Za-z])"),
        ),
        prefilter=near((*_LICENCE_WORDS, "档案编号", "檔案編號", "档案号", "file number", "file no")),
        score=0.85,
        canonical=compact,
        span_max=96,
        examples=("驾驶证号：110101199003077219", "档案编号 110012345678", "driving licence no. 440300123456"),
        counterexamples=("驾驶证C1", "档案编号 12", "考驾照花了3000元"),
    ),
)
