"""What the engine says: in which language, in which words, in which pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from yumen_engines.faq.features import HAN, PLACEHOLDER, window

Language = Literal["en", "zh"]

DIRECTORY = Path(__file__).parent / "answers"
LANGUAGES: tuple[Language, ...] = ("en", "zh")
# Pseudonyms that are repeated in an answer; a question with more of them is a list, not a question.
NOTED_MAX = 20

# A word of Latin letters says about as much as one Han character, so that is how they are counted against each other.
_HAN = re.compile(f"[{HAN}]")
_LATIN = re.compile(r"[A-Za-z]+")


class Sentences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language's `answers/*.yaml`; `noted` holds `{values}`."""

    unknown: str
    no_question: str
    noted: str
    answers: dict[str, str]


def read(directory: Path = DIRECTORY) -> dict[Language, Sentences]:
    """The sentences of each language. Errors: `msgspec.ValidationError` for a wrong shape, OSError for a missing file."""
    return {
        language: msgspec.yaml.decode((directory / f"{language}.yaml").read_bytes(), type=Sentences)
        for language in LANGUAGES
    }


def languages(text: str) -> tuple[Language, ...]:
    """The language to answer in, by the share of Han characters; both where no word tells (a bare number, a pseudonym)."""
    words = PLACEHOLDER.sub(" ", window(text))
    han, latin = len(_HAN.findall(words)), len(_LATIN.findall(words))
    if not han and not latin:
        return LANGUAGES
    return ("zh",) if han >= latin else ("en",)


def placeholders(text: str) -> list[str]:
    """The pseudonyms in the part that is read, each once, in order, at most `NOTED_MAX`."""
    return list(dict.fromkeys(PLACEHOLDER.findall(window(text))))[:NOTED_MAX]


def joined(language: Language, sentences: Iterable[str]) -> str:
    """Sentences as one text: Chinese has no spaces between them."""
    return ("" if language == "zh" else " ").join(sentences)


class Pieces:
    """Cuts text as a language model streams it: a word with the space before it, or up to three Han characters.

    `longest` in code points, not counting the space; longer words are cut, pseudonyms among them, as a model's tokens do.
    """

    def __init__(self, longest: int) -> None:
        self._piece = re.compile(rf"\s?[{HAN}]{{1,{min(3, longest)}}}|\s?[^\s{HAN}]{{1,{longest}}}|\s")

    def cut(self, text: str) -> list[str]:
        """The pieces; joined they are the text."""
        return self._piece.findall(text)
