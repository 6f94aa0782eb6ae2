"""A condition taken apart into words, numbers, texts and signs."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal, TypeAlias

import msgspec

CHARS_MAX = 2000
SHOWN_MAX = 60

Kind: TypeAlias = Literal["word", "number", "text", "sign", "end"]

TOKEN = re.compile(
    r"""
    (?P<word>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)
  | (?P<number>-?[0-9][0-9_]*(?:\.[0-9_]+)?(?:%|[A-Za-z]+[A-Za-z0-9_]*)?)
  | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<sign>==|!=|<=|>=|&&|\|\||[<>=!()\[\],+*/%&|-])
    """,
    re.VERBOSE | re.DOTALL,
)
BLANK = re.compile(r"\s*")
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
ESCAPES = {"\\": "\\", '"': '"', "'": "'", "n": "\n", "t": "\t"}
INSTEAD = {"=": "==", "&&": "and", "&": "and", "||": "or", "|": "or", "!": "not"}
ARITHMETIC = frozenset("+-*/%")


class ExpressionError(ValueError):
    """What is wrong with a condition: in which column, counted in code points from 1, and what to do about it."""

    def __init__(self, column: int, what: str, fix: str) -> None:
        super().__init__(f"column {column}: {what}; {fix}")
        self.column = column
        self.what = what
        self.fix = fix


class Token(msgspec.Struct, frozen=True):
    """A piece of a condition. `text` is what is written there; of a text, what it says."""

    kind: Kind
    text: str
    column: int

    def is_sign(self, *signs: str) -> bool:
        """Whether it is one of these signs or words."""
        return self.kind in ("sign", "word") and self.text in signs


def tokens(text: str) -> list[Token]:
    """The pieces in order, an end last. Error: `ExpressionError` where something is none, or the whole is too long."""
    if len(text) > CHARS_MAX:
        raise ExpressionError(
            CHARS_MAX + 1, f"the condition is longer than {CHARS_MAX} characters", "make two rules of it"
        )
    found: list[Token] = []
    at = _blanks(text, 0)
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise _stray(text[at], at + 1)
        piece = match.group()
        if match.lastgroup == "word":
            found.append(Token("word", piece, at + 1))
        elif match.lastgroup == "number":
            found.append(Token("number", piece, at + 1))
        elif match.lastgroup == "text":
            found.append(Token("text", _said(piece, at + 1), at + 1))
        else:
            found.append(_sign(piece, at + 1))
        at = _blanks(text, match.end())
    found.append(Token("end", "", len(text) + 1))
    return found


def shown(text: str) -> str:
    """A piece of the condition for a message, cut where it is long."""
    return f"`{text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + '…'}`"


def _blanks(text: str, at: int) -> int:
    match = BLANK.match(text, at)
    return match.end() if match else at


def _sign(sign: str, column: int) -> Token:
    if sign in INSTEAD:
        raise ExpressionError(column, f"`{sign}` is not known here", f"write `{INSTEAD[sign]}`")
    if sign in ARITHMETIC:
        raise ExpressionError(column, f"`{sign}`: conditions do not calculate", "compare a fact with a constant")
    return Token("sign", sign, column)


def _stray(char: str, column: int) -> ExpressionError:
    if char in "\"'":
        return ExpressionError(column, "a text begins here and does not end", f"add a closing {char}")
    plain = unicodedata.normalize("NFKC", char)
    if char in "“”„«»「」『』":
        return ExpressionError(column, f"`{char}` is no quotation mark here", 'write `"`')
    if char in "‘’":
        return ExpressionError(column, f"`{char}` is no quotation mark here", "write `'`")
    if plain != char and plain.isascii() and plain.isprintable():
        return ExpressionError(column, f"`{char}` is a full-width sign", f"write `{plain}`")
    name = f"`{char}`" if char.isprintable() else f"U+{ord(char):04X}"
    return ExpressionError(column, f"{name} means nothing here", "remove it, or put texts between quotation marks")


def _said(quoted: str, column: int) -> str:
    def one(match: re.Match[str]) -> str:
        char = match.group(1)
        if char not in ESCAPES:
            at = column + 1 + match.start()
            raise ExpressionError(at, "an escape that is not known", r"write `\\` for a backslash; else \" \' \n \t")
        return ESCAPES[char]

    return ESCAPE.sub(one, quoted[1:-1])
