"""Numbers that are written in words: twenty-five, the third, 一百二十三, 第三, 三分之一, 百分之十五."""

from __future__ import annotations

from collections.abc import Sequence

from yumen_plugins.cache.semantic.gate.spelling import Form, Piece

ENGLISH = {
    "zero": 0,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "thirteen": 13,
    "fourteen": 14,
    "fifteen": 15,
    "sixteen": 16,
    "seventeen": 17,
    "eighteen": 18,
    "nineteen": 19,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
ENGLISH_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
ORDINALS = {
    **{f"{word}th": value for word, value in ENGLISH.items() if value in (4, 6, 7, 10, 11) or 12 < value < 20},
    "first": 1,
    "second": 2,
    "third": 3,
    "fifth": 5,
    "eighth": 8,
    "ninth": 9,
    "twelfth": 12,
    "twentieth": 20,
    "thirtieth": 30,
    "hundredth": 100,
}

CHINESE = {char: at for at, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "俩": 2}
CHINESE_SCALES = {"十": 10, "百": 100, "千": 1_000}
CHINESE_MYRIADS = {"万": 10_000, "亿": 100_000_000}
HAN_NUMERALS = CHINESE.keys() | CHINESE_SCALES.keys() | CHINESE_MYRIADS.keys()
# Longer numbers in words are read in parts: nobody writes them, and sums of them would grow without end.
PIECES_MAX = 24


def number_at(pieces: Sequence[Piece], at: int) -> tuple[list[str], int]:
    """The numbers that are written in words from one piece on, and how many pieces they take; nothing and 0 for none."""
    if pieces[at].form is Form.WORD:
        return _english(pieces, at)
    if pieces[at].form is Form.HAN:
        return _chinese(pieces, at)
    return [], 0


def _english(pieces: Sequence[Piece], at: int) -> tuple[list[str], int]:
    whole = part = 0
    end = at
    while end < len(pieces) and end - at < PIECES_MAX:
        word = pieces[end].text
        if word in ENGLISH:
            value = ENGLISH[word]
            # `nineteen eighty` and `one two` are two numbers, `eighty four` is one.
            if end > at and (part % 100 != 0 and not (part % 100 >= 20 and part % 10 == 0 and 0 < value < 10)):
                break
            part += value
        elif word in ENGLISH_SCALES and end > at:
            scale = ENGLISH_SCALES[word]
            if scale == 100:
                part *= scale
            else:
                whole, part = whole + part * scale, 0
        elif word in ORDINALS and (end == at or part % 10 == 0):
            return [f"#{whole + part + ORDINALS[word]}"], end + 1 - at
        elif word != "and" or end == at or not _goes_on(pieces, end + 1, part):
            break
        end += 1
    return ([str(whole + part)], end - at) if end > at else ([], 0)


def _goes_on(pieces: Sequence[Piece], at: int, part: int) -> bool:
    """Whether `and` is inside a number: `one hundred and five`, but not `two and three`."""
    return part % 100 == 0 and part > 0 and at < len(pieces) and pieces[at].text in ENGLISH


def _chinese(pieces: Sequence[Piece], at: int) -> tuple[list[str], int]:
    ordinal = pieces[at].text == "第"
    start = at + ordinal
    if "".join(piece.text for piece in pieces[at : at + 3]) == "百分之":
        value, length = _numeral(pieces, at + 3)
        return ([value, "%"], length + 3) if length else ([], 0)
    value, length = _numeral(pieces, start)
    if not length:
        return [], 0
    end = start + length
    if "".join(piece.text for piece in pieces[end : end + 2]) == "分之":
        upper, more = _numeral(pieces, end + 2)
        if more:
            return [f"{upper}/{value}"], end + 2 + more - at
    return [f"#{value}" if ordinal else value], end - at


def _numeral(pieces: Sequence[Piece], at: int) -> tuple[str, int]:
    """A Chinese numeral, or digits, and its length."""
    if at < len(pieces) and pieces[at].form is Form.NUMBER:
        return pieces[at].text, 1
    end = at
    while end < len(pieces) and end - at < PIECES_MAX and pieces[end].text in HAN_NUMERALS:
        end += 1
    chars = "".join(piece.text for piece in pieces[at:end])
    if not chars:
        return "", 0
    if all(char in CHINESE for char in chars) and len(chars) > 1:
        # Digit by digit, as years are: 二〇二四.
        return "".join(str(CHINESE[char]) for char in chars), len(chars)
    return str(_value(chars)), len(chars)


def _value(chars: str) -> int:
    whole = part = digit = 0
    for char in chars:
        if char in CHINESE:
            digit = CHINESE[char]
        elif char in CHINESE_SCALES:
            part += (digit or 1) * CHINESE_SCALES[char]
            digit = 0
        else:
            whole = (whole + part + digit or 1) * CHINESE_MYRIADS[char]
            part = digit = 0
    return whole + part + digit
