"""Keeps the code names of a house inside it: refuses requests that name one, and replaces them in replies.

This is the example of a plugin that is developed outside Yumen. It uses public names only and is found by its entry point,
like the built-in ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec

from yumen import Channel, Decision, Exchange, Manifest, Plugin, Rule, StreamFilter

REFUSED, REPLACED = "house_words.refused", "house_words.replaced"


class HouseWordsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the policy file's `config:` may say."""

    refuse: Annotated[list[str], msgspec.Meta(description="Words that no request may hold.")] = []
    replace: Annotated[
        dict[str, str], msgspec.Meta(description="Words in replies, and what stands there instead.")
    ] = {}


class HouseWords(Plugin[HouseWordsConfig]):
    """See the module's docstring."""

    manifest: ClassVar[Manifest] = Manifest(name="house_words", version="1.0.0", sees="raw", mutates=True)

    def __init__(self, config: HouseWordsConfig) -> None:
        super().__init__(config)
        if not all((*config.refuse, *config.replace)):
            raise ValueError("a house word must not be empty")
        self._refused = pattern(config.refuse)
        self._replaced = pattern(config.replace)

    def rules(self) -> Sequence[Rule]:
        return [
            Rule(REFUSED, "A request holds a word that must not leave the house.", ("refuse",)),
            Rule(REPLACED, "A reply holds a word that stands for another.", ("replace",)),
        ]

    async def on_request(self, exchange: Exchange) -> Decision | None:
        for text in exchange.texts:
            found = self._refused.search(text.value)
            if found:
                exchange.find(REFUSED, category="house", text=text, start=found.start(), end=found.end())
                return exchange.block(REFUSED)
        return None

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter | None:
        if exchange.mode(REPLACED) != "enforce":
            return None
        return WordFilter(self._replaced, self.config.replace)

    async def on_response(self, exchange: Exchange) -> Decision | None:
        assert exchange.reply is not None
        for text in exchange.reply.texts:
            for found in self._replaced.finditer(text.value):
                text.replace(found.start(), found.end(), self.config.replace[found[0]], rule=REPLACED)
        return None


class WordFilter(StreamFilter):
    """Replaces words in a stream: holds back a tail that may be the beginning of one of them."""

    def __init__(self, words: re.Pattern[str], replacements: dict[str, str]) -> None:
        self._words = words
        self._replacements = replacements
        self._held = ""
        self.hold_max = max(map(len, replacements), default=0)

    def feed(self, text: str) -> str:
        text = self._held + text
        out, position = [], 0
        keep = self._beginning(text, position)
        found = self._words.search(text, position)
        # A word that begins where a longer one may still be under way has to wait.
        while found and found.start() < keep:
            out += [text[position : found.start()], self._replacements[found[0]]]
            position = found.end()
            keep = self._beginning(text, position)
            found = self._words.search(text, position)
        out.append(text[position:keep])
        self._held = text[keep:]
        return "".join(out)

    def finish(self) -> str:
        held, self._held = self._held, ""
        return self._words.sub(lambda found: self._replacements[found[0]], held)

    def _beginning(self, text: str, position: int) -> int:
        """Where the tail begins that could still become a word."""
        for start in range(max(position, len(text) - self.hold_max + 1), len(text)):
            tail = text[start:]
            if any(word.startswith(tail) and word != tail for word in self._replacements):
                return start
        return len(text)


def pattern(words: list[str] | dict[str, str]) -> re.Pattern[str]:
    """Any of the words, the longest first; nothing where there are none."""
    ordered = sorted(words, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered)) if ordered else r"(?!)")
