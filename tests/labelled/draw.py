"""Draws from a half's words, always the same for the same template and number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")
Words = Mapping[str, Sequence[str]]


class Draw:
    """What one text is drawn from: a generator seeded by the text's name, the words of its half, its language (zh, en)."""

    def __init__(self, seed: str, words: Words, language: str) -> None:
        self.rng = Random(seed)
        self._words = words
        self.zh = language == "zh"

    def pick(self, choices: Sequence[T]) -> T:
        return self.rng.choice(choices)

    def weighted(self, choices: Mapping[str, float]) -> str:
        return self.rng.choices(list(choices), list(choices.values()))[0]

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def between(self, first: int, last: int) -> int:
        return self.rng.randint(first, last)

    def bytes(self, count: int) -> bytes:
        return bytes(self.rng.randrange(256) for _ in range(count))

    def digits(self, count: int, first: str = "123456789") -> str:
        return self.pick(first) + self.chars(count - 1, "0123456789")

    def hex(self, count: int) -> str:
        return self.chars(count, "0123456789abcdef")

    def chars(self, count: int, alphabet: str) -> str:
        return "".join(self.pick(alphabet) for _ in range(count))

    def word(self, kind: str) -> str:
        """A word of the half; `kind` is a key of its words file."""
        return self.pick(self._words[kind])
