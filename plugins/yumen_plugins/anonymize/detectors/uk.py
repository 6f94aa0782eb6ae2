"""Detectors of documents of the United Kingdom."""

from __future__ import annotations

from yumen_plugins.anonymize.detector import Detector, digits
from yumen_plugins.anonymize.detectors.near import CODE_RUN, compact, document, named, near, stdnum

NHS = ("nhs", "national health service", "英国医保")
NINO = ("nino", "national insurance", "国民保险")
_nhs = stdnum("gb.nhs")


def nhs(value: str) -> bool:
    """Written 3-3-4 with blanks, and its check digit, modulo 11, is right; a plain number has to be named."""
    return " " in value and _nhs(value)


def nino(value: str) -> bool:
    """Capital, and with none of the prefixes that HM Revenue and Customs does not give out."""
    return value == value.upper() and value[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


UK = (
    Detector(
        id="uk.nhs",
        description="NHS number of the United Kingdom",
        patterns=(r"(?<![0-9+.\-])(?<![0-9] )[0-9]{3}([ \-]?)[0-9]{3}\1[0-9]{4}(?![0-9]|[\-.][0-9])(?! [0-9])",),
        prefilter=near(NHS, "[0-9]{3} [0-9]{3} [0-9]{4}"),
        score=0.9,
        validate=nhs,
        canonical=digits,
        context=NHS,
        span_max=12,
        examples=("NHS number 943 167 0828", "943 167 0828", "nhs: 9431670828", "英国医保号943-167-0828"),
        counterexamples=("943 167 0829", "9431670828", "+44 943 167 0828"),
    ),
    Detector(
        id="uk.nino",
        description="national insurance number of the United Kingdom",
        patterns=(
            (
                r"(?<![0-9A-Za-z])(?i:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z])[ \-]?[0-9]{2}[ \-]?[0-9]{2}[ \-]?[0-9]{2}"
                r"[ \-]?[A-Da-d](?![0-9A-Za-z])"
            ),
        ),
        prefilter=r"[0-9]{2}[ \-]?[0-9]{2}[ \-]?[0-9]{2}[ \-]?[A-Da-d]",
        score=0.9,
        validate=nino,
        canonical=compact,
        context=NINO,
        span_max=13,
        examples=("NINO QQ".replace("QQ", "JG") + "103759A", "AB 12 34 56 C", "国民保险号AB123456C", "nino ab123456c"),
        counterexamples=("BG123456C", "ab123456c", "AB1234567", "AB123456CD"),
    ),
    Detector(
        id="uk.driver_licence",
        description="driving licence number of the United Kingdom",
        patterns=(
            (
                r"(?<![0-9A-Za-z])(?:[A-Z]{2}[A-Z9]{3})[0-9][0156][0-9](?:0[1-9]|[12][0-9]|3[01])[0-9][A-Z9]{2}[0-9A-Z]{3}"
                r"(?:[ ]?[0-9]{2})?(?![0-9A-Za-z])"
            ),
        ),
        prefilter=CODE_RUN,
        score=0.9,
        canonical=compact,
        span_max=19,
        examples=("MORGA657054SM9IJ", "英国驾照 SMITH901015JJ9AB 35，"),
        counterexamples=("MORGA677054SM9IJ", "MORGA657404SM9IJ", "ABCDE12345"),
    ),
    document(
        "uk.passport",
        "passport number of the United Kingdom",
        "[0-9]{9}",
        words=("uk passport", "british passport", "uk_passport", "英国护照"),
        examples=("UK passport 925665416", "英国护照号925665416"),
        counterexamples=("925665416",),
    ),
    Detector(
        id="uk.sort_code",
        description="bank sort code of the United Kingdom",
        patterns=(named("sort[ _-]?code|银行分类码", r"[0-9]{2}([ \-]?)[0-9]{2}\2[0-9]{2}(?![0-9]|[\-.][0-9])"),),
        prefilter=r"(?i)sort[ _-]?code|银行分类码",
        score=0.8,
        canonical=digits,
        span_max=64,
        examples=("sort code 60-83-71", "Sort-Code: 608371", "银行分类码：60 83 71"),
        counterexamples=("60-83-71", "sort code 6083712", "sort codes by 10"),
    ),
)
