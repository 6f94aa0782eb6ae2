"""What the plugin's hooks cost: printed, and never judged, since machines differ."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from yumen.testing.calls import chat
from yumen.testing.conformance.examples import REPLIES
from yumen.testing.conformance.subject import Asked, Subject
from yumen.testing.harness import Harness

EXCHANGES = 100
# A stream of so many pieces, and one of eight times as many: what grows faster than that is not linear.
PIECES, TIMES, STREAMS = 50, 8, 5


class Cost(msgspec.Struct, frozen=True):
    """Of one hook, in milliseconds; of a stream, of one piece on average, with the gateway's own share."""

    hook: str
    calls: int
    p50_ms: float
    p99_ms: float


async def costs(subject: Subject) -> list[Cost]:
    """By the first example."""
    example = subject.examples[0]
    spent: dict[str, list[float]] = {}
    async with subject.harness(example) as harness:
        calls = [Asked(chat(text)) for text in subject.texts(example)]
        for number in range(EXCHANGES):
            outcome = await subject.ask(harness, calls[number % len(calls)])
            for one in subject.own(outcome):
                spent.setdefault(one.hook, []).append(one.ms)
        found = [_cost(hook, times) for hook, times in spent.items()]
        if subject.overrides("stream"):
            for count in (PIECES, PIECES * TIMES):
                times = [await _piece(subject, harness, count) for _ in range(STREAMS)]
                found.append(_cost(f"a piece of a stream of {count}", times))
    return found


async def _piece(subject: Subject, harness: Harness, count: int) -> float:
    """Milliseconds of one piece of a stream, the gateway's own share included."""
    began = time.perf_counter()
    await subject.ask(harness, Asked(chat("?", stream=True), (REPLIES[0],) * count))
    return (time.perf_counter() - began) * 1000 / count


def _cost(hook: str, times: Sequence[float]) -> Cost:
    ordered = sorted(times)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99)]
    return Cost(hook, len(ordered), round(at[0], 4), round(at[1], 4))
