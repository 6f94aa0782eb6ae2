"""How much of a stream a filter holds back, counted by what it was given and what it let go."""

from __future__ import annotations

# Edits shorten: of a filter that may edit, one code point may stand for so many that came.
SHORTENING = 8


class Holding:
    """The account of one filter, in code points: `silent` came since something went on, `chars` are held back, as `waiting`.

    The last two are exact until the filter has let other text go than came, as `edited` says. From then on nobody else knows
    what it holds and what it has taken away: `waiting` is empty, and `chars` is what edits do not account for.
    """

    __slots__ = ("chars", "edited", "silent", "waiting")

    def __init__(self) -> None:
        self.chars = 0
        self.edited = False
        self.silent = 0
        self.waiting = ""

    def pass_on(self, text: str, out: str) -> None:
        """The filter was given `text`, and has let `out` go."""
        self.silent = 0 if out else self.silent + len(text)
        if not self.edited:
            waiting = self.waiting + text
            if waiting.startswith(out):
                self.waiting = waiting[len(out) :]
                self.chars = len(self.waiting)
                return
            self.edited, self.waiting = True, ""
        self.chars = max(0, self.chars + len(text) - SHORTENING * len(out))
