"""Sensitive words in a streamed reply: counted as it grows, and held back until the rules have had their say."""

from __future__ import annotations

from collections.abc import Callable

from yumen import Block, StreamFilter
from yumen_plugins.anomaly.facts.look import Words
from yumen_plugins.anomaly.words import WordHit, WordLists
from yumen_plugins.anomaly.words.wordstream import WordScreen


class WordFilter(StreamFilter):
    """One channel. `judge` is asked whenever there are more words than before; what it returns ends the stream."""

    def __init__(self, lists: WordLists, words: Words, judge: Callable[[], Block | None]) -> None:
        self.hold_max = lists.hold_max
        self._screen = WordScreen(lists)
        self._words = words
        self._judge = judge

    def feed(self, text: str) -> str | Block:
        return self._judged(*self._screen.feed(text))

    def finish(self) -> str | Block:
        return self._judged(*self._screen.finish())

    def _judged(self, text: str, hits: list[WordHit]) -> str | Block:
        if hits:
            self._words.add(hits)
            refused = self._judge()
            if refused is not None:
                return refused
        return text
