"""Masks what the engine itself writes, in whole replies and in streams cut anywhere.

A streamed text goes on as far as nothing that could still come would change it. What may still grow is kept back: a value
that is not at its end yet, and as many characters as a word that names it may stand away. So the pieces that went on make
exactly what the whole text would have made, and none of them holds a part of what is masked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Protocol

from yumen_plugins.anonymize.detector import CONTEXT_AFTER, Detector
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.normalise import SPACED_CHARS_MAX

# Values that may be longer than this are known by their beginning, and kept back from there on.
LONG_CHARS = 512
# Of what has gone on so much is remembered: words that name a value stand before it.
LEFT_CHARS_MIN = 256
# What is kept back at most; a reply that needs more cannot be masked as it streams, and ends.
HOLD_CHARS_MAX = 32_768


# What no value stands on both sides of that holds neither a blank nor a character beyond ASCII.
BREAK = re.compile("[^!-~]")


class Reach:
    """How far the values of some detectors reach, in code points: those that blanks end, the others, and the long ones."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        short = [one for one in detectors if one.span_max <= LONG_CHARS]
        self.tight = max((one.span_max for one in short if one.tight), default=0)
        # Digits that stand one by one are a number that blanks do not end.
        self.loose = max([SPACED_CHARS_MAX, *(one.span_max for one in short if not one.tight)] if short else [0])
        self.openers = tuple((one.opener, one.span_max, one.tight) for one in detectors if one.span_max > LONG_CHARS)
        self.left = max(LEFT_CHARS_MIN, self.loose + 1, self.tight + 1)
        self.hold_max = HOLD_CHARS_MAX


class Reads(Protocol):
    """What reads a text: every reading, those that count, and the plain spelling with where its characters begin."""

    def read(self, text: str) -> list[Hit]: ...
    def settle(self, text: str, hits: list[Hit]) -> list[Hit]: ...
    def plain(self, text: str) -> tuple[str, Callable[[int], int]]: ...


class Screen:
    """One channel. `edit` says what takes a value's place, or None where it stays."""

    def __init__(self, reach: Reach, readings: Reads, edit: Callable[[Hit, str], str | None]) -> None:
        self.hold_max = reach.hold_max
        self._reach = reach
        self._readings = readings
        self._edit = edit
        self._left = ""
        self._held = ""
        # How much must be held before it is read again.
        self._wait = 0

    def feed(self, text: str) -> str:
        """The next piece; what may go on. Error: OverflowError where too much would have to be kept back."""
        self._held += text
        if len(self._held) < self._wait:
            return self._kept("")
        plain, begins = self._readings.plain(self._held)
        safe = self._safe(plain)
        cut, hits = 0, []
        if safe > 0:
            hits = self._readings.read(self._left + self._held)
            cut = self._cut(hits, begins(self._closed(plain, begins, hits, safe)))
        # What is long and cannot go on is not read again at every piece.
        self._wait = len(self._held) * 5 // 4 if cut == 0 and len(self._held) > LONG_CHARS else 0
        return self._kept(self._pass(hits, cut))

    def finish(self) -> str:
        """What was kept back."""
        return self._pass(self._readings.read(self._left + self._held), len(self._held)) if self._held else ""

    def _kept(self, out: str) -> str:
        if len(self._held) > self.hold_max:
            raise OverflowError("what might be masked is longer than may be held back")
        return out

    def _safe(self, plain: str) -> int:
        """Up to where in the plain spelling nothing can begin that what is here does not show completely."""
        reach = self._reach
        end = len(plain) - CONTEXT_AFTER - 1
        safe = end - reach.loose
        if reach.tight:
            safe = min(safe, max(_run(plain, end), end - reach.tight))
        return safe

    def _closed(self, plain: str, begins: Callable[[int], int], hits: list[Hit], safe: int) -> int:
        """The same, with long values that have begun and not ended yet."""
        base = len(self._left)
        for opener, span_max, tight in self._reach.openers:
            place = plain.find(opener)
            while 0 <= place < safe and len(plain) - place < span_max + CONTEXT_AFTER:
                start = begins(place) + base
                over = any(hit.start <= start < hit.end for hit in hits)
                if not over and not (tight and BREAK.search(plain, place, len(plain) - CONTEXT_AFTER)):
                    safe = place
                    break
                place = plain.find(opener, place + 1)
        return safe

    def _cut(self, hits: list[Hit], safe: int) -> int:
        """The last place up to there that no reading goes over."""
        base = len(self._left)
        cut = safe + base
        for hit in sorted(hits, key=_end, reverse=True):
            if hit.start < cut < hit.end:
                cut = hit.start
        return max(0, cut - base)

    def _pass(self, hits: list[Hit], cut: int) -> str:
        """Let the held text go up to a place, edited."""
        base, text = len(self._left), self._left + self._held
        now = [hit for hit in hits if hit.start >= base and hit.end <= base + cut]
        parts: list[str] = []
        position = base
        for hit in self._readings.settle(text, now):
            new = self._edit(hit, text[hit.start : hit.end])
            if new is not None:
                parts += [text[position : hit.start], new]
                position = hit.end
        parts.append(text[position : base + cut])
        self._left = text[max(0, base + cut - self._reach.left) : base + cut]
        self._held = self._held[cut:]
        return "".join(parts)


def _run(plain: str, end: int) -> int:
    """Where the run of ASCII characters without a blank begins that goes over a place, or that place."""
    place = max(0, end)
    while place > 0 and "!" <= plain[place - 1] <= "~":
        place -= 1
    return place


def _end(hit: Hit) -> int:
    return hit.end
