"""Questions whose answers are kept, by what surrounds them."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.semantic.gate import differ, read
from yumen_plugins.cache.semantic.vectors import Vector, Vectors

SPACES_MAX = 1_000
# Of one context: all are compared with each question, in less than a millisecond.
CONTEXT_MAX = 10_000
# All questions of a process together. Where there are more, the space that has most of them gives one up.
BYTES_MAX = 256 << 20
# What a question costs beside its text and its vector, and one that stands alone in its context; measured, rounded up.
QUESTION_BYTES = 1_300
# So many of the most alike are shown to the gate.
CANDIDATES_MAX = 4


class Known(msgspec.Struct, frozen=True, array_like=True):
    """A question whose answer is kept under `key`. `vector` are 16-bit floats; moments are in seconds since the epoch."""

    key: bytes
    context: bytes
    text: str
    vector: bytes
    tenant: str
    subject: str
    stored_at: float
    expires: float


class Match(NamedTuple):
    """The key of an answer, and the cosine of the two questions."""

    key: bytes
    similarity: float


class _Row:
    """A question in the index; `number` is its name among vectors."""

    __slots__ = ("context", "expires", "key", "number", "size", "stored_at", "subject", "tenant", "text")

    def __init__(self, known: Known, number: int, size: int) -> None:
        self.key = known.key
        self.context = known.context
        self.text = known.text.encode("utf-8", "surrogatepass")
        self.tenant = known.tenant
        self.subject = known.subject
        self.stored_at = known.stored_at
        self.expires = known.expires
        self.number = number
        self.size = size


class _Context:
    """Questions that differ in nothing else; the least recently useful first."""

    __slots__ = ("rows", "vectors")

    def __init__(self, dimension: int) -> None:
        self.rows: dict[int, _Row] = {}
        self.vectors = Vectors(dimension)


class _Space:
    """What one tenant, or one group of them, can reach; the least recently useful question first."""

    __slots__ = ("contexts", "rows", "size")

    def __init__(self) -> None:
        self.rows: OrderedDict[bytes, _Row] = OrderedDict()
        self.contexts: dict[bytes, _Context] = {}
        self.size = 0


class Questions:
    """At most `entries_max` questions of each space. `now` is in seconds since the epoch. Belongs to one event loop.

    `refused` counts why the gate refused what was alike.
    """

    def __init__(self, entries_max: int, *, now: Callable[[], float], bytes_max: int = BYTES_MAX) -> None:
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._now = now
        self._spaces: OrderedDict[str, _Space] = OrderedDict()
        self._numbers = 0
        self._size = 0
        self.refused: Counter[str] = Counter()

    def add(self, space: str, known: Known) -> None:
        """Remember a question, instead of what was known under its key."""
        if known.expires <= self._now():
            return
        vector = np.frombuffer(known.vector, np.float16).astype(np.float32)
        kept = self._spaces.setdefault(space, _Space())
        self._spaces.move_to_end(space)
        if len(self._spaces) > SPACES_MAX:
            _, gone = self._spaces.popitem(last=False)
            self._size -= gone.size
        old = kept.rows.get(known.key)
        if old is not None:
            self._remove(kept, old)
        size = QUESTION_BYTES + 4 * len(known.text) + vector.nbytes
        self._numbers += 1
        row = _Row(known, self._numbers, size)
        context = kept.contexts.get(known.context)
        if context is None:
            context = kept.contexts[known.context] = _Context(len(vector))
        context.vectors.add(row.number, vector)
        context.rows[row.number] = row
        kept.rows[known.key] = row
        kept.size += size
        self._size += size
        if len(context.rows) > CONTEXT_MAX:
            self._remove(kept, next(iter(context.rows.values())))
        if len(kept.rows) > self._entries_max:
            self._remove(kept, next(iter(kept.rows.values())))
        while self._size > self._bytes_max:
            largest = max(self._spaces.values(), key=lambda one: one.size)
            self._remove(largest, next(iter(largest.rows.values())))

    def find(self, space: str, context: bytes, text: str, vector: Vector, threshold: float) -> Match | None:
        """The most alike question of the same context that the gate lets share its answer, or None."""
        kept = self._spaces.get(space)
        among = kept.contexts.get(context) if kept is not None else None
        if kept is None or among is None:
            return None
        self._spaces.move_to_end(space)
        now = self._now()
        asked = read(text)
        for number, similarity in among.vectors.nearest(vector, CANDIDATES_MAX, threshold):
            row = among.rows[number]
            if row.expires <= now or row.stored_at > now + 1:
                self._remove(kept, row)
                continue
            why = differ(asked, read(row.text.decode("utf-8", "surrogatepass")))
            if not why:
                kept.rows.move_to_end(row.key)
                among.rows[number] = among.rows.pop(number)
                return Match(row.key, similarity)
            self.refused[why] += 1
        return None

    def drop(self, space: str, key: bytes) -> bool:
        """Forget the question of an answer; whether there was one."""
        kept = self._spaces.get(space)
        row = kept.rows.get(key) if kept is not None else None
        if kept is None or row is None:
            return False
        self._remove(kept, row)
        return True

    def purge(self, purge: Purge) -> int:
        """Forget what a purge takes; how many questions that was."""
        gone = [(kept, row) for kept, row in self._all() if purge.takes(row.tenant, row.subject, row.stored_at)]
        for kept, row in gone:
            self._remove(kept, row)
        return len(gone)

    def clear(self) -> None:
        """Forget everything."""
        self._spaces.clear()
        self._size = 0

    def stats(self) -> dict[str, int]:
        """How much there is."""
        return {
            "spaces": len(self._spaces),
            "contexts": sum(len(kept.contexts) for kept in self._spaces.values()),
            "questions": len(self),
            "bytes": self._size,
        }

    def __len__(self) -> int:
        return sum(len(kept.rows) for kept in self._spaces.values())

    def _all(self) -> Iterator[tuple[_Space, _Row]]:
        for kept in self._spaces.values():
            for row in kept.rows.values():
                yield kept, row

    def _remove(self, kept: _Space, row: _Row) -> None:
        context = kept.contexts[row.context]
        context.vectors.remove(row.number)
        del context.rows[row.number]
        if not context.rows:
            del kept.contexts[row.context]
        del kept.rows[row.key]
        kept.size -= row.size
        self._size -= row.size
