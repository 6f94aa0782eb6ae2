"""Numbers that are not written in plain digits: 一三八一二三四五六七八, 138①②③④5678, 138l2345678.

Such characters are words and letters anywhere else, so they are read as digits in long numbers alone: seven digits at least,
with one blank or hyphen between two of them at most. What stands at the edge of a number that is complete without it is not
of it: `周五13812345678`, `13812345678²`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection

from yumen_plugins.anonymize.characters import LOOKALIKES, NUMERALS
from yumen_plugins.anonymize.sets import members, over_bytes

DIGITS_MIN = 7
# A number of so many digits is complete.
COMPLETE_MIN = 11
# Numbers that one or two characters at an edge may be needed for: mobile phones, bank cards, identity cards.
LENGTHS = frozenset({11, 15, 16, 18, 19})
EDGE_MAX = 2
# How many letters in a row are read as digits, and how many real digits there must be.
LETTERS_MAX, REAL_MIN = 3, 6
ASCII_LETTERS = "IOlo"
HAN_FIRST, HAN_LAST = 0x4E00, 0x9FFF
FOREIGN = {code: digit for code, digit in LOOKALIKES.items() if code > 127}
# Plain digits that may be a number by themselves.
LONG = re.compile(f"[0-9](?:[ -]?[0-9]){{{DIGITS_MIN - 1}}}")
# A letter of the scripts whose letters are taken for digits.
LETTER = "[A-Za-zÀ-ÖØ-öø-ˮͰ-ͽͿΆΈ-ҁҊ-ֆ]"
_IS_LETTER = re.compile(LETTER).match


class Numbers:
    """Spells numbers plainly, in as many characters as they had.

    `ascii_too` and `beyond_ascii` are expressions over UTF-8 bytes: where none matches there is nothing to do.
    """

    def __init__(self, *, numerals: bool, lookalikes: bool) -> None:
        words = NUMERALS if numerals else {}
        letters = LOOKALIKES if lookalikes else {}
        self.ascii_too = [_letters(f"[{ASCII_LETTERS}]")] if lookalikes else []
        self.beyond_ascii = [_foreign(over_bytes(FOREIGN))] if lookalikes else []
        if numerals:
            self.beyond_ascii.append(_words(_widely(NUMERALS)))
        self._table = {**words, **letters}
        if not self._table:
            return
        word, letter = (f"[{members(codes)}]" if codes else "(?!)" for codes in (words, letters))
        plain = f"[0-9{members(words)}]"
        # Letters of a word are none of a number beside it: `tel 138…`, `138… label`.
        either = f"(?:{plain}|(?<!{LETTER}){letter}{{1,{LETTERS_MAX}}}(?!{LETTER}))" if letters else plain
        self._run = re.compile(f"{either}(?:[ -]?{either}){{{DIGITS_MIN - LETTERS_MAX},}}+")
        self._odd = re.compile(f"[{members(self._table)}]")
        self._group = re.compile(
            "|".join(
                f"(?P<{name}>{one}(?:[ -]?{one})*+)"
                for name, one in (("digit", "[0-9]"), ("word", word), ("letter", letter))
            )
        )
        self._letter, self._word = re.compile(letter), re.compile(word)
        self._beside = re.compile(f"(?:[0-9]|{word}){{3}}{letter}|{letter}(?:[0-9]|{word}){{3}}")

    def spell(self, text: str) -> str:
        """The text with its numbers in digits."""
        if not self._table or (text.isascii() and not self.ascii_too):
            return text
        return self._run.sub(self._plain, text)

    def needed(self, text: str) -> bool:
        """Whether there is a number in a text that has to be spelt otherwise."""
        if not self._table or (text.isascii() and not self.ascii_too):
            return False
        return any(self._plain(match) != match[0] for match in self._run.finditer(text))

    def _plain(self, match: re.Match[str]) -> str:
        run = match[0]
        if self._odd.search(run) is None:
            return run
        letters = len(self._letter.findall(run))
        real = len(run) - run.count(" ") - run.count("-") - letters
        inside = letters > 0 and self._believed(match, letters, real)
        if real + (letters if inside else 0) < DIGITS_MIN or (
            letters and not inside and self._word.search(run) is None
        ):
            return run
        if (not letters or (inside and run[0].isdecimal() and run[-1].isdecimal())) and LONG.search(run) is None:
            return run.translate(self._table)
        groups = [_Group(one, one.lastgroup == "digit") for one in self._group.finditer(run)]
        for index, group in enumerate(groups):
            # Letters that are no digits take no part.
            group.may = not group.digits and (group.kind == "word" or (inside and group.size <= LETTERS_MAX))
            group.edge = index in (0, len(groups) - 1)
        _decide(groups, run)
        return "".join(_respelt(groups, run, self._table))

    def _believed(self, match: re.Match[str], letters: int, real: int) -> bool:
        """Whether letters in this number are digits: few, three digits beside one, and no word goes on at its ends."""
        text, (start, end) = match.string, match.span()
        return (
            real >= REAL_MIN
            and 2 * letters <= real
            and not _IS_LETTER(text[start - 1 : start])
            and not _IS_LETTER(text[end : end + 1])
            and self._beside.search(match[0]) is not None
        )


class _Group:
    """Characters of one kind in a number; `count` is that of the digits in a row that it belongs to."""

    __slots__ = ("count", "digits", "edge", "end", "kind", "may", "size", "start")

    def __init__(self, match: re.Match[str], digits: bool) -> None:
        self.start, self.end = match.span()
        self.kind = match.lastgroup
        self.digits = digits
        self.size = self.count = len(match[0]) - match[0].count(" ") - match[0].count("-")
        self.may = self.edge = False


def _decide(groups: list[_Group], run: str) -> None:
    """Mark as digits what is read as such: inside first, and then what at the edges the number needs."""
    plain = [group.count if group.digits else 0 for group in groups]
    for index, group in enumerate(groups):
        if group.may and not group.edge:
            group.digits = max(plain[index - 1], plain[index + 1]) < COMPLETE_MIN and _touches(groups, index, run)
    for index in dict.fromkeys((0, len(groups) - 1)):
        group = groups[index]
        if group.may and not group.digits:
            count = _count(groups, 1 if index == 0 else -2, 1 if index == 0 else -1)
            group.digits = _completes(group, count, groups, index, run)


def _completes(group: _Group, count: int, groups: list[_Group], index: int, run: str) -> bool:
    """Whether a group at an edge belongs to the `count` digits beside it."""
    if count == 0:
        return group.kind == "word" and group.size >= DIGITS_MIN
    if count >= COMPLETE_MIN:
        return False
    if group.kind == "letter" or (group.size <= EDGE_MAX and count >= DIGITS_MIN):
        return group.size <= EDGE_MAX and count + group.size in LENGTHS and _touches(groups, index, run)
    return True


def _count(groups: list[_Group], first: int, step: int) -> int:
    """The digits in a row from one group on."""
    count = 0
    index = first if first >= 0 else len(groups) + first
    while 0 <= index < len(groups) and groups[index].digits:
        count += groups[index].count
        index += step
    return count


def _touches(groups: list[_Group], index: int, run: str) -> bool:
    """Whether a group stands directly beside digits; numerals may stand by themselves."""
    group = groups[index]
    if group.kind == "word" and not group.edge:
        return True
    before = index > 0 and groups[index - 1].end == group.start and groups[index - 1].kind != group.kind
    behind = index + 1 < len(groups) and groups[index + 1].start == group.end
    return before or behind


def _respelt(groups: list[_Group], run: str, table: dict[int, str]) -> list[str]:
    parts: list[str] = []
    position = 0
    for group in groups:
        piece = run[group.start : group.end]
        parts += [run[position : group.start], piece.translate(table) if group.digits else piece]
        position = group.end
    return parts


def _letters(letter: str) -> str:
    """Letters inside a number with three digits beside one, or at the edge of one that is long.

    All in one expression: apart they are read several times as slowly.
    """
    inside = f"[0-9](?:[0-9]{{2}}{letter}[{ASCII_LETTERS} -]*|[{ASCII_LETTERS} -]*{letter}[0-9]{{2}})[0-9]"
    return f"{inside}|(?:[0-9][ -]?){{8}}[0-9]{letter}|{letter}[0-9](?:[ -]?[0-9]){{8}}"


def _foreign(letter: str) -> str:
    return f"[0-9]{{2}}{letter}|{letter}[0-9]{{2}}"


def _words(word: str) -> str:
    """A numeral in a number of seven: the first of five, the last of five, or between three and three."""
    one = f"(?:[0-9]|{word})"
    return f"{word}(?:[ -]?{one}){{4}}|(?:{one}[ -]?){{4}}{word}|(?:{one}[ -]?){{3}}{word}(?:[ -]?{one}){{3}}"


def _widely(codes: Collection[int]) -> str:
    """These code points in UTF-8; of Han characters also others with the same first byte and bytes of theirs behind it.

    That keeps the automaton small, and five of them in a row are still rare.
    """
    forms: defaultdict[int, list[bytes]] = defaultdict(list)
    for code in codes:
        if HAN_FIRST <= code <= HAN_LAST:
            forms[chr(code).encode()[0]].append(chr(code).encode())
    han = ["".join(_any({form[place] for form in same}) for place in range(3)) for same in forms.values()]
    return f"(?:{'|'.join(han)}|{over_bytes(code for code in codes if not HAN_FIRST <= code <= HAN_LAST)})"


def _any(values: set[int]) -> str:
    return "[" + "".join(f"\\x{value:02x}" for value in sorted(values)) + "]"
