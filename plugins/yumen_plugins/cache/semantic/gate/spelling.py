"""A question in small pieces: Latin words, Han characters one by one, numbers, and what is compared letter by letter."""

from __future__ import annotations

import re
import unicodedata
from enum import Enum
from typing import NamedTuple

from yumen_plugins.cache.semantic.gate.stems import stem

LITERAL_MAX = 200
# Invisible characters that keyboards, editors and pages leave behind: hyphens and edges of words, joiners, directions. No
# others are passed over, nor are many of these: the tags of U+E0000 spell whole sentences that an engine reads and no person
# sees, and so may zeros and ones of no width.
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
INVISIBLE_MAX = 16


class Form(Enum):
    """What a piece is."""

    WORD = "word"
    HAN = "han"
    NUMBER = "number"
    # Compared letter by letter: what stands in quotes, code, addresses, product codes, placeholders of masked values.
    LITERAL = "literal"
    # A word in any other script: no ending of it is known.
    FOREIGN = "foreign"
    SYMBOL = "symbol"


class Piece(NamedTuple):
    """`text` is in lower case but for literals; `stem` is that of an English word, or `text`.

    `name`: written with a capital where an ordinary word would have none. `acronym`: in capitals amid others.
    """

    form: Form
    text: str
    stem: str
    name: bool = False
    acronym: bool = False


HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
# Each alternative is bounded or takes every character once, so that no text makes this slow.
PIECES = re.compile(
    rf"""
    (?P<placeholder><[^<>\s]{{1,80}}>|\[[A-Z][^\[\]\s]{{0,80}}\]|\*{{2,}}[0-9A-Za-z]*)
  | (?P<url>[A-Za-z][A-Za-z+.-]{{0,15}}://[^\s，。、；！？“”"<>{HAN}]+)
  | (?P<quoted>`[^`]{{1,{LITERAL_MAX}}}`|"[^"]{{1,{LITERAL_MAX}}}"|“[^”]{{1,{LITERAL_MAX}}}”|‘[^’]{{1,{LITERAL_MAX}}}’
      |「[^」]{{1,{LITERAL_MAX}}}」|『[^』]{{1,{LITERAL_MAX}}}』|《[^》]{{1,{LITERAL_MAX}}}》
      |(?<![{LATIN}0-9])'[^']{{1,{LITERAL_MAX}}}'(?![{LATIN}0-9]))
  | (?P<short>[{LATIN}]+'[{LATIN}]{{1,3}}(?![{LATIN}0-9]))
  | (?P<sharp>[A-Za-z](?:\+\+|\#)(?![{LATIN}0-9]))
  | (?P<plain>[{LATIN}0-9]+(?:[.,:/@_+-][{LATIN}0-9]+)*)
  | (?P<han>[{HAN}])
  | (?P<foreign>[^\W\d_]+)
  | (?P<operator>-(?=[ ]?[0-9])|(?<=[ ])/(?=[ ]))
  | (?P<symbol>[^\s.,!?;:，。！？；：、…"'“”‘’()（）\[\]【】{{}}《》「」—–·_/\\`-])
    """,
    re.VERBOSE,
)
NUMBER = re.compile(r"[0-9]+(?:[.,:/-][0-9]+)*")
THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
WITH_UNIT = re.compile(rf"([0-9]+(?:[.,][0-9]+)*)-?([{LATIN}]+)")
ORDINAL = re.compile("([0-9]+)(?:st|nd|rd|th)")
WORDS = re.compile(rf"[{LATIN}]+(?:[-/][{LATIN}]+)*")
LETTERS = re.compile(f"[{LATIN}]+")
# `what's` and the like are no owners.
IS = frozenset({"what", "who", "where", "when", "how", "why", "it", "that", "there", "here", "let", "he", "she"})
ENDINGS = {"s": "'s", "m": "am", "d": "would", "ve": "have", "re": "are", "ll": "will"}
IRREGULAR = {"can't": ("can", "not"), "won't": ("will", "not"), "shan't": ("shall", "not"), "ain't": ("is", "not")}
APOSTROPHE = re.compile(r"(?<=\w)[’ʼ](?=\w)")
# Ends a sentence, so that a capital behind it says nothing.
STOP = frozenset(".!?。！？:：\n")


