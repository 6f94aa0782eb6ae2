"""What is wrong with a regular expression that a policy's author wrote, in words that the author can act on."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import re2

# Instructions of the compiled pattern: what RE2 cannot precompute costs as many steps for every character.
PROGRAM_MAX = 10_000
# One of each kind of neighbour that decides whether an edge is there.
NEIGHBOURS = ("", "a", "\n", " ")
AHEAD = "it looks ahead, which cannot be done in linear time"
BEHIND = "it looks behind, which cannot be done in linear time"
REFERS = "it refers back to a group, which cannot be done in linear time"
VALUE_ALONE = "write the value alone, `\\b` is an edge next to Han characters too, and `context` names words nearby"
AS_IT_IS = "write `\\` before one that stands for itself"
# Beginnings of the engine's messages, the longer ones first; what they mean, and what to do.
MESSAGES = {
    "invalid perl operator: (?=": (AHEAD, VALUE_ALONE),
    "invalid perl operator: (?!": (AHEAD, VALUE_ALONE),
    "invalid perl operator: (?<": (BEHIND, VALUE_ALONE),
    "invalid perl operator: (?P": (REFERS, "write the group again"),
    "invalid perl operator": (
        "it holds a kind of group that nobody knows",
        "use `(?:` to group and `(?i)` for any case",
    ),
    "invalid escape sequence: \\k": (REFERS, "write the group again"),
    "invalid escape sequence: \\Z": ("it holds `\\Z`", "write `\\z` for the end of the text"),
    "invalid escape sequence": ("it holds a backslash before a letter that means nothing then", "remove the backslash"),
    "missing )": ("a `(` is never closed", f"add a `)`, and {AS_IT_IS}"),
    "unexpected )": ("a `)` closes nothing", f"remove it, and {AS_IT_IS}"),
    "missing ]": ("a `[` is never closed", f"add a `]`, and {AS_IT_IS}"),
    "trailing \\": ("it ends in a backslash", "write two for one that stands for itself"),
    "invalid character class range": (
        "it holds a set of characters that is none",
        "write it like `[0-9]` or `\\p{Han}`",
    ),
    "bad repetition operator": ("it repeats a repetition", "put `(?:` and `)` around the inner one"),
    "no argument for repetition": ("it repeats nothing", f"write before the sign what it repeats, and {AS_IT_IS}"),
    "invalid repetition size": ("it repeats something more than 1,000 times", "repeat it less often"),
    "pattern too large": ("it is too large", "write several smaller patterns"),
}


def compiled(pattern: str) -> Any:
    """The pattern in its engine. Errors: `re2.error`, and UnicodeEncodeError for half a character."""
    options = re2.Options()
    options.log_errors = False
    # All that is asked for is where a value stands.
    options.never_capture = True
    return re2.compile(pattern, options)


def problem(pattern: str) -> tuple[str, str] | None:
    """What is wrong with a pattern and what to do about it, or None."""
    if re.search(r"(?<!\\)(?:\\\\)*\\C", pattern):
        return "it holds `\\C`, which is half of a character", "write `.` for a character"
    try:
        program = compiled(pattern)
    except UnicodeEncodeError:
        return "it holds half of a character", "write characters, not surrogates"
    except re2.error as error:
        return _meaning(error.args[0].decode("utf-8", "replace"))
    if program.programsize > PROGRAM_MAX:
        return "it is too large", "write several smaller patterns, or `+` for a long repeat"
    if any(_empty(program, before, after) for before, after in product(NEIGHBOURS, repeat=2)):
        return "it matches where nothing stands, and so everywhere", "let it need at least one character"
    return None


def _meaning(message: str) -> tuple[str, str]:
    if re.match(r"invalid escape sequence: \\[0-9]", message):
        return MESSAGES["invalid escape sequence: \\k"]
    for beginning, meaning in MESSAGES.items():
        if message.startswith(beginning):
            return meaning
    return "the engine cannot read it", "write it in the syntax of RE2"


def _empty(program: Any, before: str, after: str) -> bool:
    """Whether the pattern takes the place between two characters for a value."""
    return program.fullmatch(f"{before}{after}".encode(), len(before), len(before)) is not None
