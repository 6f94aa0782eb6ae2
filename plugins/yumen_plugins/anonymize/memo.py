"""What was found in texts that come again: every turn of a conversation brings all the earlier ones, every request of an
application the same system prompt, and a reply that was kept is given many times.

It holds places and rules and never a text: a text is known by a digest under the key of its tenant, so nobody else's is
found and nobody can try texts out.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable

# Of one text, and of all together.
TEXTS_MAX, PLACES_MAX, PLACES_ALL_MAX = 50_000, 64, 200_000

Place = tuple[int, int, int, bool]


class Memo:
    """Bounded; the least recently used goes first. A place is a rule's number, start, end, and whether it is sure."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, tuple[Place, ...]] = OrderedDict()
        self._places = 0

    @staticmethod
    def digest(key: bytes, text: str, how: bytes = b"") -> bytes:
        """What stands for a text of a tenant that is read in some way (of at most 16 bytes)."""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=16, person=how).digest()

    def get(self, digest: Hashable) -> tuple[Place, ...] | None:
        """The places, or None where the text is not known."""
        places = self._known.get(digest)
        if places is not None:
            self._known.move_to_end(digest)
        return places

    def put(self, digest: Hashable, places: tuple[Place, ...]) -> None:
        """Remember a text, unless it has too many places."""
        if len(places) > PLACES_MAX:
            return
        self._places += len(places) - len(self._known.get(digest, ()))
        self._known[digest] = places
        self._known.move_to_end(digest)
        while len(self._known) > TEXTS_MAX or self._places > PLACES_ALL_MAX:
            self._places -= len(self._known.popitem(last=False)[1])
