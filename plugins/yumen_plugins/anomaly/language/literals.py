"""What the constants of a condition mean beside their fact: units, bounds, and the texts that a fact can be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from decimal import Decimal

from yumen_plugins.anomaly.language.conditions import NUMBER_MAX, SCALE, TEXT_MAX, FactType, clean_text
from yumen_plugins.anomaly.language.lexer import ExpressionError, Token, shown

# For each unit of facts the suffixes of constants, and what one of them is in that unit.
SUFFIXES: Mapping[str, Mapping[str, Decimal]] = {
    "s": {"s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)},
    "ms": {
        "ms": Decimal(1),
        "s": Decimal(1000),
        "m": Decimal(60_000),
        "h": Decimal(3_600_000),
        "d": Decimal(86_400_000),
    },
    "bytes": {"kB": Decimal(10) ** 3, "MB": Decimal(10) ** 6, "GB": Decimal(10) ** 9},
    "share": {"%": Decimal("0.01")},
}
NUMBER = re.compile(r"(-?)([0-9]+(?:_[0-9]+)*)(?:\.([0-9]+(?:_[0-9]+)*))?(%|[A-Za-z]+)?")
DECIMALS = 6
# More digits than that are either too large or too fine, and need not be read.
DIGITS_MAX = 24
LISTED_MAX = 8


def number(name: str, fact: FactType, token: Token) -> int:
    """A number in millionths. Error: `ExpressionError` where it is none, of another unit, or never reached."""
    column = token.column
    if token.kind != "number":
        found = "a text" if token.kind == "text" else f"`{token.text}`"
        raise ExpressionError(
            column, f"{shown(name)} is a number, and is compared with {found}", "compare it with a number"
        )
    match = NUMBER.fullmatch(token.text)
    if match is None:
        raise ExpressionError(column, f"{shown(token.text)} is no number", "write it like `120`, `0.25` or `10_000`")
    sign, whole, part, suffix = match.groups()
    digits = f"{sign}{whole}.{part or 0}".replace("_", "")
    if len(digits) > DIGITS_MAX:
        raise ExpressionError(column, f"{shown(token.text)} has too many digits", f"write at most {DECIMALS} decimals")
    value = Decimal(digits) * _factor(name, fact, token, suffix)
    scaled = value * SCALE
    if scaled != scaled.to_integral_value():
        raise ExpressionError(column, f"{shown(token.text)} is too fine", f"write at most {DECIMALS} decimals")
    if abs(value) > NUMBER_MAX:
        raise ExpressionError(column, f"{shown(token.text)} is too large", f"stay below {NUMBER_MAX:_}")
    if fact.maximum is not None and value > Decimal(str(fact.maximum)):
        what = f"{shown(name)} is never above {fact.maximum:g}"
        raise ExpressionError(column, what, "compare it with a smaller number, or remove the comparison")
    return int(scaled)


def text_constant(name: str, fact: FactType, token: Token) -> str:
    """A text that the fact can be. Error: `ExpressionError` where it is none, or cannot be."""
    column, text = token.column, token.text
    if token.kind != "text":
        fix = f'put quotation marks around it: "{text}"' if len(text) <= TEXT_MAX else "put quotation marks around it"
        raise ExpressionError(column, f"{shown(name)} is a text, and is compared with {shown(text)}", fix)
    if not clean_text(text):
        what = f"a text of more than {TEXT_MAX} characters, or with characters that no fact has"
        raise ExpressionError(column, what, "make it shorter, without NUL and halves of surrogate pairs")
    if fact.values is not None and text not in fact.values:
        raise ExpressionError(column, f"{shown(name)} is never {shown(text)}", _instead(text, fact.values))
    return text


def _factor(name: str, fact: FactType, token: Token, suffix: str | None) -> Decimal:
    if suffix is None:
        return Decimal(1)
    known = SUFFIXES.get(fact.unit, {})
    if suffix in known:
        return known[suffix]
    what = f"{shown(token.text)}: {shown(name)} is not counted in `{suffix[:16]}`"
    if known:
        raise ExpressionError(token.column, what, f"use one of: {', '.join(known)}")
    raise ExpressionError(token.column, what, f"write a plain number{f' of {fact.unit}' if fact.unit else ''}")


def _instead(text: str, values: frozenset[str]) -> str:
    near = difflib.get_close_matches(text, sorted(values), n=1)
    if near:
        return f'write "{near[0]}"'
    listed = ", ".join(f'"{one}"' for one in sorted(values)[:LISTED_MAX])
    return f"use one of: {listed}{', …' if len(values) > LISTED_MAX else ''}"