def plain(text: str) -> str:
    """One spelling of what reads the same: full-width and compatibility forms (NFKC), apostrophes, few unseen characters."""
    if text.isascii() and text.isprintable():
        return text
    composed = unicodedata.normalize("NFKC", text)
    if not composed.isprintable():
        visible, passed_over = INVISIBLE.subn("", composed)
        composed = visible if passed_over <= INVISIBLE_MAX else composed
    return APOSTROPHE.sub("'", composed)


def pieces(text: str) -> list[Piece]:
    """The pieces of a text that `plain` has made, in their order. Never raises."""
    shouted = text.isascii() and text.isupper()
    found: list[Piece] = []
    for match in PIECES.finditer(text):
        kind = match.lastgroup
        said = match[0]
        if kind == "plain":
            found += _plain(said, _begins(text, match.start()), shouted)
        elif kind == "short":
            found += _short(said, _begins(text, match.start()), shouted)
        elif kind == "han":
            found.append(Piece(Form.HAN, said, said))
        elif kind == "foreign":
            found.append(Piece(Form.FOREIGN, said.casefold(), said.casefold()))
        elif kind in ("symbol", "operator"):
            found.append(Piece(Form.SYMBOL, said, said))
        else:
            exact = said[1:-1].strip() if kind == "quoted" else said
            found.append(Piece(Form.LITERAL, exact, exact, name=True))
    return found


def _plain(said: str, begins: bool, shouted: bool) -> list[Piece]:
    if NUMBER.fullmatch(said):
        digits = said.replace(",", "") if THOUSANDS.fullmatch(said) else said
        return [Piece(Form.NUMBER, digits, digits)]
    ordinal = ORDINAL.fullmatch(said.lower())
    if ordinal is not None:
        return [Piece(Form.NUMBER, f"#{ordinal[1]}", f"#{ordinal[1]}")]
    amount = WITH_UNIT.fullmatch(said)
    if amount is not None:
        number, unit = amount.groups()
        return [*_plain(number, False, False), Piece(Form.WORD, unit.lower(), unit.lower(), name=True)]
    if WORDS.fullmatch(said):
        return [_word(word, begins and not at, shouted) for at, word in enumerate(LETTERS.findall(said))]
    return [Piece(Form.LITERAL, said.casefold(), said.casefold(), name=True)]


def _short(said: str, begins: bool, shouted: bool) -> list[Piece]:
    """`don't`, `what's`, `I'd`."""
    lower = said.lower()
    if lower in IRREGULAR:
        return [Piece(Form.WORD, word, word) for word in IRREGULAR[lower]]
    word, ending = said.split("'")
    if ending.lower() == "t" and lower.endswith("n't"):
        return [_word(word[:-1], begins, shouted), Piece(Form.WORD, "not", "not")]
    full = ENDINGS.get(ending.lower(), ending.lower())
    if full == "'s" and word.lower() in IS:
        full = ""
    first = _word(word, begins, shouted)
    return [first, Piece(Form.WORD, full, full)] if full else [first]


def _word(said: str, begins: bool, shouted: bool) -> Piece:
    lower = said.casefold()
    capital = said[0].isupper() and said != "I"
    # A letter by itself is a name, too: `swap A and B`.
    acronym = capital and said.isupper() and not shouted and (len(said) > 1 or not begins)
    return Piece(Form.WORD, lower, stem(lower), name=capital and not begins and not shouted, acronym=acronym)


def _begins(text: str, at: int) -> bool:
    before = text[max(0, at - 4) : at].rstrip(" ")
    return not before or before[-1] in STOP


def _is_han(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff"


def script(text: str) -> str:
    """The script that a question is written in: `han`, `latin`, or another's name; empty where there are no letters.

    Chinese that names Latin products is Chinese: a Han character counts as three letters, being about a word.
    """
    if text.isascii():
        return "latin" if LETTERS.search(text) else ""
    counts: dict[str, int] = {}
    for char in text:
        if char.isalpha():
            name = _script(char)
            counts[name] = counts.get(name, 0) + (3 if name == "han" else 1)
    for first in ("kana", "hangul"):
        if first in counts:
            return first
    return max(counts, key=lambda name: (counts[name], name), default="")


def _script(char: str) -> str:
    if char < "\u0250":
        return "latin"
    if _is_han(char) or char == "\u3007" or "\uf900" <= char <= "\ufaff" or char >= "\U00020000":
        return "han"
    if "\u3040" <= char <= "\u30ff":
        return "kana"
    if "\uac00" <= char <= "\ud7af" or "\u1100" <= char <= "\u11ff":
        return "hangul"
    return unicodedata.name(char, "unknown").split(" ")[0].lower()
