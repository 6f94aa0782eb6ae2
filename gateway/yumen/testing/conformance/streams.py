"""Streamed replies are the same as plain ones, wherever they are cut."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

from yumen.testing.calls import chat
from yumen.testing.conformance.examples import REPLIES, TEXTS, Example
from yumen.testing.conformance.subject import Asked, Subject
from yumen.testing.conformance.verdict import DoesNotApply, NotReached, check, demand
from yumen.testing.harness import Harness
from yumen.testing.outcome import Outcome

# A text of up to so many code points is cut at every pair of places, a longer one at every place and some pairs; and of one
# that is longer still, these many places are enough.
SHORT_CHARS, PAIRS, PLACES_MAX = 10, 20, 150
SEED = 20261129
FINDS = "of a stream it records other findings, or another number of them,"
ItemT = TypeVar("ItemT")


def cuts(text: str) -> Iterator[tuple[str, ...]]:
    """The ways in which a text comes in pieces: at every place, at pairs of places, and each character by itself."""
    chosen = random.Random(SEED)  # noqa: S311  # the same ones in every run
    places = _some(range(1, len(text)), PLACES_MAX, chosen)
    yield from ((text[:at], text[at:]) for at in places)
    pairs = [(one, other) for one in places for other in places if one < other]
    some = pairs if len(text) <= SHORT_CHARS else _some(pairs, PAIRS, chosen)
    yield from ((text[:one], text[one:other], text[other:]) for one, other in some)
    yield tuple(text)


def _some(every: Sequence[ItemT], most: int, chosen: random.Random) -> Sequence[ItemT]:
    return every if len(every) <= most else chosen.sample(every, most)


async def replies(subject: Subject, example: Example, harness: Harness) -> list[tuple[str, str]]:
    """Pairs of a request and what an engine answers it: what it was itself given, and the examples' replies."""
    pairs = [("?", reply) for reply in example.replies or REPLIES]
    for text in (*example.texts, TEXTS[1]):
        outcome = await subject.ask(harness, Asked(chat(text)))
        if outcome.given is not None:
            pairs.append((text, outcome.sent.rpartition("\n")[2] if "\n" not in text else outcome.sent))
    return pairs


@check(
    "stream.splits",
    "A streamed reply reads as the plain one does, wherever the engine's pieces end, and as much is found in it.",
    "Hold back a tail in `feed` that the next piece may complete, let it go in `finish`, and record each place once.",
)
async def stream_splits(subject: Subject) -> None:
    if not subject.overrides("stream"):
        raise DoesNotApply("it has no stream filter")
    acted = False
    for example in subject.examples:
        async with subject.harness(example) as harness:
            for request, reply in await replies(subject, example, harness):
                plain = await subject.ask(harness, Asked(chat(request), (reply,)))
                acted = acted or plain.text != reply or bool(plain.code)
                for pieces in cuts(reply):
                    streamed = await subject.ask(harness, Asked(chat(request, stream=True), pieces))
                    demand(same(streamed, plain), _told(streamed, plain, pieces))
                    demand(found_the_same(subject, streamed, plain), f"{FINDS} than of the same reply plain")
    if not acted:
        raise NotReached("no reply made its filter change anything; examples with `replies` would")


def same(streamed: Outcome, plain: Outcome) -> bool:
    """Whether a stream reads as a plain reply; one that is blocked may have said what comes before the reason."""
    if plain.code or streamed.code:
        return streamed.code == plain.code
    return streamed.text == plain.text


def found_the_same(subject: Subject, streamed: Outcome, plain: Outcome) -> bool:
    """Whether each rule has found something as often in both; of what was blocked on the way that is not known."""
    return bool(plain.code or streamed.code) or subject.found(streamed) == subject.found(plain)


def _told(streamed: Outcome, plain: Outcome, pieces: tuple[str, ...]) -> str:
    places = [sum(map(len, pieces[:count])) for count in range(1, min(len(pieces), 4))]
    if streamed.code != plain.code:
        return f"cut at {places} it ends with `{streamed.code or 'ok'}`, plain with `{plain.code or 'ok'}`"
    return f"cut at {places} it reads {len(streamed.text)} code points, plain {len(plain.text)}, and they differ"
