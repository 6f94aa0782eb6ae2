"""Words of a policy's author: lists of what is always taken, and of what never is.

All words of a list are looked for at once (Aho-Corasick), so tens of thousands cost what one does. A word that begins or
ends with a Latin letter or digit has an edge there; in Chinese words have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import ahocorasick_rs

from yumen_plugins.anonymize.config import WordList
from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.hits import Allowed, Hit
from yumen_plugins.anonymize.normalise import normalise, plain_spaces

TENANTS_MAX = 4096


class Words:
    """One list. `texts` are matched against their plain spelling, and so are its words."""

    def __init__(self, words: WordList) -> None:
        self.take = words.take
        self._tenants = words.tenants
        self._folds = not words.case
        plain = (plain_spaces(normalise(word)[0]).strip() for word in words.words)
        spelt = sorted({self._fold(word) for word in plain if word})
        # All matches, and not the longest alone: one that is no whole word must not hide a shorter one that is.
        self._matcher = ahocorasick_rs.AhoCorasick(spelt, store_patterns=False)
        self.detector = Detector(
            id=words.id,
            patterns=(),
            prefilter="",
            score=1.0,
            canonical=_lower if self._folds else str,
            description=words.description,
            span_max=max(map(len, spelt), default=1),
            own=True,
        )

    def covers(self, tenant: str) -> bool:
        """Whether the list is for a tenant."""
        return any(fnmatchcase(tenant, glob) for glob in self._tenants)

    def find(self, plain: str) -> list[Hit]:
        """Where its words stand."""
        found: list[Hit] = []
        kind = Hit if self.take else Allowed
        for _, start, end in self._matcher.find_matches_as_indexes(self._fold(plain), overlapping=True):
            if _edge(plain, start) and _edge(plain, end):
                found.append(kind(self.detector, start, end, "", True))
        return found

    def _fold(self, text: str) -> str:
        return _lower(text) if self._folds else text


class Lists:
    """The lists that are for each tenant."""

    def __init__(self, lists: Sequence[Words]) -> None:
        self._lists = lists
        self._of: dict[str, list[Words]] = {}

    def of(self, tenant: str) -> list[Words]:
        """Those for one tenant."""
        known = self._of.get(tenant)
        if known is None:
            if len(self._of) >= TENANTS_MAX:
                self._of.clear()
            known = self._of[tenant] = [one for one in self._lists if one.covers(tenant)]
        return known


def _edge(text: str, place: int) -> bool:
    """Whether a Latin word may begin or end at a place."""
    if place == 0 or place == len(text):
        return True
    return not (_latin(text[place - 1]) and _latin(text[place]))


def _latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _lower(text: str) -> str:
    """Lower case of the same length."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(char.lower() if len(char.lower()) == 1 else char for char in text)
