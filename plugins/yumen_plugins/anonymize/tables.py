"""Tables inside a text: the heading of a column says what its cells are.

What people paste into a prompt is often a table: CSV, the cells of a spreadsheet (with tabs between them), Markdown. A cell
`6518150734` is nothing by itself and a number to hide under the heading `QQ`. So a table's cells are read once more, each
behind its heading, `QQ: 6518150734`, as the value of a member of JSON is read behind its name.

A table is a line of headings with lines of as many cells, or fewer, right below it; the first of them has as many. Cells are
those of RFC 4180, but that none goes over the end of a line.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

# Between the name of a value and the value, where the two are read together.
NAMED = ": "
# The first of these that stands in a line and in the next one is what stands between cells.
DELIMITERS = ("\t", "|", ",", ";", "，")
# In code points: of what a heading says as much is read, and of a cell at least so much must be there.
HEADING_CHARS_MAX, CELL_CHARS_MIN = 24, 3
HEADING_DIGITS_MAX = 3
# What may stand around a cell, the marks of Markdown among it.
BLANK = " \t\r*`"
NO_HEADING = re.compile("[!?。！？@=]")
# A line that is only drawn, as below the headings of Markdown or around what a database's client prints.
DRAWN = re.compile(r"[ \t\r|:+=-]*[-=][ \t\r|:+=-]*")
# Words of headings. The one pass looks for them, and lines are looked at only where it finds one: asked for more, it slows.
WORDS = (
    "name|phone|mobile|cell|tel|contact|e-?mail|address|passport|licen[cs]e|ssn|social.security|dob|birth|account|acct|card"
    "|iban|swift|routing|cvv|cvc|expiry|expires|mrn|patient|record|(?:tax|national|personal|member|id).?(?:id|no|num|number)"
    "|itin|ein|vat|nino|nhs|permit|plate|vin|wechat|weixin|qq|password|passwd|pwd|secret|token|api.?key|credentials?"
    "|姓名|名字|联系人|收件人|负责人|客户|患者|手机|电话|联系方式|座机|固话|传真|邮箱|邮件|地址|住址|身份证|证件|护照|通行证"
    "|居住证|驾驶证|驾照|军官证|士兵证|社保|医保|车牌|车架|微信|生日|出生|卡号|银行卡|账号|帐号|账户|户名|有效期|税号|信用代码"
    "|病历|病案|住院号|门诊号|就诊|密码|口令|密钥|令牌"
)
SIGN = f"(?i)(?:{WORDS})"
WORD = re.compile(SIGN)
# What stands behind a heading: `(optional)`, `（必填）`.
REMARK = re.compile(r"\s?[(（][^()（）]{1,40}[)）]\Z")
# A cell in quotes with a delimiter or the end of the line behind it.
QUOTED = {one: re.compile(rf'[ ]*"((?:[^"]|"")*+)"[ \r]*(?={re.escape(one)}|\Z)') for one in DELIMITERS}


class Cells:
    """The cells of a text's tables behind their headings: `text` is what is read, a line for each cell."""

    __slots__ = ("_ends", "_origins", "_starts", "text")

    def __init__(self, plain: str) -> None:
        parts: list[str] = []
        size = 0
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._origins: list[int] = []
        for heading, start, end in _cells(plain):
            parts += (heading, NAMED, plain[start:end], "\n")
            size += len(heading) + len(NAMED)
            self._starts.append(size)
            self._origins.append(start)
            size += end - start
            self._ends.append(size)
            size += 1
        self.text = "".join(parts)

    def place(self, start: int, end: int) -> tuple[int, int] | None:
        """Where a part of `text` stands in what it was made of, or None where it is not within one cell."""
        index = bisect_right(self._starts, start) - 1
        if index < 0 or end > self._ends[index]:
            return None
        shift = self._origins[index] - self._starts[index]
        return start + shift, end + shift


def _cells(plain: str) -> Iterator[tuple[str, int, int]]:
    """The heading of each cell, and the span of what the cell says."""
    lines = list(_lines(plain))
    index = 0
    while index + 1 < len(lines):
        headings, delimiter = _headings(plain, lines[index], lines[index + 1])
        index += 1
        if not headings:
            continue
        while index < len(lines):
            row = list(_row(plain, *lines[index], delimiter))
            if len(row) < 2:
                break
            index += 1
            if len(row) > len(headings):
                continue
            for heading, (start, end) in zip(headings, row, strict=False):
                if heading and end - start >= CELL_CHARS_MIN:
                    yield heading, start, end


def _lines(plain: str) -> Iterator[tuple[int, int]]:
    """The spans of the lines, without those that are only drawn."""
    start = 0
    while start <= len(plain):
        end = plain.find("\n", start)
        end = len(plain) if end < 0 else end
        if not DRAWN.fullmatch(plain, start, end):
            yield start, end
        start = end + 1


def _headings(plain: str, line: tuple[int, int], below: tuple[int, int]) -> tuple[list[str], str]:
    """The headings in a line, and what stands between them; none where the line and the one below it are no table."""
    for delimiter in DELIMITERS:
        count = plain.count(delimiter, *line)
        if count and (under := plain.count(delimiter, *below)):
            break
    else:
        return [], ""
    if count != under and plain.find('"', *below) < 0:
        # Most lines with commas end here.
        return [], ""
    headings = [plain[start:end] for start, end in _row(plain, *line, delimiter)]
    if len(headings) != len(list(_row(plain, *below, delimiter))) or not all(map(_heads, headings)):
        return [], ""
    if WORD.search(plain, *line) is None:
        return [], ""
    return [REMARK.sub("", one)[-HEADING_CHARS_MAX:] for one in headings], delimiter


def _heads(text: str) -> bool:
    """Whether a cell could be a heading, and is no value or part of a sentence."""
    return NO_HEADING.search(text) is None and sum(map(str.isdigit, text)) <= HEADING_DIGITS_MAX


def _row(plain: str, start: int, end: int, delimiter: str) -> Iterator[tuple[int, int]]:
    """The spans of what the cells of a line say."""
    if delimiter == "|":
        # Here one may stand at both ends of a line as well.
        start, end = _stripped(plain, start, end)
        start += plain.startswith("|", start, end)
        end -= start < end and plain[end - 1] == "|"
    quoted = QUOTED[delimiter]
    while start <= end:
        match = quoted.match(plain, start, end)
        if match is not None:
            stop = match.end()
            yield match.span(1)
        else:
            stop = plain.find(delimiter, start, end)
            stop = end if stop < 0 else stop
            yield _stripped(plain, start, stop)
        start = stop + 1


def _stripped(plain: str, start: int, end: int) -> tuple[int, int]:
    while start < end and plain[start] in BLANK:
        start += 1
    while start < end and plain[end - 1] in BLANK:
        end -= 1
    return start, end
