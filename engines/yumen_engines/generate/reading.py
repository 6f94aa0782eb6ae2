"""From tokens to text that may be said: whole characters only, and nothing of a stop string.

Tokens of one answer come one after the other. A character can be several of them, and a stop string can begin in one and
end in another, so some text waits until it is clear what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

REPLACEMENT = "\ufffd"
# A character has at most four bytes; what is still none after so many tokens never becomes one.
PENDING_MAX = 8
# Tokens of the prompt that are decoded before the answer: some decoders drop the blank of the very first token.
CONTEXT = 4


class Characters:
    """Decodes token by token. `decode` turns tokens into text; `before` are the tokens of the prompt.

    The window moves on with every character (as in Hugging Face's text-generation-inference), since what a token stands
    for may depend on the one before it.
    """

    def __init__(self, decode: Callable[[list[int]], str], before: Sequence[int]) -> None:
        self._decode = decode
        self._window = list(before[-CONTEXT:])
        self._read = len(self._window)

    def feed(self, token: int) -> str:
        """The characters that are complete with this token."""
        self._window.append(token)
        return self._take(last=len(self._window) - self._read >= PENDING_MAX)

    def finish(self) -> str:
        """What is left, with U+FFFD for bytes that are no character."""
        return self._take(last=True) if len(self._window) > self._read else ""

    def _take(self, *, last: bool) -> str:
        known = self._decode(self._window[: self._read])
        text = self._decode(self._window)
        if text.endswith(REPLACEMENT):
            if not last:
                return ""
            self._window.clear()
            self._read = 0
        elif len(text) > len(known):
            del self._window[: self._read]
            self._read = len(self._window)
        else:
            # Tokens without text, such as control tokens, must not make the window longer and longer.
            del self._window[:-CONTEXT]
            self._read = len(self._window)
        return text[len(known) :]


class Stops:
    """Looks for stop strings in a growing text. Of two, the one that ends first has ended it, and then the longer one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._longest = max(map(len, stops), default=0)
        self._held = ""
        self.found = False

    def feed(self, text: str) -> str:
        """What may be said now: all but what a stop string may begin in. Once one is `found`, what stood before it."""
        if not self._stops:
            return text
        text = self._held + text
        ends = [(place + len(stop), place) for stop in self._stops if (place := text.find(stop)) >= 0]
        if ends:
            self.found = True
            self._held = ""
            return text[: min(ends)[1]]
        hold = next((size for size in range(min(self._longest - 1, len(text)), 0, -1) if self._begins(text[-size:])), 0)
        self._held = text[len(text) - hold :]
        return text[: len(text) - hold]

    def finish(self) -> str:
        """The text is complete: what was held back was no stop string."""
        held, self._held = self._held, ""
        return held

    def _begins(self, end: str) -> bool:
        return any(stop.startswith(end) for stop in self._stops)


class Reading:
    """Both of them, for one answer."""

    def __init__(self, decode: Callable[[list[int]], str], before: Sequence[int], stops: Sequence[str]) -> None:
        self._characters = Characters(decode, before)
        self._stops = Stops(stops)

    @property
    def stopped(self) -> bool:
        """Whether a stop string was found; nothing may follow then."""
        return self._stops.found

    def feed(self, token: int) -> str:
        """The text that may be said with this token."""
        return self._stops.feed(self._characters.feed(token))

    def finish(self) -> str:
        """The rest of an answer that no stop string has ended."""
        text = self._stops.feed(self._characters.finish())
        return text if self._stops.found else text + self._stops.finish()
