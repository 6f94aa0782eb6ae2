"""Whether two questions may share an answer.

Similar embeddings say that two questions are about the same; they say little about what is asked of it: `can` and `cannot`,
5 and 50, today and tomorrow, Paris and Rome hardly move a vector (vllm semantic-router#2691). So whatever one question says
must have its counterpart in the other, word by word, and what the gate does not know must be there in the same spelling.
It refuses rather too often: a refusal costs a call of the engine, an error gives somebody a wrong answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from yumen_plugins.cache.semantic.gate.lexicon import Mark
from yumen_plugins.cache.semantic.gate.reading import (
    DATE,
    HAN,
    NAME,
    NEGATION,
    NUMBER,
    SAME,
    SYMBOL,
    UNIT,
    WORD,
    Gist,
    read,
)

QUESTION, PERSON, TENSE, MODALITY, ROLE = "question", "person", "tense", "modality", "role"
# Kinds of which both questions must have the same, with the reason that is given where they have not.
EQUAL = {UNIT: "unit", DATE: "date", "quantifier": "quantifier", "direction": "direction", SYMBOL: "symbol"}
# Kinds of which two questions may differ where one of them says nothing.
LOOSE = {MODALITY: "modality", PERSON: "person", TENSE: "tense"}
# Questions of these may go without saying; every other kind of question may not.
WHO = Mark(QUESTION, "who")
UNSAID = frozenset({"how", "what", "whether"})
# How long a piece of a run of Han characters may be that is looked for in the other question.
PIECE_MAX = 6
ORDERED = frozenset({NUMBER, UNIT, DATE, "direction", SAME, WORD, NAME, NEGATION, ROLE, PERSON})


def agree(asked: str, kept: str) -> str:
    """Why two questions may not share an answer, in one word; empty where they may. Symmetric, and takes linear time."""
    return differ(read(asked), read(kept))


def differ(asked: Gist, kept: Gist) -> str:
    """`agree` for questions that have been read."""
    if asked.script != kept.script:
        return "language"
    if asked.marks == kept.marks:
        return ""
    return next(filter(None, _reasons(asked.marks, kept.marks)), "")


def _reasons(asked: Sequence[Mark], kept: Sequence[Mark]) -> Iterator[str]:
    if len(_of(asked, NEGATION)) != len(_of(kept, NEGATION)):
        yield "negation"
    if _of(asked, NUMBER) != _of(kept, NUMBER):
        yield "number"
    for kind, reason in EQUAL.items():
        if set(_of(asked, kind)) != set(_of(kept, kind)):
            yield reason
    yield _questions(set(_of(asked, QUESTION)), set(_of(kept, QUESTION)))
    for kind, reason in LOOSE.items():
        if _opposed(set(_of(asked, kind)), set(_of(kept, kind))):
            yield reason
    yield _words(asked, kept)
    yield _characters(asked, kept) or _characters(kept, asked)
    yield _order(asked, kept)


def _of(marks: Sequence[Mark], kind: str) -> list[str]:
    return [mark.value for mark in marks if mark.kind == kind]


def _opposed(asked: set[str], kept: set[str]) -> bool:
    return bool(asked) and bool(kept) and asked.isdisjoint(kept)


def _questions(asked: set[str], kept: set[str]) -> str:
    if asked - UNSAID != kept - UNSAID or _opposed(asked & UNSAID, kept & UNSAID):
        return "question-word"
    return ""


def _words(asked: Sequence[Mark], kept: Sequence[Mark]) -> str:
    """A word that has no counterpart. A name may be written without its capital."""
    ours, theirs = (
        {mark.value: mark.kind for mark in marks if mark.kind in (SAME, WORD, NAME)} for marks in (asked, kept)
    )
    apart = {value: ours.get(value) or theirs.get(value) for value in ours.keys() ^ theirs.keys()}
    if not apart:
        return ""
    return "entity" if NAME in apart.values() else "content"


def _characters(asked: Sequence[Mark], kept: Sequence[Mark]) -> str:
    """Han characters outside of all words that the gate knows: pieces of theirs must make up ours."""
    grams = _places(kept)
    return "" if all(place >= 0 for run in _of(asked, HAN) for _, place in _cut(run, grams)) else "content"


def _places(marks: Sequence[Mark]) -> dict[str, int]:
    """Pieces of the runs of Han characters, and where each first is. One character by itself must be a whole run."""
    places: dict[str, int] = {}
    start = 0
    for run in _of(marks, HAN):
        for size in range(2, PIECE_MAX + 1):
            for at in range(len(run) + 1 - size):
                places.setdefault(run[at : at + size], start + at)
        if len(run) == 1:
            places.setdefault(run, start)
        start += len(run)
    return places


def _cut(run: str, places: dict[str, int]) -> Iterator[tuple[str, int]]:
    """A run in the longest pieces that are known, and the place of each; -1 for what is in none."""
    at = 0
    while at < len(run):
        for size in range(min(PIECE_MAX, len(run) - at), 0, -1):
            piece = run[at : at + size]
            if piece in places or size == 1:
                yield piece, places.get(piece, -1)
                at += size
                break


def _order(asked: Sequence[Mark], kept: Sequence[Mark]) -> str:
    """Whether three things stand the other way round: `A than B` and `B than A`, `A beats B` and `B beats A`.

    Two may change places: `restart the server`, `重启服务器` and `服务器怎么重启` are one question.
    """
    places: dict[tuple[str, int], int] = {}
    counts: dict[str, int] = {}
    for at, word in enumerate(_sequence(kept, asked)):
        counts[word] = counts.get(word, -1) + 1
        places[word, counts[word]] = at
    counts.clear()
    order: list[int] = []
    for word in _sequence(asked, kept):
        counts[word] = counts.get(word, -1) + 1
        place = places.get((word, counts[word]))
        if place is not None:
            order.append(place)
    return "order" if _falls_thrice(order) else ""


def _sequence(marks: Sequence[Mark], other: Sequence[Mark]) -> Iterator[str]:
    """What stands in an order: words, numbers, roles, who, and runs of Han characters in the pieces that both have."""
    grams = _places(other)
    for mark in marks:
        if mark.kind == HAN:
            yield from (piece for piece, _ in _cut(mark.value, grams))
        elif mark.kind in ORDERED or mark == WHO:
            yield f"{'' if mark.kind in (WORD, NAME) else mark.kind} {mark.value}"


def _falls_thrice(order: Sequence[int]) -> bool:
    """Whether there are three places, each before the one that it stands behind."""
    highest = -1
    # The greatest place that has a greater one before it.
    second = -1
    for place in order:
        if place < second:
            return True
        if place < highest:
            second = max(second, place)
        highest = max(highest, place)
    return False
