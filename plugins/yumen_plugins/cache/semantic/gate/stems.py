"""English words without their endings, so that `charges`, `charged` and `charging` are one.

A small part of Porter's algorithm (M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980): plurals, `-ed`,
`-ing`, and a final `e` or `y`. It is meant to join too little rather than too much: `plan` and `plane` stay two words.
"""

from __future__ import annotations

import re

SHORT = 3
VOWEL = re.compile("[aeiouy]")
# A vowel and a consonant behind it: how often that occurs is Porter's measure.
TURN = re.compile("[aeiouy]+[^aeiouy]+")
# Consonant, vowel, consonant at the end, as in `clos-`, which an `e` belongs to.
CLOSED = re.compile("(?:^|.*[^aeiou])[aeiouy][^aeiouwxy]")


def stem(word: str) -> str:
    """The stem of a word in lower case; anything but plain letters, and what is short, is its own."""
    if len(word) <= SHORT or not (word.isascii() and word.isalpha()):
        return word
    return _without_e(_without_verb_ending(_singular(word)))


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes", "zzes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _without_verb_ending(word: str) -> str:
    if word.endswith("ied") and len(word) > 4:
        return word[:-3] + "y"
    rest = word[:-2] if word.endswith("ed") else word[:-3] if word.endswith("ing") else ""
    if len(rest) < 2 or word.endswith("eed") or not VOWEL.search(rest):
        return word
    if rest.endswith(("at", "bl", "iz")):
        return rest + "e"
    if rest[-1] == rest[-2] and rest[-1] not in "aeioulsz":
        return rest[:-1]
    return rest + "e" if _short(rest) else rest


def _without_e(word: str) -> str:
    if word.endswith("e") and len(word) > 4 and not _short(word[:-1]):
        return word[:-1]
    return word


def _short(word: str) -> bool:
    return len(word) <= 6 and len(TURN.findall(word)) == 1 and CLOSED.fullmatch(word) is not None
