"""Which words must stand in a text for an expression to match, and one pass of hyperscan that says which expressions might.

Of an expression, this finds alternatives of which at least one has to be there, several such sets for most. Words that stand
in most texts are left out where an expression has others, since they tell nothing apart.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

import hyperscan

from yumen_plugins.anonymize.kept_automata import kept

Needed: TypeAlias = frozenset[str]

# More alternatives are no longer worth their place.
ALTERNATIVES_MAX = 400
# Words of most texts, and beginnings of words.
COMMON = frozenset(
    re.findall(
        "[a-z]+",
        "the you your all and any are for has have had how its not now off our out say see she that this them they use was "
        "who why will with from into must can may one only what when then there here more some such as an to of in is it be "
        "do no on or so up we me my he if at by go per",
    )
)
# What parts words, and the sign of a place where one begins.
GAPS, EDGE = " ,", r"\b"
FLAGS = hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_MULTILINE


class Needles:
    """Expressions, numbered in this order, and what `chosen` says of each.

    Those that need no word are looked for as they are.
    """

    def __init__(self, expressions: Sequence[str], needed: Sequence[Sequence[Collection[str]]]) -> None:
        self._wanted: list[int] = [0] * len(expressions)
        places: dict[str, list[tuple[int, int]]] = {}
        for number, (expression, several) in enumerate(zip(expressions, needed, strict=True)):
            sets = several or [(expression,)]
            self._wanted[number] = (1 << len(sets)) - 1
            for bit, patterns in enumerate(sets):
                for pattern in patterns:
                    places.setdefault(pattern, []).append((number, 1 << bit))
        # In one order everywhere: what is kept of it is looked up by all of it.
        places = dict(sorted(places.items()))
        self._places = [tuple(at) for at in places.values()]
        self._database = kept({number: (pattern.encode(), FLAGS) for number, pattern in enumerate(places)})

    def candidates(self, data: bytes) -> list[int]:
        """The numbers of those that might match, in ascending order."""
        seen: list[int] = []

        def note(number: int, start: int, end: int, flags: int, context: object) -> None:
            seen.append(number)

        self._database.scan(data, match_event_handler=note)
        masks: dict[int, int] = {}
        for place in seen:
            for number, bit in self._places[place]:
                masks[number] = masks.get(number, 0) | bit
        wanted = self._wanted
        return sorted(number for number, mask in masks.items() if mask == wanted[number])


def chosen(expression: str) -> list[Needed]:
    """The sets of words that tell most of an expression, as expressions: those without common words, or else all."""
    # Nothing public shows a pattern's parts.
    parts = list(re._parser.parse(expression))  # type: ignore[attr-defined]  # the reader of `re` itself, which has no types
    every = list(dict.fromkeys(_sets(parts, edge=False)[0]))
    telling = [words for words in every if not any(map(_tells_little, words))]
    return telling or every


def _tells_little(word: str) -> bool:
    plain = word.removeprefix(EDGE)
    return plain in COMMON or len(plain.encode()) < (2 if word.startswith(EDGE) else 3)


def _sets(parts: Sequence[Any], edge: bool) -> tuple[list[Needed], bool]:
    """Of parts one behind the other, sets of words of which each has one in every match.

    `edge` is whether a word begins here, and what is returned with the sets is whether one begins behind the parts.
    """
    found: list[Needed] = []
    run, begins = "", edge
    every: list[tuple[Any, Any]] = [*parts, ("END", "")]
    for kind, value in ((str(kind), value) for kind, value in every):
        if kind == "LITERAL" and chr(value) not in GAPS:
            run, begins = (run, begins) if run else ("", edge)
            run += chr(value)
            edge = False
            continue
        if run:
            found.append(frozenset((EDGE * (begins and run[0].isascii() and run[0].isalnum()) + re.escape(run),)))
            run = ""
        sets, edge = _of_part(kind, value, edge)
        found += sets
    return found, edge


def _of_part(kind: str, value: Any, edge: bool) -> tuple[list[Needed], bool]:
    match kind:
        case "SUBPATTERN":
            return _sets(list(value[3]), edge)
        case "BRANCH":
            branches = [_sets(list(branch), edge) for branch in value[1]]
            return _either([sets for sets, _ in branches]), all(begins for _, begins in branches)
        case "MAX_REPEAT":
            sets, begins = _sets(list(value[2]), edge)
            return (sets, begins) if value[0] else ([], edge and begins)
        case "IN":
            return [], _is_space(value)
        case "AT" | "END":
            return [], edge or str(value) == "AT_BOUNDARY"
        case _:
            return [], kind == "LITERAL"


def _is_space(members: Sequence[Any]) -> bool:
    """Whether a set is that of what parts words."""
    return ("CATEGORY", "CATEGORY_SPACE") in ((str(one), str(what)) for one, what in members) and (
        str(members[0][0]) != "NEGATE"
    )


def _either(branches: Sequence[Sequence[Needed]]) -> list[Needed]:
    """Of alternatives: the words that tell most of each, together."""
    if not all(branches):
        return []
    best = [max(sets, key=lambda words: min(map(len, words))) for sets in branches]
    together = frozenset(word for words in best for word in words)
    return [together] if len(together) <= ALTERNATIVES_MAX else []
