"""Alternations of many words, cheap for `re`.

Alternatives of `re` are tried one after another, so those of many words share their beginnings here. Hyperscan needs no such
help: to it an alternation of literals is the cheapest expression there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def trie(words: Iterable[str]) -> str:
    """An expression of literal words that prefers the longest, for `re`. It begins with one letter of a few."""
    return f"(?:{_branches(frozenset(words))})"


def either(words: Iterable[str], behind: Iterable[str] = ("",)) -> str:
    """An expression of literals, for hyperscan: each word with each of what may stand behind it."""
    return "|".join(re.escape(word + after) for word in sorted(set(words)) for after in behind)


def _branches(words: frozenset[str]) -> str:
    groups: dict[str, set[str]] = {}
    for word in words:
        if word:
            groups.setdefault(word[0], set()).add(word[1:])
    branches = []
    for first, rests in sorted(groups.items()):
        rest = _branches(frozenset(rests))
        optional = "" in rests
        branches.append(re.escape(first) + (f"(?:{rest})" + ("?" if optional else "") if rest else ""))
    return "|".join(branches)
