"""Sensitive words in a streamed reply: counted as it grows, and held back until the rules have had their say."""

from __future__ import annotations

from collections.abc import Callable

from yumen import Block, StreamFilter
from yumen_plugins.anomaly.facts.look import Words
from yumen_plugins.anomaly.words import WordHit, WordLists
from yumen_plugins.anomaly.words.escapes import unescaped
from yumen_plugins.anomaly.words.wordstream import WordScreen

# Of tool arguments, as much is held; what is longer goes on, looked through as far as it came.
ARGUMENTS_CHARS_MAX = 60_000


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


class ArgumentsFilter(WordFilter):
    """Arguments of a tool call: JSON, in which a word can be written with escapes. They are of no use in parts, and held."""

    def __init__(self, lists: WordLists, words: Words, judge: Callable[[], Block | None]) -> None:
        super().__init__(lists, words, judge)
        self._lists = lists
        self._parts: list[str] = []
        self._chars = 0
        self.hold_max += ARGUMENTS_CHARS_MAX

    def feed(self, text: str) -> str | Block:
        if self._chars > ARGUMENTS_CHARS_MAX:
            return super().feed(text)
        self._parts.append(text)
        self._chars += len(text)
        return self._let_go() if self._chars > ARGUMENTS_CHARS_MAX else ""

    def finish(self) -> str | Block:
        held = self._let_go() if self._parts else ""
        if isinstance(held, Block):
            return held
        rest = super().finish()
        return rest if isinstance(rest, Block) else held + rest

    def _let_go(self) -> str | Block:
        """What is held, if what its escapes say holds no word that ends the stream."""
        held = "".join(self._parts)
        self._parts.clear()
        plain = unescaped(held)
        if plain == held:
            return super().feed(held)
        # Two readings of one text: what one of them has more of counts.
        return self._judged(held, max(self._lists.find(held), self._lists.find(plain), key=len))
