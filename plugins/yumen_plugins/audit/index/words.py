"""Words: what a row can be found by, as numbers.

A word is 64 bits of BLAKE2b (RFC 7693) over a filter and a value. Two of ten million different words are the same with a
probability of 3 in a million; values in records come from policies and keys, not from callers.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from yumen_plugins.audit.index.query import Query
from yumen_plugins.audit.index.rows import Row

# Every row has this one.
ALL = ""


def word(name: str, value: str) -> int:
    """The word of a filter and a value, as a signed number."""
    digest = blake2b(f"{name}\0{value}".encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


_often = lru_cache(4096)(word)


def words_of(row: Row) -> list[int]:
    """Every word of a row."""
    words = [_often("kind", row.kind), _often(ALL, "")]
    for name, value in (
        ("tenant", row.tenant),
        ("app", row.app),
        ("route", row.route),
        ("operation", row.operation),
        ("outcome", row.outcome),
        ("decision", row.decision),
    ):
        if value:
            words.append(_often(name, value))
    for name, value in (("subject", row.subject), ("id", row.id), ("receipt", row.receipt)):
        if value:
            words.append(word(name, value))
    words += [_often("rule", rule) for rule in row.rules]
    words += [_often("type", category) for category in row.types]
    return words


def words_asked(query: Query) -> list[int]:
    """The words that a row must have."""
    return [word(name, value) for name, value in query.filters().items()] or [word(ALL, "")]
