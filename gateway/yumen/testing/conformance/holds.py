"""How much of a stream a filter holds back: measured at the filter itself, piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from yumen.awaited import AwaitedFilter
from yumen.exchange import Block
from yumen.plugin import Channel, MaskingFilter, StreamFilter
from yumen.testing.calls import chat
from yumen.testing.conformance.streams import replies
from yumen.testing.conformance.subject import Asked, Subject
from yumen.testing.conformance.verdict import DoesNotApply, check, demand
from yumen.testing.harness import Harness

HOLDS = "OverflowError"
# Of a stream in which a filter may hold too much, so many places are looked at, with so many ends of what it has let go.
PLACES_MAX, ENDS_MAX = 3, 100


class Watched(MaskingFilter):
    """A filter whose pieces are noted: after each, how many code points have come and what has gone on."""

    def __init__(self, running: Any) -> None:
        self.hold_max = running.hold_max
        self.places: list[tuple[int, int]] = []
        self.whole = ""
        self.ended = False
        self._running = running
        self._fed = 0

    def feed(self, text: str) -> str | Block:
        """See `StreamFilter`."""
        out: str | Block = self._running.feed(text)
        if isinstance(out, str):
            self._fed += len(text)
            self.whole += out
            self.places.append((self._fed, len(self.whole)))
        return out

    def finish(self) -> str | Block:
        """See `StreamFilter`."""
        out: str | Block = self._running.finish()
        if isinstance(out, str):
            self.whole += out
            self.ended = True
        return out

    def masked(self) -> str:
        """See `MaskingFilter`."""
        masked: str = self._running.masked() if isinstance(self._running, MaskingFilter) else ""
        return masked


class Reply(NamedTuple):
    """A request, and a reply in pieces."""

    request: str
    pieces: tuple[str, ...]


class Bench:
    """A harness whose plugin's filters are watched."""

    def __init__(self, subject: Subject, harness: Harness) -> None:
        self._subject = subject
        self._harness = harness
        self._made: list[Watched] = []
        for chain in harness.runtime.chains.values():
            for step in chain.steps:
                if step.name == subject.name:
                    self._watch(step)

    def _watch(self, step: Any) -> None:
        inner: Any = step.stream

        def stream(exchange: Any, channel: Channel) -> StreamFilter | None:
            running: StreamFilter | None = inner(exchange, channel)
            # One in another process is asked in another way, and one that is none of a masking plugin's is a fault.
            other = step.manifest.masks and not isinstance(running, MaskingFilter)
            if running is None or other or isinstance(running, AwaitedFilter):
                return running
            watched = Watched(running)
            self._made.append(watched)
            return watched

        step.stream = stream

    async def run(self, reply: Reply) -> Watched | None:
        """Stream it. Returns the filter that it went through, None where it did not come to the end of one.

        Error: `Fails` where the core finds that it holds too much.
        """
        self._made.clear()
        outcome = await self._subject.ask(self._harness, Asked(chat(reply.request, stream=True), reply.pieces))
        over = [one for one in self._subject.faults([outcome]) if one.reason == HOLDS]
        demand(not over, "its filter holds more than it declared")
        return next((one for one in self._made if one.ended), None)


@check(
    "stream.hold",
    "A stream filter holds back no more code points than its `hold_max` says.",
    "Set `hold_max` to the longest tail that you keep, or let go earlier.",
)
async def stream_hold(subject: Subject) -> None:
    if not subject.overrides("stream"):
        raise DoesNotApply("it has no stream filter")
    manifest = subject.plugin.manifest
    for example in subject.examples:
        # Of a filter that may not edit the core counts exactly; of one that draws lots no two streams can be compared.
        closely = (manifest.mutates or manifest.masks) and example.repeatable
        async with subject.harness(example) as harness:
            bench = Bench(subject, harness)
            for request, reply in await replies(subject, example, harness):
                # One character at a time shows what is held exactly, and twice the text that nothing adds up.
                for pieces in (tuple(reply), tuple(reply * 2), (reply,) * 3):
                    said = Reply(request, pieces)
                    watched = await bench.run(said)
                    if watched is not None and closely:
                        await _measure(bench, said, watched)


async def _measure(bench: Bench, reply: Reply, watched: Watched) -> None:
    """Look closely at the places where most of what came has not gone on. Error: `Fails` where it is held."""
    late = [place for place in watched.places if place[0] - place[1] > watched.hold_max]
    for fed, gone in sorted(late, key=lambda place: place[1] - place[0])[:PLACES_MAX]:
        shortened = await _shortened(bench, reply, watched, fed, gone)
        demand(shortened, f"its filter holds more than {watched.hold_max} code points: of {fed} it has let go {gone}")


async def _shortened(bench: Bench, reply: Reply, watched: Watched, fed: int, gone: int) -> bool:
    """Whether edits are why so little has gone on: what is held is no more than `hold_max` as it came, or as it will go on.

    Of a reply that ends somewhere, as much is settled as it has in common with the whole one.
    """

    async def settled(end: int) -> int:
        shorter = await bench.run(Reply(reply.request, ("".join(reply.pieces)[:end],)))
        return 0 if shorter is None else _common(shorter.whole, watched.whole)

    if await settled(fed) <= gone + watched.hold_max:
        return True
    for end in _ends(max(0, fed - watched.hold_max), fed):
        if await settled(end) <= gone:
            return True
    return False


def _ends(first: int, last: int) -> Sequence[int]:
    return range(first, last + 1, 1 + (last - first) // ENDS_MAX)


def _common(one: str, other: str) -> int:
    """The length of what two texts begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (ours, theirs) in pairs if ours != theirs), min(len(one), len(other)))
