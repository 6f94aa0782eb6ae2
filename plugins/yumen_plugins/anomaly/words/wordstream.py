"""Finds sensitive words in a text that comes in parts, and holds back no more of it than may still become one."""

from __future__ import annotations

from yumen_plugins.anomaly.words import Choice, WordHit, WordLists


class WordScreen:
    """Finds in a stream what `lists.find` finds in the whole of it, however it is cut.

    `feed` and `finish` return the text that may go on and the hits that are certain, with their offsets in the whole stream.
    A hit is returned before or together with its first character; its end may come later. At most `lists.hold_max` code
    points are held, and mostly no more than the beginning of a word.
    """

    def __init__(self, lists: WordLists) -> None:
        self._lists = lists
        self._choice = Choice()
        # The end of what has gone on, then what is held.
        self._text = ""
        # Where in the stream `_text` begins, and how much of it has gone on.
        self._base = 0
        self._gone = 0

    @property
    def held(self) -> int:
        """How many code points are held."""
        return len(self._text) - self._gone

    def feed(self, text: str) -> tuple[str, list[WordHit]]:
        """Take the next part."""
        self._text += text
        return self._decide(last=False)

    def finish(self) -> tuple[str, list[WordHit]]:
        """The stream has ended: the rest."""
        return self._decide(last=True)

    def _decide(self, *, last: bool) -> tuple[str, list[WordHit]]:
        if len(self._text) == self._gone:
            return "", []
        found, opens, matters = self._lists.look(self._text, tail=not last)
        opens = max(opens, self._gone)
        found = [one for one in found if self._gone <= one.start < opens]
        shifted = [one._replace(start=one.start + self._base, end=one.end + self._base) for one in found]
        hits = self._choice.of(shifted)
        released = self._text[self._gone : opens]
        self._text = self._text[matters:]
        self._base += matters
        self._gone = opens - matters
        return released, hits
