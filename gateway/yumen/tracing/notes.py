"""What hooks do to an exchange beyond what every exchange keeps: edits by place, findings, and how streams went.

Only where traces are wanted are the hooks of a step replaced by such as take notes; otherwise nothing here runs.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from yumen.awaited import AwaitedFilter
from yumen.exchange import Block
from yumen.holding import Holding
from yumen.plugin import Channel, MaskingFilter, StreamFilter

if TYPE_CHECKING:
    from yumen.exchange import Decision
    from yumen.step import Async, Step
    from yumen.textview import TextView
    from yumen.view import View

# Of how many edits of one exchange the places are kept, and how much of the path of a text.
PLACES_MAX = 100
PATH_CHARS_MAX = 200


class Place(msgspec.Struct, frozen=True):
    """One edit: offsets in code points in the form that the plugin was given, and how many code points it put there."""

    path: str
    start: int
    end: int
    chars: int
    did: Literal["replace", "mask"]


class HookNote(msgspec.Struct):
    """What one call of a hook did."""

    places: tuple[Place, ...]
    findings: int


class StreamNote(msgspec.Struct):
    """All filters of one instance on one exchange; `held_max` is the most that one held back, in code points."""

    channels: int = 0
    feeds: int = 0
    held_max: int = 0
    ms: float = 0.0


class Notes:
    """Of one exchange: `hooks` by the index in its trace, `streams` by instance."""

    __slots__ = ("hooks", "places", "streams")

    def __init__(self) -> None:
        self.hooks: dict[int, HookNote] = {}
        self.streams: dict[str, StreamNote] = {}
        self.places = 0

    def hook(self, index: int, view: View, findings: int) -> None:
        """Note what a hook has asked for, right before it is done."""
        places: list[Place] = []
        for text in (*(view._texts or ()), *(view._reply_texts or ())):
            places += _edits(text, PLACES_MAX - self.places - len(places))
        self.places += len(places)
        if places or findings:
            self.hooks[index] = HookNote(tuple(places), findings)

    def stream(self, instance: str) -> StreamNote:
        """The note of an instance, whose next filter begins."""
        note = self.streams.setdefault(instance, StreamNote())
        note.channels += 1
        return note


def observe(step: Step) -> None:
    """Have the hooks of a step take notes."""
    for hook, function in step.hooks.items():
        step.hooks[hook] = _noting(function)
    if step.streams:
        _note_streams(step)


def _noting(function: Async) -> Async:
    async def noting(view: View) -> Decision | None:
        exchange = view._exchange
        before = len(exchange.findings) + exchange.findings_dropped
        decision = await function(view)
        if exchange.traced is not None:
            # What comes of this call stands in the trace next.
            found = len(exchange.findings) + exchange.findings_dropped - before
            exchange.traced.hook(len(exchange.trace), view, found)
        return decision

    return noting


def _note_streams(step: Step) -> None:
    inner: Any = step.stream

    def stream(exchange: Any, channel: Channel) -> StreamFilter | None:
        running: StreamFilter | None = inner(exchange, channel)
        # It is a view, which keeps the exchange itself.
        notes: Notes | None = exchange._exchange.traced
        if running is None or notes is None:
            return running
        note = notes.stream(step.name)
        if isinstance(running, AwaitedFilter):
            return CountedAwaited(running, note)
        return (CountedMasking if isinstance(running, MaskingFilter) else Counted)(running, note)

    step.stream = stream


class Counted(StreamFilter):
    """A filter whose calls are counted."""

    def __init__(self, running: Any, note: StreamNote) -> None:
        self.hold_max = running.hold_max
        self._running = running
        self._note = note
        self._holding = Holding()

    def feed(self, text: str) -> str | Block:
        started = time.perf_counter()
        out: str | Block = self._running.feed(text)
        note = self._note
        note.ms += (time.perf_counter() - started) * 1000
        note.feeds += 1
        if isinstance(out, str):
            self._holding.pass_on(text, out)
            note.held_max = max(note.held_max, self._holding.chars)
        return out

    def finish(self) -> str | Block:
        started = time.perf_counter()
        out: str | Block = self._running.finish()
        self._note.ms += (time.perf_counter() - started) * 1000
        return out


class CountedMasking(Counted, MaskingFilter):
    """The same of a masking plugin."""

    def masked(self) -> str:
        masked: str = self._running.masked()
        return masked


class CountedAwaited(AwaitedFilter):
    """The same of one that is elsewhere: whoever can wait asks it as before, and its answers are counted as they come."""

    def __init__(self, running: AwaitedFilter, note: StreamNote) -> None:
        super().__init__()
        self._running = running
        self._note = note
        self._holding = Holding()

    async def ask(self, text: str, *, last: bool) -> tuple[str | Block, str]:
        """See `AwaitedFilter`."""
        started = time.perf_counter()
        try:
            out, masked = await self._running.ask(text, last=last)
        finally:
            self._note.ms += (time.perf_counter() - started) * 1000
            self._note.feeds += bool(text)
            running = self._running
            self.hold_max, self.opened, self.absent = running.hold_max, running.opened, running.absent
        if isinstance(out, str) and not last:
            self._holding.pass_on(text, out)
            self._note.held_max = max(self._note.held_max, self._holding.chars)
        return out, masked


def _edits(text: TextView, most: int) -> list[Place]:
    path = text.path[:PATH_CHARS_MAX]
    places: list[Place] = []
    if text._replaces is not None:
        places += [Place(path, start, end, len(new), "replace") for start, end, new in text._replaces._spans[:most]]
    if text._masks is not None:
        left = most - len(places)
        places += [Place(path, start, end, len(new), "mask") for start, end, new in text._masks._spans[:left]]
    return places
