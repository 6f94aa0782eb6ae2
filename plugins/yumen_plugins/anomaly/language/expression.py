"""The language of `when:`, read into a tree of typed comparisons.

    or          a or b
    and         a and b
    not         not a
    comparison  FACT OP CONSTANT | CONSTANT OP FACT | FACT [not] in [CONSTANT, ...] | FACT | ( or )

OP is one of `==`, `!=`, `<`, `<=`, `>` and `>=`. A constant is a number (`0.5`, `10_000`), a text between double or single
quotation marks, or true or false. Facts that count seconds or milliseconds are compared with durations (`90s`, `5m`, `2h`,
`1d`), those that count bytes with sizes (`10kB`, `1MB`, `1GB`), and shares with percentages (`25%`).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from yumen_plugins.anomaly.language.conditions import (
    AllOf,
    AnyOf,
    Comparison,
    Expression,
    FactType,
    Flag,
    Membership,
    Node,
    Operator,
    join,
)
from yumen_plugins.anomaly.language.lexer import ExpressionError, Token, shown, tokens
from yumen_plugins.anomaly.language.literals import number, text_constant

__all__ = ["ExpressionError", "parse"]

NESTING_MAX = 32
COMPARISONS_MAX = 64
LIST_MAX = 256
# Looking for the nearest name takes time by its length; no fact's is longer.
NAME_MAX = 100

OPERATORS: Mapping[str, Operator] = {"==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
MIRRORED: Mapping[Operator, Operator] = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
KEYWORDS = frozenset(("and", "or", "not", "in", "true", "false"))


def parse(text: str, facts: Mapping[str, FactType]) -> Expression:
    """Read a condition over known facts. Error: `ExpressionError`, and nothing else whatever the text."""
    reader = _Reader(tokens(text), facts)
    root = reader.either(negated=False)
    reader.end()
    return Expression(root)


class _Reader:
    """Goes through the tokens once. `negated`: whether a `not` stands before what is read."""

    def __init__(self, read: list[Token], facts: Mapping[str, FactType]) -> None:
        self._tokens = read
        self._at = 0
        self._facts = facts
        self._depth = 0
        self._comparisons = 0

    def either(self, negated: bool) -> Node:
        parts = [self._both(negated)]
        while self._next_is("or"):
            parts.append(self._both(negated))
        return join(AllOf if negated else AnyOf, parts)

    def end(self) -> None:
        token = self._token
        if token.kind == "end":
            return
        if token.is_sign(")", "]"):
            raise ExpressionError(token.column, f"`{token.text}` closes what nothing opened", "remove it")
        fix = "join conditions with `and` or `or`"
        raise _unexpected(token, "the condition is over here", _small_letters(token) or fix)

    def _both(self, negated: bool) -> Node:
        parts = [self._negation(negated)]
        while self._next_is("and"):
            parts.append(self._negation(negated))
        return join(AnyOf if negated else AllOf, parts)

    def _negation(self, negated: bool) -> Node:
        while self._next_is("not"):
            negated = not negated
        opening = self._token
        if not self._next_is("("):
            return self._leaf(negated)
        self._depth += 1
        if self._depth > NESTING_MAX:
            raise ExpressionError(opening.column, f"parentheses more than {NESTING_MAX} deep", "make two rules of it")
        inner = self.either(negated)
        if not self._next_is(")"):
            raise _unexpected(
                self._token, "a closing parenthesis is missing", f"close the one of column {opening.column}"
            )
        self._depth -= 1
        return inner

    def _leaf(self, negated: bool) -> Comparison | Membership | Flag:
        self._comparisons += 1
        if self._comparisons > COMPARISONS_MAX:
            column = self._token.column
            raise ExpressionError(column, f"more than {COMPARISONS_MAX} comparisons", "make two rules of it")
        left = self._operand()
        after = self._token
        if after.kind == "sign" and after.text in OPERATORS:
            self._at += 1
            leaf = self._compared(left, OPERATORS[after.text], self._operand())
            self._no_chain()
            return leaf.opposite() if negated else leaf
        if after.is_sign("in", "not"):
            member = self._membership(left)
            return member.opposite() if negated else member
        name, fact = self._fact(left)
        if fact.type != "bool":
            raise ExpressionError(
                left.column, f"{shown(name)} is a {fact.type}, no condition", "compare it with a constant"
            )
        return Flag(name, not negated)

    def _compared(self, left: Token, operator: Operator, right: Token) -> Comparison | Flag:
        if _is_constant(left):
            if _is_constant(right):
                raise ExpressionError(left.column, "both sides are constants", "name a fact on one side")
            left, operator, right = right, MIRRORED[operator], left
        elif not _is_constant(right):
            self._meant_as_text(left, right)
            self._fact(right)
            raise ExpressionError(right.column, "two facts are compared", "compare a fact with a constant")
        name, fact = self._fact(left)
        if fact.type == "bool":
            return _flag(name, operator, right)
        if fact.type == "text":
            if operator not in ("==", "!="):
                fix = "use `==`, `!=`, `in` or `not in`"
                raise ExpressionError(left.column, f"{shown(name)} is a text, and texts have no order", fix)
            return Comparison(name, operator, text_constant(name, fact, right))
        return Comparison(name, operator, number(name, fact, right))

    def _membership(self, left: Token) -> Membership:
        inside = not self._next_is("not")
        if not self._next_is("in"):
            raise _unexpected(
                self._token, "`in` is missing after `not`", "write `not in`, or `and not` for a new condition"
            )
        if _is_constant(left):
            raise ExpressionError(left.column, "a constant stands before `in`", "name a fact there")
        name, fact = self._fact(left)
        if fact.type == "bool":
            raise ExpressionError(left.column, f"{shown(name)} is true or false", "let it stand alone, without `in`")
        listed = self._list()
        if fact.type == "text":
            return Membership(name, inside, tuple(sorted({text_constant(name, fact, one) for one in listed})))
        return Membership(name, inside, tuple(sorted({number(name, fact, one) for one in listed})))

    def _list(self) -> list[Token]:
        if not self._next_is("["):
            raise _unexpected(self._token, "no list after `in`", 'write constants between brackets: `["a", "b"]`')
        listed = [self._constant()]
        while self._next_is(","):
            listed.append(self._constant())
            if len(listed) > LIST_MAX:
                raise ExpressionError(
                    listed[-1].column, f"more than {LIST_MAX} constants in a list", "make two lists of it"
                )
        if not self._next_is("]"):
            raise _unexpected(self._token, "the list is not closed", "put `,` between constants and `]` at the end")
        return listed

    def _constant(self) -> Token:
        token = self._token
        if not _is_constant(token):
            raise _unexpected(token, "a constant is missing", "write a number, or a text between quotation marks")
        self._at += 1
        return token

    def _operand(self) -> Token:
        token = self._token
        if token.kind in ("sign", "end") or token.is_sign("and", "or", "not", "in"):
            raise _unexpected(token, "a condition is missing", "name a fact, and what it is compared with")
        self._at += 1
        return token

    def _fact(self, token: Token) -> tuple[str, FactType]:
        name = token.text
        if _is_constant(token):
            raise ExpressionError(token.column, "a constant stands alone", "compare a fact with it")
        known = self._facts.get(name)
        if known is not None:
            return name, known
        if fix := _small_letters(token):
            raise ExpressionError(token.column, f"{shown(name)} is no fact", fix)
        near = difflib.get_close_matches(name[:NAME_MAX], self._facts, n=1, cutoff=0)
        fix = f"the nearest is `{near[0]}`" if near else "there are none"
        raise ExpressionError(token.column, f"there is no fact {shown(name)}", fix)

    def _meant_as_text(self, left: Token, right: Token) -> None:
        fact = self._facts.get(left.text)
        if fact is not None and fact.type == "text" and right.text not in self._facts:
            fix = f'put quotation marks around a text: "{right.text[:NAME_MAX]}"'
            raise ExpressionError(right.column, f"there is no fact {shown(right.text)}", fix)

    def _no_chain(self) -> None:
        token = self._token
        if token.kind == "sign" and token.text in OPERATORS:
            fix = "compare twice: `1 < x and x < 5`"
            raise ExpressionError(token.column, "a comparison goes on after its second side", fix)

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _next_is(self, sign: str) -> bool:
        if self._token.is_sign(sign):
            self._at += 1
            return True
        return False


def _is_constant(token: Token) -> bool:
    return token.kind in ("number", "text") or token.is_sign("true", "false")


def _small_letters(token: Token) -> str:
    """The advice for a word of the language in capitals, or nothing."""
    small = token.text.lower()
    return (
        f"write `{small}` in small letters"
        if token.kind == "word" and small in KEYWORDS and token.text != small
        else ""
    )


def _flag(name: str, operator: Operator, constant: Token) -> Flag:
    if not constant.is_sign("true", "false"):
        what = f"{shown(name)} is true or false, and is compared with something else"
        raise ExpressionError(constant.column, what, "let it stand alone, or put `not` before it")
    if operator not in ("==", "!="):
        raise ExpressionError(
            constant.column, f"{shown(name)} has no order", "let it stand alone, or put `not` before it"
        )
    return Flag(name, (constant.text == "true") == (operator == "=="))


def _unexpected(token: Token, what: str, fix: str) -> ExpressionError:
    found = "the end" if token.kind == "end" else "a text" if token.kind == "text" else shown(token.text)
    return ExpressionError(
        token.column, f"{what}, before {found}" if token.kind != "end" else f"{what} at {found}", fix
    )
