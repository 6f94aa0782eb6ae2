"""The one pass of hyperscan that says which detectors could find anything at all.

Built-in detectors bring an expression for it. For a pattern that an author wrote, which is RE2's, one is made here. It finds
at least what RE2 finds, in one text or in several that are scanned together, and may find more: edges of texts and lines are
left out, and whatever the two engines might read differently becomes "any character". A pattern that holds something else
has no such expression, and is looked for every time.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import hyperscan

from yumen_plugins.anonymize.kept_automata import kept, made

LAST_ASCII = 0x7F
KEPT_MAX = 32
# Beyond this many repeats "at least so many" says enough, and keeps the automaton small.
REPEAT_MAX = 32
ANY = r"[\x{0}-\x{10ffff}]"
DIGIT, SPACE, WORD = "0-9", r"\x09\x0a\x0c\x0d\x20", "0-9A-Za-z_"
CONTROLS = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11}
# What stands for one character: a number, a control character, or a sign that means something else without its backslash.
ESCAPE = r"\\(?:x[0-9A-Fa-f]{2}|x\{[0-9A-Fa-f]{1,6}\}|[nrtfv]|[!-/:-@\[-`{-~])"
TOKEN = re.compile(
    rf"""
      (?P<group> \( (?: (?!\?) | \?P?<[A-Za-z_][A-Za-z0-9_]*> | \?[imsU]*(?:-[imsU]+)?: ) )
    | (?P<flags> \(\?[imsU]*(?:-[imsU]+)?\) )
    | (?P<plain> [)|] )
    | (?P<repeat> [*+?] | \{{[0-9]+(?:,[0-9]*)?\}} )
    | (?P<edge> \^ | \$ | \\[AzBb] )
    | (?P<kind> \\[dDsSwW] )
    | (?P<wide> \. | \\[pP](?:[A-Z]|\{{\^?[A-Za-z_]+\}}) )
    | (?P<escape> {ESCAPE} )
    | (?P<set> \[\^?\]?(?:\[:\^?[a-z]+:\]|\\.|[^\]\\])*\] )
    | (?P<char> [^\\\[(){{|*+?.^$\x00-\x1f] )
    """,
    re.VERBOSE | re.DOTALL,
)
# One member of a set, or a range of them.
MEMBER = re.compile(
    rf"\\(?P<kind>[dsw])(?!-)|(?P<low>{ESCAPE}|[^\\\[\x00-\x1f-])(?:-(?P<high>{ESCAPE}|[^\\\[\x00-\x1f-]))?|-\Z",
    re.DOTALL,
)
# Which expressions match at all is what is asked: each reports once, and without offsets the pass is fastest.
ONCE = hyperscan.HS_FLAG_SINGLEMATCH
KINDS = {"d": DIGIT, "s": SPACE, "w": WORD}


Expression = tuple[bytes, int]


class Automaton:
    """Some of the expressions. `beyond_ascii`: none of them finds anything in ASCII; `keep`: they are built in."""

    __slots__ = ("beyond_ascii", "numbers", "scan")

    def __init__(self, expressions: dict[int, Expression], *, beyond_ascii: bool = False, keep: bool = False) -> None:
        once = {number: (expression, ONCE | flags) for number, (expression, flags) in expressions.items()}
        self.scan = (kept if keep else made)(once).scan
        self.numbers = frozenset(expressions)
        self.beyond_ascii = beyond_ascii


# The last ones made are kept: a bundle that takes another's place brings mostly the same.
@lru_cache(maxsize=KEPT_MAX)
def automata(expressions: tuple[Expression, ...]) -> list[Automaton]:
    """The automata of expressions that are built in, numbered in this order. Error: `HyperscanError`."""
    beyond: dict[int, Expression] = {}
    others: dict[int, Expression] = {}
    for number, one in enumerate(expressions):
        (beyond if beyond_ascii(one[0].decode("latin-1")) else others)[number] = one
    groups = [(group, group is beyond) for group in (beyond, others) if group]
    # Hyperscan compiles without the interpreter's lock, and takes most of the time that a bundle takes.
    with ThreadPoolExecutor(max_workers=len(groups) or 1) as side_by_side:
        return list(side_by_side.map(lambda group: Automaton(group[0], beyond_ascii=group[1], keep=True), groups))


@lru_cache(maxsize=KEPT_MAX)
def automata_of_own(
    expressions: tuple[Expression | None, ...], first: int = 0
) -> tuple[list[Automaton], frozenset[int]]:
    """The same for authors' patterns, numbered from `first` on, and the numbers of those that have no expression here."""
    made = _accepted({number: one for number, one in enumerate(expressions, first) if one is not None})
    held = {number for automaton in made for number in automaton.numbers}
    return made, frozenset(range(first, first + len(expressions))) - held


def _accepted(expressions: dict[int, Expression]) -> list[Automaton]:
    """The automata of those that hyperscan takes: of all, or where it refuses, of halves of them."""
    if not expressions:
        return []
    try:
        return [Automaton(expressions)]
    except hyperscan.HyperscanError:
        items = list(expressions.items())
        if len(items) == 1:
            return []
        half = len(items) // 2
        return [*_accepted(dict(items[:half])), *_accepted(dict(items[half:]))]


def beyond_ascii(expression: str) -> bool:
    """Whether whatever an expression finds holds a byte beyond ASCII."""
    try:
        # Nothing public shows a pattern's parts.
        return _beyond(list(re._parser.parse(expression)))  # type: ignore[attr-defined]
    except re.error:
        # Hyperscan knows flags in the middle, say.
        return False


def _beyond(parts: list[Any]) -> bool:
    return any(_one_beyond(str(kind), value) for kind, value in parts)


def _one_beyond(kind: str, value: Any) -> bool:
    match kind:
        case "LITERAL":
            return bool(value > LAST_ASCII)
        case "IN":
            if str(value[0][0]) == "NEGATE":
                return any(str(one) == "RANGE" and low == 0 and high >= LAST_ASCII for one, (low, high) in value[1:2])
            return all(
                (str(one) == "LITERAL" and what > LAST_ASCII) or (str(one) == "RANGE" and what[0] > LAST_ASCII)
                for one, what in value
            )
        case "BRANCH":
            return all(_beyond(list(branch)) for branch in value[1])
        case "SUBPATTERN":
            return _beyond(list(value[3]))
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return value[0] > 0 and _beyond(list(value[2]))
        case "ATOMIC_GROUP":
            return _beyond(list(value))
        case _:
            return False


def spell(pattern: str) -> Expression | None:
    """The expression and its flags, or None. `pattern` is one that RE2 takes."""
    # Where only a part of it ignores case, all of this does.
    folded = re.search(r"\(\?[msU]*i", pattern) is not None
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        token = TOKEN.match(pattern, position)
        if token is None:
            return None
        parts.append(_part(token, folded))
        position = token.end()
    case = hyperscan.HS_FLAG_CASELESS if folded else 0
    return "".join(parts).encode(), hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_PREFILTER | case


def _part(token: re.Match[str], folded: bool) -> str:
    text = token[0]
    match token.lastgroup:
        case "group":
            return "(?:"
        case "flags" | "edge":
            # `\b` means the same to both, next to Han characters and between texts as well.
            return r"\b" if text == r"\b" else "(?:)"
        case "plain":
            return text
        case "repeat":
            return _repeat(text)
        case "kind":
            return _kind(text[1], folded)
        case "set":
            return _set(text[1:-1], folded)
        case "wide":
            return ANY
        case _:
            return _char(text, folded)


def _repeat(text: str) -> str:
    if text[0] != "{":
        return text
    low, comma, high = text[1:-1].partition(",")
    least, most = int(low), int(high) if high else None if comma else int(low)
    if most is not None and most <= REPEAT_MAX:
        return text
    return f"{{{min(least, REPEAT_MAX)},}}"


def _kind(name: str, folded: bool) -> str:
    if name in KINDS:
        return f"[{KINDS[name]}]"
    # What is no letter is another question where case does not matter.
    return ANY if folded else f"[^{KINDS[name.lower()]}]"


def _set(inside: str, folded: bool) -> str:
    negated = inside.startswith("^")
    rest = inside.removeprefix("^")
    members: list[str] = []
    if folded and negated:
        return ANY
    position = 0
    while position < len(rest):
        member = MEMBER.match(rest, position)
        if member is None or (folded and not member[0].isascii()):
            return ANY
        if member["kind"]:
            members.append(KINDS[member["kind"]])
        elif member["low"]:
            high = member["high"]
            members.append(_number(member["low"]) + (f"-{_number(high)}" if high else ""))
        else:
            members.append(_number("-"))
        position = member.end()
    return f"[{'^' if negated else ''}{''.join(members)}]"


def _char(text: str, folded: bool) -> str:
    return ANY if folded and _code(text) > 127 else _number(text)


def _number(text: str) -> str:
    return rf"\x{{{_code(text):x}}}"


def _code(text: str) -> int:
    """The character that a token stands for."""
    if text[0] != "\\" or len(text) == 1:
        return ord(text)
    if text[1] == "x":
        return int(text[2:].strip("{}"), 16)
    return CONTROLS.get(text[1]) or ord(text[1])
