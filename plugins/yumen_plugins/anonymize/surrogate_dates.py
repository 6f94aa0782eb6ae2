"""Other dates, written as one was."""

from __future__ import annotations

import re

from yumen_plugins.anonymize.fakes import Draws

YEARS, FULL_YEAR = 5, 2015
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"
)  # fmt: skip
YEAR_FIRST = re.compile(
    r"(?P<year>(?:18|19|20)[0-9]{2})(?P<month>[^0-9]{1,3}[0-9]{1,2})(?P<day>[^0-9]{1,3}[0-9]{1,2})?(?![0-9])"
)
YEAR_LAST = re.compile(
    r"(?<![0-9])(?P<day>[0-9]{1,2})(?P<month>[-/. ][0-9]{1,2})(?P<gap>[-/. ])(?P<year>[0-9]{4}|[0-9]{2})(?![0-9])"
)
EXPIRY = re.compile(r"[0-9]{2}(?P<gap>[^0-9]{1,3})(?P<century>(?:20)?)[0-9]{2}")
NUMERALS = "一二三四五六七八九"
CHINESE = re.compile(
    r"(?P<century>[一二][八九〇零○])[〇零○一二三四五六七八九]{2}年(?P<month>[一二三四五六七八九十]{1,2})月(?:(?P<day>[一二三四五六七八九十]{1,3})(?P<end>[日号]))?"
)
COMPACT = re.compile(r"(?<![0-9])(?P<year>(?:18|19|20)[0-9]{2})[0-9]{4}(?![0-9])")
NAMED = re.compile(
    f"(?i:{'|'.join(sorted((*MONTHS, *(month[:3] for month in MONTHS)), key=len, reverse=True))})(?![a-z])"
)
# The last day that every month has, and the last that is a month as well.
DAY_LAST, MONTH_LAST = 28, 12


def other_date(value: str, draws: Draws) -> str | None:
    """A date of at most five years earlier or later in the same form; None where the form is unknown.

    Where day and month could be either, the new ones can be too. Names of months may change the length.
    """
    if match := YEAR_FIRST.search(value):
        new = _year(match["year"], draws) + _number(match["month"], MONTH_LAST, draws)
        new += _number(match["day"], DAY_LAST, draws) if match["day"] else ""
    elif match := YEAR_LAST.search(value):
        new = _number(match["day"], MONTH_LAST, draws) + _number(match["month"], MONTH_LAST, draws) + match["gap"]
        new += _year(match["year"], draws)
    elif match := COMPACT.search(value):
        new = f"{_year(match['year'], draws)}{draws.between(1, MONTH_LAST):02d}{draws.between(1, DAY_LAST):02d}"
    elif match := EXPIRY.fullmatch(value):
        new = f"{draws.between(1, MONTH_LAST):02d}{match['gap']}{match['century']}{draws.between(27, 35)}"
    elif match := CHINESE.search(value):
        new = f"{match['century']}{draws.of(NUMERALS)}{draws.of(NUMERALS)}年{_numeral(match['month'], 2, draws)}月"
        new += f"{_numeral(match['day'], 9, draws)}{match['end']}" if match["day"] else ""
    else:
        return _worded(value, draws)
    return value[: match.start()] + new + value[match.end() :]


def _year(year: str, draws: Draws) -> str:
    if len(year) == 2:
        return f"{draws.between(50, 99)}"
    # Nobody is born in the future.
    return str(int(year) + draws.between(-YEARS, YEARS if int(year) < FULL_YEAR else 0))


def _numeral(written: str, last: int, draws: Draws) -> str:
    """A day or a month in as many Chinese numerals, of two of them 十一 to `last`: 九 for 十九."""
    if len(written) == 1:
        return draws.of(NUMERALS)
    return f"十{draws.of(NUMERALS[:last])}" if len(written) == 2 else f"二十{draws.of(NUMERALS[:8])}"


def _number(written: str, last: int, draws: Draws) -> str:
    """A day or a month with what stands before it: in as many digits, whether short ones are written with a zero or not."""
    digits = re.search("[0-9]+", written)
    assert digits is not None
    if len(digits[0]) == 1:
        return f"{written[: digits.start()]}{draws.between(1, 9)}"
    return f"{written[: digits.start()]}{draws.between(1 if digits[0][0] == '0' else 10, last):02d}"


def _worded(value: str, draws: Draws) -> str | None:
    match = NAMED.search(value)
    if match is None:
        return None
    month = MONTHS[draws.below(len(MONTHS))]
    month = month[:3] if len(match[0]) == 3 else month
    month = month.upper() if match[0].isupper() else month.lower() if match[0].islower() else month

    def other(number: re.Match[str]) -> str:
        return _year(number[0], draws) if len(number[0]) == 4 else _number(number[0], DAY_LAST, draws)

    before, behind = value[: match.start()], value[match.end() :]
    # `1st` and `2nd` would not fit another number.
    before, behind = (re.sub("(?<=[0-9])(?:st|nd|rd|th)(?![a-z])", "th", part) for part in (before, behind))
    return re.sub("[0-9]{1,4}", other, before) + month + re.sub("[0-9]{1,4}", other, behind)
