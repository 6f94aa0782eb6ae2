"""What a question says, mark by mark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from yumen_plugins.cache.semantic.gate.lexicon import NEGATION, SAME, Mark, lexicon
from yumen_plugins.cache.semantic.gate.numerals import number_at
from yumen_plugins.cache.semantic.gate.spelling import Form, Piece, pieces, plain, script

# Kinds of marks that no file of the lexicon is about.
NUMBER, UNIT, DATE, WORD, NAME, HAN, SYMBOL = "number", "unit", "date", "word", "name", "han", "symbol"
# An acronym is none of the words of these kinds that it is spelt like: IT, US, WHO, NOT.
SMALL = frozenset({"question", "role", "person", "negation", "quantifier", "modality", "tense"})
ISO_DATE = re.compile("([12][0-9]{3})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")
PERCENT = Mark(UNIT, "percent")
PAST = Mark("tense", "past")
MORNING = Mark(DATE, "morning")


@dataclass(frozen=True, slots=True)
class Gist:
    """What a question says: the script that it is written in, and its marks in their order."""

    script: str
    marks: tuple[Mark, ...]


def read(question: str) -> Gist:
    """What a question says. In time proportional to its length; never raises."""
    text = plain(question)
    return Gist(script(text), tuple(_marks(pieces(text))))


def _marks(found: Sequence[Piece]) -> list[Mark]:
    marks: list[Mark] = []
    run: list[str] = []

    def ended() -> None:
        """Han characters that the lexicon does not know stay together."""
        if run:
            marks.append(Mark(HAN, "".join(run)))
            run.clear()

    at = 0
    while at < len(found):
        known, length = _known(found, at)
        if length:
            ended()
            marks += known
            if any(_ends_in_ed(piece) for piece in found[at : at + length]):
                marks.append(PAST)
            at += length
        elif _either_or(found, at):
            # `贵不贵` is a question and no negation; of the word that stands twice, one is enough.
            if run:
                run.pop()
            ended()
            marks.append(Mark("question", "whether"))
            at += 1
        elif found[at].form is Form.HAN:
            run.append(found[at].text)
            at += 1
        else:
            ended()
            marks.append(_unknown(found[at]))
            if _ends_in_ed(found[at]):
                marks.append(PAST)
            at += 1
    ended()
    return marks


def _known(found: Sequence[Piece], at: int) -> tuple[Sequence[Mark], int]:
    """The marks of a phrase or number, whichever is longer."""
    marks, length = lexicon().find(found, at)
    if length == 1 and found[at].acronym and (not marks or marks[0].kind in SMALL):
        return (Mark(NAME, found[at].text),), 1
    if length == 1 and _either_or(found, at):
        return (), 0
    if found[at].text == "am" and at > 0 and found[at - 1].form is Form.NUMBER:
        return (MORNING,), 1
    date, taken = _date(found, at)
    if taken > length:
        return date, taken
    numbers, taken = number_at(found, at)
    if taken == 1 and numbers == ["1"] and found[at].form is Form.HAN and not length:
        # As an article, `一` goes without saying; `two` differs from it all the same.
        return (), 1
    # `second` is a number, although `seconds` has the same stem; `one` as an article is none.
    if taken > length or (taken == length > 0 and found[at].form is Form.WORD and numbers != ["1"]):
        return [PERCENT if value == "%" else Mark(NUMBER, value) for value in numbers], taken
    return marks, length


def _either_or(found: Sequence[Piece], at: int) -> bool:
    """Whether `不` or `没` stands between a character and the same one, as in `能不能`."""
    return found[at].text in ("不", "没") and 0 < at < len(found) - 1 and found[at - 1].text == found[at + 1].text


def _ends_in_ed(piece: Piece) -> bool:
    """Whether a word looks like a past one; `is charged` is both, and so agrees with either."""
    return piece.form is Form.WORD and len(piece.text) > 4 and piece.text.endswith("ed") and piece.text != piece.stem


def _date(found: Sequence[Piece], at: int) -> tuple[Sequence[Mark], int]:
    """2024-01-05, and 2024年1月5日."""
    if found[at].form is not Form.NUMBER:
        return (), 0
    match = ISO_DATE.fullmatch(found[at].text)
    if match is not None:
        return (_day(*match.groups()),), 1
    texts = [piece.text for piece in found[at : at + 6]]
    if len(texts) == 6 and texts[1::2] in (["年", "月", "日"], ["年", "月", "号"]):
        numbers = texts[::2]
        if all(number.isdecimal() for number in numbers):
            return (_day(*numbers),), 6
    return (), 0


def _day(year: str, month: str, day: str) -> Mark:
    return Mark(DATE, f"{year}-{month.lstrip('0')}-{day.lstrip('0')}")


def _unknown(piece: Piece) -> Mark:
    if piece.form is Form.NUMBER:
        return Mark(NUMBER, piece.text)
    if piece.form is Form.SYMBOL:
        return Mark(SYMBOL, piece.text)
    if piece.form is Form.WORD and not piece.name:
        return Mark(WORD, piece.stem)
    return Mark(NAME, piece.stem)


__all__ = ["DATE", "HAN", "NAME", "NEGATION", "NUMBER", "SAME", "SYMBOL", "UNIT", "WORD", "Gist", "read"]
